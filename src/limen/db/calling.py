"""Whether a key that a gate let in may still call, asked in the transaction in which something is done for it."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from limen.core.problems import ProblemError
from limen.db.tables import keys, owners
from limen.db.transaction import Reader

_STANDING = (
    select(keys.c.state, keys.c.expires_at, keys.c.deleted_at, owners.c.suspended_at)
    .join(owners, owners.c.owner == keys.c.owner)
    .where(keys.c.key == bindparam("which"))
)


def require_good(reader: Reader, key: str) -> None:
    """The key may still call: a gate admitted it, and that was before this transaction. One read.

    Raises what the gate would: ``key_revoked``, ``key_expired``, ``key_inactive``, ``owner_suspended``.
    """
    row = reader.connection.execute(_STANDING, {"which": key}).one_or_none()
    if row is None or row.deleted_at is not None or row.state == "revoked":
        raise ProblemError("key_revoked")
    if row.state == "expired" or (row.expires_at is not None and row.expires_at <= reader.now):
        raise ProblemError("key_expired")
    if row.state == "inactive":
        raise ProblemError("key_inactive")
    if row.suspended_at is not None:
        raise ProblemError("owner_suspended")

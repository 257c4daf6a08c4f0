"""Keys as control shows them: everything but the secret, which nobody has."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Unpack

from limen.control.keys import _rows
from limen.core.problems import ProblemError
from limen.db.transaction import Reader

STATES = ("active", "inactive", "expired", "revoked")


@dataclass(frozen=True, slots=True)
class Key:
    """A key. Moments are Unix seconds; *state* is the state at the moment of the question (C15)."""

    key: str
    api: str
    owner: str
    key_class: str
    environment: str
    name: str
    hint: str
    scopes: tuple[str, ...]
    origins: tuple[str, ...] | None
    addresses: tuple[str, ...] | None
    state: str
    predecessor: str
    created_at: float
    created_by: str
    expires_at: float | None
    ended_at: float | None
    ended_reason: str
    last_used_at: float | None


def view(row: Any, now: float) -> Key:
    """The key of *row* as it is at *now*."""
    state = row.state
    if state in ("active", "inactive") and row.expires_at is not None and row.expires_at <= now:
        state = "expired"
    return Key(
        key=row.key,
        api=row.api,
        owner=row.owner,
        key_class=getattr(row, "class"),
        environment=row.environment,
        name=row.name,
        hint=row.hint,
        scopes=tuple(row.scopes),
        origins=None if row.origins is None else tuple(row.origins),
        addresses=None if row.addresses is None else tuple(row.addresses),
        state=state,
        predecessor=row.predecessor or "",
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
        ended_reason=row.ended_reason or "",
        last_used_at=row.last_used_at,
    )


def require(reader: Reader, key: str) -> Key:
    """The key. Raises ``key_unknown``, for a deleted one too. One read."""
    row = _rows.one(reader.connection, key)
    if row is None or row.deleted_at is not None:
        raise ProblemError("key_unknown", f"There is no key {key!r}.")
    return view(row, reader.now)


def listed(reader: Reader, *, after: str = "", limit: int = 100, **wanted: Unpack[_rows.Wanted]) -> list[Key]:
    """Keys, the newest first, from behind the key *after* on, at most *limit*.

    *wanted*: ``api``, ``owner``, ``state``, and ``hidden`` for deleted ones too. Raises ``request_malformed`` for a
    state that keys do not have, ``key_unknown`` for an *after* that is no key.
    """
    state = wanted.get("state", "")
    if state and state not in STATES:
        raise ProblemError("request_malformed", f"State {state!r} is none of {', '.join(STATES)}.")
    before = (math.inf, "")
    if after:
        row = _rows.one(reader.connection, after)
        if row is None:
            raise ProblemError("key_unknown", f"There is no key {after!r}.")
        before = (row.created_at, row.key)
    rows = _rows.page(reader.connection, wanted, now=reader.now, before=before, limit=limit)
    return [view(row, reader.now) for row in rows]

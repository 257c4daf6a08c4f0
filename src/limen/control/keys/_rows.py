"""The SQL of keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, or_, select, tuple_, update

from limen.db.tables import keys


def add(connection: Connection, **values: Any) -> None:
    """A new key's row."""
    connection.execute(insert(keys).values(**values))


def one(connection: Connection, key: str) -> Row[Any] | None:
    """The key's row, hidden or not."""
    return connection.execute(select(keys).where(keys.c.key == key)).one_or_none()


def change(connection: Connection, key: str, **values: Any) -> None:
    """Set columns of a key's row. The triggers refuse what may not change."""
    connection.execute(update(keys).where(keys.c.key == key).values(**values))


def in_slot(connection: Connection, slot: str) -> Row[Any] | None:
    """The key that holds *slot*."""
    return connection.execute(select(keys).where(keys.c.slot == slot)).one_or_none()


def past_their_date(connection: Connection, api: str, owner: str, now: float) -> Sequence[Row[Any]]:
    """The owner's keys of *api* that ended by date without their rows saying so."""
    statement = select(keys).where(
        keys.c.api == api, keys.c.owner == owner, keys.c.state.in_(("active", "inactive")), keys.c.expires_at <= now
    )
    return connection.execute(statement).all()


def page(
    connection: Connection,
    *,
    api: str,
    owner: str,
    state: str,
    now: float,
    hidden: bool,
    before: tuple[float, str],
    limit: int,
) -> Sequence[Row[Any]]:
    """Keys, the newest first, from behind *before* (created, key) on. Empty filters match everything."""
    statement = select(keys).where(tuple_(keys.c.created_at, keys.c.key) < before)
    if api:
        statement = statement.where(keys.c.api == api)
    if owner:
        statement = statement.where(keys.c.owner == owner)
    if not hidden:
        statement = statement.where(keys.c.deleted_at.is_(None))
    dated = or_(keys.c.state == "expired", keys.c.state.in_(("active", "inactive")) & (keys.c.expires_at <= now))
    if state == "expired":
        statement = statement.where(dated)
    elif state:
        statement = statement.where(keys.c.state == state, or_(keys.c.expires_at.is_(None), keys.c.expires_at > now))
    return connection.execute(statement.order_by(keys.c.created_at.desc(), keys.c.key.desc()).limit(limit)).all()

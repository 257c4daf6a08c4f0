"""The SQL of keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from sqlalchemy import ColumnElement, Connection, Row, insert, not_, or_, select, tuple_, update

from limen.db.tables import keys


class Wanted(TypedDict, total=False):
    """Which keys are wanted. What is empty, or left out, matches every key that is not deleted."""

    api: str
    owner: str
    state: str
    """One of ``STATES``: as it is at the moment of the question, not as the row says."""
    hidden: bool
    """Deleted ones too (for staff)."""


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
    connection: Connection, wanted: Wanted, *, now: float, before: tuple[float, str], limit: int
) -> Sequence[Row[Any]]:
    """The *wanted* keys, the newest first, from behind *before* (created, key) on."""
    statement = select(keys).where(tuple_(keys.c.created_at, keys.c.key) < before)
    if api := wanted.get("api"):
        statement = statement.where(keys.c.api == api)
    if owner := wanted.get("owner"):
        statement = statement.where(keys.c.owner == owner)
    if not wanted.get("hidden"):
        statement = statement.where(keys.c.deleted_at.is_(None))
    if state := wanted.get("state"):
        statement = statement.where(_in_state(state, now))
    return connection.execute(statement.order_by(keys.c.created_at.desc(), keys.c.key.desc()).limit(limit)).all()


def _in_state(state: str, now: float) -> ColumnElement[bool]:
    """Whether a key is in *state* at *now*: a key that has not ended expires by its date (C15)."""
    says = keys.c.state == state
    if state == "revoked":
        return says
    past = keys.c.expires_at <= now
    if state == "expired":
        return or_(says, keys.c.state.in_(("active", "inactive")) & past)
    return says & or_(keys.c.expires_at.is_(None), not_(past))

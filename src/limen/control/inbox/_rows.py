"""The SQL of the inbox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, tuple_, update

from limen.db.tables import inbox
from limen.db.upsert import insert


def put(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """New messages' rows; what is there by its owner and source already stays."""
    connection.execute(insert(connection, inbox).on_conflict_do_nothing(), rows)


def one(connection: Connection, owner: str, message: str) -> Row[Any] | None:
    """The row of a message of the owner."""
    return connection.execute(select(inbox).where(inbox.c.message == message, inbox.c.owner == owner)).one_or_none()


def page(
    connection: Connection, owner: str, *, unread: bool, before: tuple[float, str], limit: int
) -> Sequence[Row[Any]]:
    """An owner's messages, the newest first, from behind *before* (at, message) on."""
    statement = select(inbox).where(inbox.c.owner == owner, tuple_(inbox.c.at, inbox.c.message) < before)
    if unread:
        statement = statement.where(inbox.c.read_at.is_(None))
    return connection.execute(statement.order_by(inbox.c.at.desc(), inbox.c.message.desc()).limit(limit)).all()


def unread(connection: Connection, owner: str) -> int:
    """How many messages of the owner were not read."""
    statement = select(func.count()).where(inbox.c.owner == owner, inbox.c.read_at.is_(None))
    return int(connection.execute(statement).scalar_one())


def mark(connection: Connection, owner: str, *, message: str, until: float, now: float) -> int:
    """Messages of the owner that were not read are: this one, or where it is empty, all up to *until*; how many."""
    which = (inbox.c.owner == owner) & inbox.c.read_at.is_(None)
    which &= inbox.c.message == message if message else inbox.c.at <= until
    return connection.execute(update(inbox).where(which).values(read_at=now)).rowcount


def drop(connection: Connection, before: float, limit: int) -> int:
    """At most *limit* messages from before are gone; how many."""
    old = select(inbox.c.message).where(inbox.c.at < before).limit(limit)
    return connection.execute(delete(inbox).where(inbox.c.message.in_(old))).rowcount

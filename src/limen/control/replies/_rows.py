"""The SQL of replies."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, delete, select

from limen.db.tables import replies
from limen.db.upsert import insert


def one(connection: Connection, caller: str, name: str) -> Row[Any] | None:
    """The reply to *caller*'s write of this *name*."""
    statement = select(replies).where(replies.c.caller == caller, replies.c.name == name)
    return connection.execute(statement).one_or_none()


def put(connection: Connection, caller: str, name: str, **values: Any) -> None:
    """Keep a reply, in place of one that is there."""
    statement = insert(connection, replies).values(caller=caller, name=name, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["caller", "name"], set_=values))


def drop_before(connection: Connection, moment: float, most: int) -> int:
    """Drop replies that were made before *moment*, the oldest first, at most *most*; how many that was."""
    old = select(replies.c.caller, replies.c.name).where(replies.c.at < moment).order_by(replies.c.at).limit(most)
    found = connection.execute(old).all()
    for row in found:
        connection.execute(delete(replies).where(replies.c.caller == row.caller, replies.c.name == row.name))
    return len(found)

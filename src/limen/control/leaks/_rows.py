"""The SQL of leaks."""

from __future__ import annotations

from sqlalchemy import Connection, update

from limen.db.tables import keys


def mark(connection: Connection, key: str, now: float) -> bool:
    """The key is marked as leaked since *now*. False: it has been before, or is deleted, and nothing has changed."""
    statement = update(keys).where(keys.c.key == key, keys.c.leaked_at.is_(None), keys.c.deleted_at.is_(None))
    return connection.execute(statement.values(leaked_at=now)).rowcount == 1

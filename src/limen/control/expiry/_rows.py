"""The SQL of keys that ended by their date."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from limen.db.tables import apis, keys


def past(connection: Connection, now: float, limit: int) -> Sequence[Row[Any]]:
    """Keys that ended by *now* without their rows saying so."""
    statement: Select[Any] = select(keys.c.key, keys.c.api, keys.c.owner, keys.c.locator, keys.c.state).where(
        keys.c.api.in_(select(apis.c.api)),  # these and the last condition say nothing new: the index asks for them
        keys.c.state.in_(("active", "inactive")),
        keys.c.expires_at <= now,
        keys.c.deleted_at.is_(None),
    )
    return connection.execute(statement.limit(limit)).all()


def end(connection: Connection, found: Sequence[str], now: float) -> None:
    """The rows of the keys that were *found* say so."""
    values = {"state": "expired", "slot": None, "ended_at": now, "ended_reason": "expired"}
    connection.execute(update(keys).where(keys.c.key.in_(found)).values(**values))

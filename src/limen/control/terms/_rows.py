"""The SQL of what may change of a key."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select, update

from limen.db.tables import keys


def locator(connection: Connection, key: str) -> bytes:
    """What gates find the key by. The key must be there."""
    found: bytes = connection.execute(select(keys.c.locator).where(keys.c.key == key)).scalar_one()
    return found


def change(connection: Connection, key: str, **values: Any) -> None:
    """Set columns of the key's row."""
    connection.execute(update(keys).where(keys.c.key == key).values(**values))

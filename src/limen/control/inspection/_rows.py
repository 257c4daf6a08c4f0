"""The SQL of the inspector."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from limen.db.tables import keys


def one(connection: Connection, key: str) -> Any:
    """What a key's row says beside what is shown of every key; None where there is no such key."""
    columns = (keys.c.key, keys.c.locator, keys.c.api, keys.c.owner, keys.c.hint, keys.c.deleted_at, keys.c.limited_at)
    return connection.execute(select(*columns).where(keys.c.key == key)).one_or_none()

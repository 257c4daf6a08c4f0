"""The SQL of keys. How they are listed stands in ``limen.db.listing``."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from limen.core.names import folded
from limen.db.tables import keys

# Written once, because what is made of them is kept with them: a verb that is done a thousand times is half of this.
_ADD = insert(keys)
_ONE = select(keys).where(keys.c.key == bindparam("which"))
_CHANGE = update(keys).where(keys.c.key == bindparam("which"))
_IN_SLOT = select(keys).where(keys.c.slot == bindparam("which"))


def add(connection: Connection, **values: Any) -> None:
    """A new key's row."""
    connection.execute(_ADD, _named(values))


def one(connection: Connection, key: str) -> Row[Any] | None:
    """The key's row, hidden or not."""
    return connection.execute(_ONE, {"which": key}).one_or_none()


def change(connection: Connection, key: str, **values: Any) -> None:
    """Set columns of a key's row. The triggers refuse what may not change."""
    connection.execute(_CHANGE, _named(values) | {"which": key})


def _named(values: dict[str, Any]) -> dict[str, Any]:
    """*values*, and the name, if there is one, as it is searched by."""
    return values | ({"folded": folded(values["name"])} if "name" in values else {})


def in_slot(connection: Connection, slot: str) -> Row[Any] | None:
    """The key that holds *slot*."""
    return connection.execute(_IN_SLOT, {"which": slot}).one_or_none()

"""The SQL of imports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Column, Connection, insert, select

from limen.core.names import folded
from limen.db import tables
from limen.db.tables import keys

_CHUNK = 500  # values in one statement


def _chunks(values: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(values)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk


def _present(connection: Connection, column: Column[Any], values: Iterable[Any]) -> set[Any]:
    found: set[Any] = set()
    for chunk in _chunks(values):
        found.update(connection.execute(select(column).where(column.in_(chunk))).scalars())
    return found


def places(connection: Connection, wanted: Iterable[bytes]) -> set[bytes]:
    """Those of the *wanted* locators that there are."""
    return _present(connection, keys.c.locator, wanted)


def owners(connection: Connection, wanted: Iterable[str]) -> set[str]:
    """Those of the *wanted* owners that there are."""
    return _present(connection, tables.owners.c.owner, wanted)


def slots(connection: Connection, wanted: Iterable[str]) -> set[str]:
    """Those of the *wanted* slots that are taken."""
    return _present(connection, keys.c.slot, wanted)


def add_all(connection: Connection, values: Sequence[dict[str, Any]]) -> None:
    """New keys' rows."""
    connection.execute(insert(keys), [each | {"folded": folded(each["name"])} for each in values])

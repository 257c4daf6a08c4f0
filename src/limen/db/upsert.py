"""Inserting what may be there already: one statement that both databases know, each by a dialect of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import sqlite

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert


def insert(connection: Connection, into: Table) -> Insert:
    """An insert with ``on_conflict_do_nothing`` and ``on_conflict_do_update``, for the database of *connection*."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(into)  # type: ignore[return-value]  # the two are called alike, and are not related
    from sqlalchemy.dialects import postgresql  # here: where there is SQLite alone, it is of no use

    return postgresql.insert(into)

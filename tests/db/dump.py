"""What a database holds, read by a connection of its own: nothing that has not been committed is in it."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Dump = dict[str, list[tuple[Any, ...]]]


def dump(path: Path) -> Dump:
    """Every row of every table of the SQLite file *path*, in a fixed order."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert connection.execute("pragma foreign_key_check").fetchall() == []
        names = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
        return {name: sorted(connection.execute(f'select * from "{name}"').fetchall(), key=repr) for (name,) in names}


def rows(path: Path, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """What *statement* finds in the SQLite file *path*."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement, values).fetchall()


def schema(connection: sqlite3.Connection) -> dict[tuple[str, str], str]:
    """The statements that made every table, index and trigger, by kind and name, without their layout."""
    found = connection.execute(
        "select type, name, coalesce(sql, '') from sqlite_master where name <> 'alembic_version'"
    )
    return {(kind, name): _plain(sql) for kind, name, sql in found if not name.startswith("sqlite_autoindex_alembic")}


def _plain(sql: str) -> str:
    return re.sub(r"\s*([(),])\s*", r"\1", re.sub(r"\s+", " ", sql)).strip()

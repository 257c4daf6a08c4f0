"""What a database holds, read by a connection of its own: nothing that has not been committed is in it."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from limen.app import App

Dump = dict[str, list[tuple[Any, ...]]]
Place = Path | str
"""A SQLite file, or the URL of a PostgreSQL database."""


def place_of(app: App) -> Place:
    """Where the database of *app* is."""
    return app.settings.database_path if app.settings.on_one_host else app.settings.database_url


def dump(place: Place) -> Dump:
    """Every row of every table, in a fixed order."""
    if isinstance(place, str):
        with psycopg.connect(place) as server:
            names = server.execute(
                "select relname from pg_class where relkind in ('r', 'p') and not relispartition "
                "and relnamespace = 'public'::regnamespace"
            ).fetchall()
            return {name: sorted(server.execute(f'select * from "{name}"').fetchall(), key=repr) for (name,) in names}
    with closing(sqlite3.connect(place)) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert connection.execute("pragma foreign_key_check").fetchall() == []
        names = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
        return {name: sorted(connection.execute(f'select * from "{name}"').fetchall(), key=repr) for (name,) in names}


def rows(place: Place, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """What *statement* finds; its values stand in it as ``?``."""
    if isinstance(place, str):
        with psycopg.connect(place) as server:
            return server.execute(statement.replace("%", "%%").replace("?", "%s"), values).fetchall()
    with closing(sqlite3.connect(place)) as connection:
        return connection.execute(statement, values).fetchall()


def schema(connection: sqlite3.Connection) -> dict[tuple[str, str], str]:
    """The statements that made every table, index and trigger, by kind and name, without their layout."""
    found = connection.execute(
        "select type, name, coalesce(sql, '') from sqlite_master where name <> 'alembic_version'"
    )
    return {(kind, name): _plain(sql) for kind, name, sql in found if not name.startswith("sqlite_autoindex_alembic")}


def _plain(sql: str) -> str:
    return re.sub(r"\s*([(),])\s*", r"\1", re.sub(r"\s+", " ", sql)).strip()

"""What a database holds, read by a connection of its own: nothing that has not been committed is in it."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.types.string import TextLoader

if TYPE_CHECKING:
    from limen.app import App
    from limen.settings import Settings

Dump = dict[str, list[tuple[Any, ...]]]
Place = Path | str
"""A SQLite file, or the URL of a PostgreSQL database."""


def place_of(found: App | Settings) -> Place:
    """Where the database of an App, or of settings, is."""
    settings: Settings = getattr(found, "settings", found)
    return settings.database_path if settings.on_one_host else settings.database_url


def _connected(url: str) -> psycopg.Connection[Any]:
    """What is found by it looks as SQLite shows it: JSON is text."""
    connection = psycopg.connect(url)
    connection.adapters.register_loader("json", TextLoader)
    return connection


_PASSING = {"nodes", "windows", "window_clock"}
"""What processes and requests leave there, whatever anybody does."""


def dump(place: Place) -> Dump:
    """Every row of every table, in a fixed order; but for what is only for the moment."""
    if isinstance(place, str):
        with _connected(place) as server:
            names = server.execute(
                "select relname from pg_class where relkind in ('r', 'p') and not relispartition "
                "and relnamespace = 'public'::regnamespace"
            ).fetchall()
            return {
                name: sorted(server.execute(f'select * from "{name}"').fetchall(), key=repr)
                for (name,) in names
                if name not in _PASSING
            }
    with closing(sqlite3.connect(place)) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert connection.execute("pragma foreign_key_check").fetchall() == []
        names = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
        return {name: sorted(connection.execute(f'select * from "{name}"').fetchall(), key=repr) for (name,) in names}


def kept(place: Place, folder: Path) -> dict[str, bytes]:
    """All that is kept, as it lies there: every file in *folder*, and the tables of a database that has none there."""
    found = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    if isinstance(place, str):
        with _connected(place) as server:
            server.execute("set bytea_output = 'escape'")
            for name in dump(place):
                with server.cursor().copy(f'copy (select * from "{name}") to stdout') as copied:
                    found[name] = b"".join(copied)
    return found


def rows(place: Place, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """What *statement* finds; its values stand in it as ``?``."""
    if isinstance(place, str):
        with _connected(place) as server:
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


_CATALOGUE = {  # kind: its name, and what there is to say of it
    "table": """
        select relname, relkind::text, coalesce(pg_get_partkeydef(oid), ''), coalesce(reloptions::text, '')
        from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace
    """,
    "column": """
        select relname, attname, format_type(atttypid, atttypmod), attnotnull::text, coalesce(collname, ''),
            coalesce(pg_get_expr(adbin, adrelid), ''), attidentity::text
        from pg_attribute join pg_class on pg_class.oid = attrelid
            left join pg_collation on pg_collation.oid = attcollation
            left join pg_attrdef on (adrelid, adnum) = (attrelid, attnum)
        where attnum > 0 and not attisdropped and relkind in ('r', 'p') and not relispartition
            and relnamespace = 'public'::regnamespace
    """,
    "index": """
        select tablename, indexname, indexdef from pg_indexes join pg_class on relname = indexname
        where schemaname = 'public' and not relispartition
    """,
    "constraint": """
        select relname, conname, pg_get_constraintdef(pg_constraint.oid)
        from pg_constraint join pg_class on pg_class.oid = conrelid
        where connamespace = 'public'::regnamespace and not relispartition
    """,
    "trigger": """
        select relname, tgname, pg_get_triggerdef(pg_trigger.oid), tgenabled::text
        from pg_trigger join pg_class on pg_class.oid = tgrelid where not tgisinternal
    """,
    "function": """
        select proname, pg_get_function_identity_arguments(oid), pg_get_functiondef(oid)
        from pg_proc where pronamespace = 'public'::regnamespace
    """,
}


def postgresql_schema(connection: psycopg.Connection[Any]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """What there is in a database, by kind and name, and what PostgreSQL says of each; not in which order."""
    found = {}
    for kind, statement in _CATALOGUE.items():
        named = 1 if kind == "table" else 2
        for row in connection.execute(statement):  # type: ignore[arg-type]  # a statement of this file
            found[(kind, *row[:named])] = tuple(_plain(part) for part in row[named:])
    return found

"""A hand at the database: somebody who opens it with the database's own shell and writes SQL, past all verbs."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.types.string import TextLoader

if TYPE_CHECKING:
    from collections.abc import Iterator

Place = Path | str
"""A SQLite file, or the URL of a PostgreSQL database."""


class Hand:
    """Each statement is its own transaction. What is found looks alike on both databases: JSON is text."""

    refused = (sqlite3.IntegrityError, psycopg.IntegrityError)
    """What the database says where it refuses a row."""

    def __init__(self, place: Place) -> None:
        self._connection: Any
        self.sqlite = isinstance(place, Path)
        if isinstance(place, Path):
            self._connection = sqlite3.connect(place, isolation_level=None)
        else:
            self._connection = psycopg.connect(place, autocommit=True)
            self._connection.adapters.register_loader("json", TextLoader)

    def execute(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What *statement* finds, if it looks for anything; its values stand in it as ``?``."""
        if not self.sqlite and values:
            statement = statement.replace("%", "%%").replace("?", "%s")
        found = self._connection.execute(statement, values or ())
        return [] if found.description is None else found.fetchall()

    def unbind(self) -> None:
        """From now on triggers and foreign keys hold this hand up no more."""
        if not self.sqlite:
            self.execute("set session_replication_role = replica")
            return
        self.execute("pragma foreign_keys = off")
        for (name,) in self.execute("select name from sqlite_master where type = 'trigger'"):
            self.execute(f"drop trigger {name}")

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()


@contextmanager
def hand_at(place: Place) -> Iterator[Hand]:
    """A hand at the database at *place*."""
    hand = Hand(place)
    try:
        yield hand
    finally:
        hand.close()


@contextmanager
def full(place: Place, table: str, said: str = "there is no room") -> Iterator[None]:
    """Within, no row goes into *table*: the database refuses it, and says why."""
    with hand_at(place) as hand:
        if hand.sqlite:
            hand.execute(f"create trigger no before insert on {table} begin select raise(abort, '{said}'); end")
        else:
            hand.execute(
                f"create function no() returns trigger language plpgsql as $$ begin"
                f" raise exception '{said}' using errcode = 'check_violation'; end $$"
            )
            hand.execute(f"create trigger no before insert on {table} for each row execute function no()")
    try:
        yield
    finally:
        with hand_at(place) as hand:
            hand.execute("drop trigger no" if hand.sqlite else "drop function no cascade")


@contextmanager
def missing(place: Place, table: str) -> Iterator[None]:
    """Within, there is no *table*."""
    with hand_at(place) as hand:
        hand.execute(f"alter table {table} rename to gone")
    try:
        yield
    finally:
        with hand_at(place) as hand:
            hand.execute(f"alter table gone rename to {table}")


@contextmanager
def shut(url: str) -> Iterator[None]:
    """Within, the PostgreSQL database of *url* takes nobody in, and whoever was in it has been put out."""
    name = url.rpartition("/")[2]
    with hand_at(f"{url.removesuffix(name)}postgres") as hand:
        hand.execute(f'alter database "{name}" allow_connections false')
        hand.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = ?", name)
        try:
            yield
        finally:
            hand.execute(f'alter database "{name}" allow_connections true')

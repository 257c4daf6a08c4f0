"""Copies of a database: made while it is in use, whole, and of one moment; and what a copy says of itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, column, create_engine, inspect, select, table, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from limen.core.problems import ProblemError, StoreDown
from limen.db.engine import BUSY_TIMEOUT_S

Progress = Callable[[int, int], None]
"""Is told how much is done, and of how much."""

MARK = "backup"
"""The table that a backup has and a database in use has not: nobody takes the one for the other."""

_PAGES = 2_000
_MISTAKES = 5


def copy(source: Path, target: Path, progress: Progress, *, in_use: bool) -> None:
    """The empty file *target* holds what the database *source* held at one moment, in one file, checked.

    *in_use*: processes may read and write *source* meanwhile. Raises StoreDown; ProblemError (``backup_wrong``) where
    *source* is no database, or damaged.
    """
    with _errors_of(source), closing(_opened(source, in_use=in_use)) as held, closing(sqlite3.connect(target)) as made:
        held.isolation_level = None
        held.execute("begin")
        held.execute("select count(*) from sqlite_master").fetchone()  # the moment: what comes later is not copied
        held.backup(made, pages=_PAGES, progress=lambda _, left, pages: progress(pages - left, pages))
        made.execute("pragma journal_mode=delete")  # no file beside it
        wrong = [row[0] for row in made.execute(f"pragma integrity_check({_MISTAKES})")]
    if wrong != ["ok"]:
        raise ProblemError("backup_wrong", f"{source} is damaged: {'; '.join(wrong)}.")


def mark(copy: Path, made_at: float) -> None:
    """The file *copy* says that it is a backup, of *made_at* (Unix seconds)."""
    with _errors_of(copy), closing(sqlite3.connect(copy)) as made, made:
        made.execute(f"create table if not exists {MARK} (made_at double not null)")
        made.execute(f"delete from {MARK}")  # noqa: S608 - a name of our own
        made.execute(f"insert into {MARK} values (?)", (made_at,))  # noqa: S608 - as above


def made_at(connection: Connection) -> float | None:
    """When the backup was made that *connection* reads (Unix seconds); None: it is none."""
    if not inspect(connection).has_table(MARK):
        return None
    found: float | None = connection.execute(select(column("made_at")).select_from(table(MARK))).scalar()
    return found


def unmark(connection: Connection) -> None:
    """The database is no backup any more."""
    connection.execute(text(f"drop table if exists {MARK}"))


def require_unmarked(connection: Connection) -> None:
    """Raises ProblemError (``store_not_ready``) where the database is a backup that was put in place by hand."""
    if inspect(connection).has_table(MARK):
        raise ProblemError(
            "store_not_ready",
            "The database is a backup that was put there as a file: what was revoked since would be admitted. "
            "Move it elsewhere, and run 'limen restore' with it.",
        )


@contextmanager
def looked_at(path: Path) -> Iterator[Connection]:
    """Read the database at *path*, which nobody writes, without leaving anything beside it. Raises as ``copy`` does."""
    engine = create_engine("sqlite://", creator=lambda: _opened(path, in_use=False), poolclass=NullPool)
    try:
        with _errors_of(path), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _opened(path: Path, *, in_use: bool) -> sqlite3.Connection:
    """A file that nobody uses, and that has no write-ahead log, is read without a file being made beside it."""
    alone = not in_use and not path.with_name(f"{path.name}-wal").exists()
    how = "mode=ro&immutable=1" if alone else "mode=rw"
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?{how}", uri=True, timeout=BUSY_TIMEOUT_S)


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, sqlite3.DatabaseError) as error:
        found = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(found, sqlite3.OperationalError):
            raise StoreDown(f"{path}: {found}.") from error
        raise ProblemError("backup_wrong", f"{path}: {found}.") from error

"""Every table as rows that any database and any program can read: text, numbers, booleans, JSON, and bytes as hex."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

from sqlalchemy import JSON, Connection, LargeBinary, Table, column, exists, func, insert, select, table
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from limen.core.problems import ProblemError
from limen.core.profile import BUILT_IN
from limen.db import tables

STAY = frozenset(
    {"installation", "change_head", "changes", "journal_marks", "tombstone_head", "nodes", "compatibility"}
    | {"windows", "window_clock", "window_eras"}
)
"""What belongs to a database and its folder, and goes nowhere else."""

USAGE = frozenset(
    {"readings", "outcomes", "refusals", "disregards"}
    | {"usage_minutes", "usage_hours", "usage_days", "usage_times", "usage_addresses"}
)
"""What is as large as an API's traffic."""

FIRST = ("peppers", "pepper_secrets")
"""What all keys are stored under: with another pepper the rest is of no use."""

_ROWS = 1_000

PATIENCE_S = 3_600.0
"""How long one statement may take on PostgreSQL that reads, sorts or checks a whole table."""

Portable = dict[str, Any]
"""A row: what JSON can say, by the names of the columns."""


def names(*, usage: bool) -> list[str]:
    """The tables, each behind those that it refers to; what keys are stored under comes first."""
    told = [each.name for each in tables.metadata.sorted_tables if each.name not in STAY]
    told = [name for name in told if usage or name not in USAGE]
    return [*FIRST, *(name for name in told if name not in FIRST)]


def count(connection: Connection, name: str) -> int:
    """How many rows a table has."""
    return connection.execute(select(func.count()).select_from(_table(name))).scalar_one()


def rows(connection: Connection, name: str) -> Iterator[Portable]:
    """The rows of a table, in the order of its primary key, a thousand in memory at a time."""
    of = _table(name)
    binary = {each.name for each in of.columns if isinstance(each.type, LargeBinary)}
    wanted = select(of).order_by(*of.primary_key.columns).execution_options(yield_per=_ROWS)
    for row in connection.execute(wanted).mappings():
        yield {key: value.hex() if key in binary and value is not None else value for key, value in row.items()}


def put_rows(connection: Connection, name: str, given: Iterable[Portable]) -> int:
    """The rows are in the table; how many they are. Raises ProblemError (``archive_wrong``) where one cannot be.

    What they refer to may come later, up to the end of the transaction (``require_sound``).
    """
    of = _table(name)
    columns = {each.name: each for each in of.columns}
    light = table(name, *(column(each.name, _plain(each)) for each in of.columns))
    done, left = 0, iter(given)
    while chunk := [_row(name, columns, row) for row in islice(left, _ROWS)]:
        try:
            connection.execute(insert(light), chunk)
        except (DBAPIError, StatementError) as error:
            raise ProblemError("archive_wrong", f"Rows {done + 1} and on of {name}: {error.orig}.") from error
        done += len(chunk)
    return done


def _plain(of: Any) -> Any:
    """The type to write a column by: where it may be empty, no JSON ``null`` stands for that."""
    return JSON(none_as_null=of.nullable) if isinstance(of.type, JSON) else of.type


def _row(name: str, columns: Mapping[str, Any], row: Portable) -> Portable:
    if row.keys() != columns.keys():
        odd = ", ".join(sorted(row.keys() ^ columns.keys()))
        raise ProblemError("archive_wrong", f"A row of {name} lacks, or has too much: {odd}.")
    try:
        return {
            key: bytes.fromhex(value) if isinstance(columns[key].type, LargeBinary) and value is not None else value
            for key, value in row.items()
        }
    except (TypeError, ValueError):
        raise ProblemError("archive_wrong", f"A row of {name} has bytes that are not written as hex.") from None


@contextmanager
def patient(connection: Connection) -> Iterator[None]:
    """Within, a statement may take as long as a large table does; until the transaction ends."""
    if connection.dialect.name == "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    usual, driver.answer_s = driver.answer_s, PATIENCE_S
    try:
        connection.exec_driver_sql(f"set local statement_timeout = '{PATIENCE_S:g}s'")
        yield
    finally:
        driver.answer_s = usual


def begin(connection: Connection) -> None:
    """What rows refer to may come after them: on SQLite until the transaction ends, on PostgreSQL in one table."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("pragma defer_foreign_keys = on")
    for of, name in _own_references(connection):
        connection.exec_driver_sql(f'alter table {of} alter constraint "{name}" deferrable initially deferred')


def require_sound(connection: Connection) -> None:
    """What rows refer to is there, and comes before them again. Raises ProblemError (``archive_wrong``)."""
    if connection.dialect.name == "sqlite":
        if found := connection.exec_driver_sql("pragma foreign_key_check").first():
            raise ProblemError("archive_wrong", f"A row of {found[0]} refers to one of {found[2]} that is not there.")
        return
    try:
        connection.exec_driver_sql("set constraints all immediate")
    except IntegrityError as error:
        raise ProblemError("archive_wrong", f"A row refers to one that is not there: {error.orig}.") from error
    for of, name in _own_references(connection):
        connection.exec_driver_sql(f'alter table {of} alter constraint "{name}" not deferrable')


def _own_references(connection: Connection) -> list[tuple[str, str]]:
    """On PostgreSQL: the tables whose rows refer to rows of the same table, and what these constraints are called."""
    if connection.dialect.name == "sqlite":
        return []
    found = connection.exec_driver_sql(
        "select conrelid::regclass::text, conname from pg_constraint "
        "where contype = 'f' and conrelid = confrelid and connamespace = current_schema()::regnamespace"
    )
    return [(of, name) for of, name in found]


def empty(connection: Connection) -> None:
    """On PostgreSQL: what can be put into tables is in none of them. The triggers that forbid it stand again."""
    of = [f'"{name}"' for name in names(usage=True)]
    for name in of:
        connection.exec_driver_sql(f"alter table {name} disable trigger user")
    connection.exec_driver_sql(f"truncate {', '.join(of)} restart identity")
    for name in of:
        connection.exec_driver_sql(f"alter table {name} enable trigger user")


def number_on(connection: Connection) -> None:
    """On PostgreSQL: the numbers that it gives go on behind those that were put in."""
    for of in map(_table, names(usage=True)):
        if (by := of.autoincrement_column) is not None:
            behind = func.setval(func.pg_get_serial_sequence(f'"{of.name}"', by.name), func.max(by))
            connection.execute(select(behind))


def is_empty(connection: Connection) -> bool:
    """Whether there is no API but Limen's own, and no key but those of it."""
    used = exists().where(tables.apis.c.api != BUILT_IN) | exists().where(tables.keys.c.api != BUILT_IN)
    return not connection.execute(select(used)).scalar_one()


def _table(name: str) -> Table:
    return tables.metadata.tables[name]

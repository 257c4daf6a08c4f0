"""Many rows in one statement: new ones, sums that are added to those that are there, rows that may be there already.

The statements are written here, by the names of our own tables and columns alone. PostgreSQL is handed new rows by COPY
in binary, at half of what the cheapest INSERT costs; and others as one text of JSON: one statement for all rows, at a
fifth of what as many statements cost, and half of what an array a column does.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, Double, Integer, LargeBinary, Table
from sqlalchemy.exc import DBAPIError


def add(connection: Connection, into: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Each of *rows*, all columns in their order, is in the table, or what it counts is added to the row of its key.

    No two have the same key. They are to be in the order of their keys: two who add to the same never deadlock.
    """
    which = ", ".join(column.name for column in into.primary_key.columns)
    added = ", ".join(
        f"{column.name} = {into.name}.{column.name} + excluded.{column.name}"
        for column in into.columns
        if not column.primary_key
    )
    _put(connection, into, rows, f"on conflict ({which}) do update set {added}")


def append(connection: Connection, into: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Each of *rows*, all columns in their order, is in the table, where none of their keys was.

    Raises what SQLAlchemy raises for a statement, IntegrityError too.
    """
    if connection.dialect.name == "sqlite":
        _put(connection, into, rows, "")
        return
    names = ", ".join(column.name for column in into.columns)
    driver: Any = connection.connection.driver_connection  # SQLAlchemy knows of no COPY
    failures, statement = connection.dialect.loaded_dbapi.Error, f"copy {into.name} ({names}) from stdin"
    try:
        with driver.cursor() as cursor, cursor.copy(f"{statement} (format binary)") as copy:
            copy.set_types([_binary(column.type) for column in into.columns])
            for row in rows:
                copy.write_row(row)
    except failures as error:
        raise DBAPIError.instance(statement, None, error, failures, dialect=connection.dialect) from error


def put(connection: Connection, into: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Each of *rows*, all columns in their order, is in the table; what is there already stays."""
    _put(connection, into, rows, "on conflict do nothing")


def _put(connection: Connection, into: Table, rows: Sequence[tuple[Any, ...]], conflict: str) -> None:
    if not rows:
        return
    names = ", ".join(column.name for column in into.columns)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(into.columns))
        statement = f"insert into {into.name} ({names}) values ({marks}) {conflict}"  # noqa: S608 - our own names
        connection.exec_driver_sql(statement, list(rows))
        return
    binary = [place for place, column in enumerate(into.columns) if isinstance(column.type, LargeBinary)]
    written = [
        [value.hex() if place in binary else value for place, value in enumerate(row)] if binary else row
        for row in rows
    ]
    read = ", ".join(_read(place, column.type) for place, column in enumerate(into.columns))
    statement = (
        f"insert into {into.name} ({names}) select {read} from jsonb_array_elements(%s::jsonb) as each {conflict}"  # noqa: S608 - as above
    )
    connection.exec_driver_sql(statement, (json.dumps(written),))


def _binary(of: Any) -> str:
    """What PostgreSQL calls it."""
    if isinstance(of, LargeBinary):
        return "bytea"
    if isinstance(of, BigInteger):
        return "int8"
    if isinstance(of, Integer):
        return "int4"
    return "float8" if isinstance(of, Double) else "text"


def _read(place: int, of: Any) -> str:
    """What stands at *place* of a row."""
    if isinstance(of, LargeBinary):
        return f"decode(each ->> {place}, 'hex')"
    if isinstance(of, BigInteger):
        return f"(each ->> {place})::bigint"
    if isinstance(of, Integer):
        return f"(each ->> {place})::integer"
    return f"(each ->> {place})::double precision" if isinstance(of, Double) else f"each ->> {place}"

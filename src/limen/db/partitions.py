"""Readings by day: on PostgreSQL a partition each, so that what is old can be dropped without being looked at."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, text

from limen.db.transaction import Tx

DAY_S = 86_400.0

_AHEAD = 2
"""How many days ahead there are partitions: a worker that stands still for a day finds them all the same."""

_LATE = 7
"""How many days back one is made for: a host that could not drain for longer has its readings in ``readings_other``."""


def prepare(tx: Tx) -> int:
    """There is a partition for today and the days around it for which readings may come; how many were made.

    What belongs into one that is made may lie in ``readings_other`` by then: it is moved, and readings wait meanwhile.
    """
    connection = tx.connection
    if connection.dialect.name == "sqlite":
        return 0
    today = int(tx.now // DAY_S)
    missing = set(range(today - _LATE, today + _AHEAD + 1)) - partitions(connection)
    for day in sorted(missing):
        name, within = _name(day), f"at >= {day * DAY_S} and at < {(day + 1) * DAY_S}"
        # Attached, not made as a partition: that would keep readers off too. Names and numbers are our own.
        for statement in (
            "lock table readings_other in access exclusive mode",
            f"create table {name} (like readings including all, check ({within}))",
            f"insert into {name} select * from readings_other where {within}",  # noqa: S608
            f"delete from readings_other where {within}",  # noqa: S608
            f"alter table readings attach partition {name} for values from ({day * DAY_S}) to ({(day + 1) * DAY_S})",
        ):
            connection.exec_driver_sql(statement)
    return len(missing)


def drop(tx: Tx, *, before_day: int) -> int:
    """The readings of the days before the Unix day *before_day* that have a partition are gone; how many days.

    Nothing of them is read. Whoever reads or writes readings waits for some milliseconds.
    """
    connection = tx.connection
    if connection.dialect.name == "sqlite":
        return 0
    old = sorted(day for day in partitions(connection) if day < before_day)
    for day in old:
        connection.exec_driver_sql(f"drop table {_name(day)}")
    return len(old)


def partitions(connection: Connection) -> set[int]:
    """The days (Unix days) that have a partition."""
    named = text("select inhrelid::regclass::text from pg_inherits where inhparent = 'readings'::regclass")
    found = [name.rpartition("_")[2] for name in connection.execute(named).scalars()]
    return {_day(name) for name in found if name.isdigit()}


def _name(day: int) -> str:
    return f"readings_{datetime.fromtimestamp(day * DAY_S, UTC):%Y%m%d}"


def _day(name: str) -> int:
    return int(datetime.strptime(name, "%Y%m%d").replace(tzinfo=UTC).timestamp() // DAY_S)

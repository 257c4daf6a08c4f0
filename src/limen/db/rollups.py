"""The roll-ups in the database: sums are added to them, and those of a day are made anew from its readings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, select

from limen.core.rollup import DAY_S, HOUR_S, MINUTE_S, Sums, Which
from limen.db import bulk
from limen.db.usage_tables import readings, usage_addresses, usage_days, usage_hours, usage_minutes, usage_times

SPANS = ((usage_minutes, MINUTE_S), (usage_hours, HOUR_S), (usage_days, DAY_S))
TABLES = (usage_minutes, usage_hours, usage_days, usage_times, usage_addresses)

_ROWS = 10_000


def add(connection: Connection, sums: Sums) -> None:
    """What *sums* come to is added to the roll-ups. Rows of other transactions are waited for: do it late."""
    for table, span_s in SPANS:
        bulk.add(connection, table, sums.by(span_s))
    bulk.add(connection, usage_times, sums.times())
    bulk.add(connection, usage_addresses, list(sums.places()))


def clear(connection: Connection, day: int) -> None:
    """There are no roll-ups of the Unix day *day*. Until the transaction ends, nobody adds to any."""
    if connection.dialect.name != "sqlite":  # there one writes at a time in any case
        names = ", ".join(table.name for table in TABLES)
        connection.exec_driver_sql(f"lock table {names} in share row exclusive mode")
    for table in TABLES:
        within = (table.c.at >= day * DAY_S) & (table.c.at < (day + 1) * DAY_S)
        connection.execute(delete(table).where(within))


def of_day(connection: Connection, day: int) -> Sums:
    """What the readings of the Unix day *day* come to. About 4 s a million."""
    sums = Sums()
    for row in _readings(connection, day):
        which = which_of(row)
        sums.decided(which, row.address)
        if row.status is not None:
            sums.answered(which, row.status, row.took_us)
    return sums


def wrong(connection: Connection, day: int) -> int:
    """How many rows of the Unix day *day* are not what its readings come to, are missing, or are too many."""
    sums = of_day(connection, day)
    expected: list[tuple[Table, list[Any]]] = [(table, list(sums.by(span_s))) for table, span_s in SPANS]
    expected += [(usage_times, list(sums.times())), (usage_addresses, list(sums.places()))]
    found = 0
    for table, rows in expected:
        within = (table.c.at >= day * DAY_S) & (table.c.at < (day + 1) * DAY_S)
        stored = {tuple(row) for row in connection.execute(select(table).where(within))}
        found += len(stored ^ set(rows))
    return found


def which_of(row: Row[Any]) -> Which:
    """What a reading is counted as."""
    return (row.api, row.locator, int(row.at), row.operation, row.version, row.code)


def _readings(connection: Connection, day: int) -> Iterator[Any]:
    of = readings.c
    wanted = (of.api, of.locator, of.at, of.operation, of.version, of.code, of.address, of.status, of.took_us)
    within = (of.at >= day * DAY_S) & (of.at < (day + 1) * DAY_S)
    found: Iterator[Any] = iter(connection.execute(select(*wanted).where(within).execution_options(yield_per=_ROWS)))
    return found

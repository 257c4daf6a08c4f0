"""The SQL of readings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from limen.db.tables import journal_marks, keys, outcomes, readings, refusals


def mark(connection: Connection, segment: str) -> int:
    """Up to where *segment* is in the readings."""
    found = connection.execute(select(journal_marks.c.offset).where(journal_marks.c.segment == segment)).scalar()
    return found or 0


def set_mark(connection: Connection, segment: str, offset: int) -> None:
    """*segment* is in the readings up to *offset*."""
    statement = insert(journal_marks).values(segment=segment, offset=offset)
    connection.execute(statement.on_conflict_do_update(index_elements=["segment"], set_={"offset": offset}))


def drop_mark(connection: Connection, segment: str) -> None:
    """*segment* is gone."""
    connection.execute(delete(journal_marks).where(journal_marks.c.segment == segment))


def add_readings(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Readings, in one statement. What is there already is the same reading: a number is given once."""
    connection.execute(insert(readings).on_conflict_do_nothing(), rows)


def add_outcomes(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Outcomes; where one was told twice, the first stands."""
    connection.execute(insert(outcomes).on_conflict_do_nothing(), rows)


def add_refusals(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Counts, added to what was counted of the same before."""
    statement = insert(refusals)
    added = {"count": refusals.c.count + statement.excluded.count}
    connection.execute(
        statement.on_conflict_do_update(index_elements=["minute", "api", "code", "prefix", "block"], set_=added), rows
    )


def used(connection: Connection, last: dict[bytes, float]) -> None:
    """The keys at these locators were used at these moments, if not later."""
    statement = (
        update(keys)
        .where(keys.c.locator == bindparam("place"))
        .values(last_used_at=func.max(func.coalesce(keys.c.last_used_at, 0), bindparam("moment")))
    )
    connection.execute(statement, [{"place": place, "moment": moment} for place, moment in last.items()])


def page(connection: Connection, *, key: str, since: float, limit: int) -> Sequence[Row[Any]]:
    """Readings of a key, or of all, with their outcomes, the newest first."""
    statement = (
        select(readings, outcomes.c.status, keys.c.key)
        .outerjoin(
            outcomes, (outcomes.c.incarnation == readings.c.incarnation) & (outcomes.c.number == readings.c.number)
        )
        .outerjoin(keys, keys.c.locator == readings.c.locator)
        .where(readings.c.at >= since)
    )
    if key:
        statement = statement.where(keys.c.key == key)
    return connection.execute(statement.order_by(readings.c.at.desc()).limit(limit)).all()

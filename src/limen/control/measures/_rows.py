"""The SQL of measures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, or_, select, tuple_, update

from limen.db.tables import measures


def add(connection: Connection, **values: Any) -> None:
    """A new measure's row."""
    connection.execute(insert(measures).values(**values))


def one(connection: Connection, measure: str) -> Row[Any] | None:
    """The measure's row, lifted or not."""
    return connection.execute(select(measures).where(measures.c.measure == measure)).one_or_none()


def change(connection: Connection, measure: str, **values: Any) -> None:
    """Set columns of a measure's row."""
    connection.execute(update(measures).where(measures.c.measure == measure).values(**values))


def alike(connection: Connection, **values: Any) -> Row[Any] | None:
    """A measure that has these *values*, and is not lifted."""
    statement = select(measures).where(measures.c.lifted_at.is_(None))
    for name, value in values.items():
        statement = statement.where(measures.c[name].is_(None) if value is None else measures.c[name] == value)
    return connection.execute(statement.limit(1)).one_or_none()


def page(
    connection: Connection, *, api: str, holding_at: float | None, before: tuple[float, str], limit: int
) -> Sequence[Row[Any]]:
    """Measures, the newest first, from behind *before* (set, measure) on.

    *api*: of this one, and those of every API; empty: of any. *holding_at*: only those that hold at that moment.
    """
    statement = select(measures).where(tuple_(measures.c.set_at, measures.c.measure) < before)
    if api:
        statement = statement.where(measures.c.api.in_((api, "")))
    if holding_at is not None:
        lasting = or_(measures.c.ends_at.is_(None), measures.c.ends_at > holding_at)
        statement = statement.where(measures.c.lifted_at.is_(None), lasting)
    return connection.execute(
        statement.order_by(measures.c.set_at.desc(), measures.c.measure.desc()).limit(limit)
    ).all()


def end_by_date(connection: Connection, now: float) -> None:
    """Every measure that ended by its date says so: rules are no longer compiled with it."""
    past = measures.c.lifted_at.is_(None) & (measures.c.ends_at <= now)
    connection.execute(update(measures).where(past).values(lifted_at=measures.c.ends_at))

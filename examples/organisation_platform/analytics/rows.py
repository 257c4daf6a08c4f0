"""The SQL of analytics. Every statement reads one stretch of one index: an organisation's events of one name."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import BigInteger as Whole
from sqlalchemy import ColumnElement, case, func, literal_column, select, type_coerce

from examples.organisation_platform.analytics.shapes import MAX_GROUPS, Dimension, Filters, Measure
from examples.organisation_platform.analytics.spans import Span
from examples.organisation_platform.store import Tenant
from examples.organisation_platform.tables import events, organisations, to_ms

Value = int | float | None

_FIELDS = {"amount": events.c.amount, "quantity": events.c.quantity, "waitSeconds": events.c.wait_seconds}
_DIMENSIONS = {
    "experienceId": events.c.experience_id,
    "experience_id": events.c.experience_id,
    "country": events.c.country,
    "device": events.c.device,
}


def currency_code(tenant: Tenant) -> str:
    """In which currency the organisation's amounts are."""
    found = select(organisations.c.currency_code).where(organisations.c.number == tenant.number)
    return str(tenant.conn.execute(found).scalar_one())


def total(tenant: Tenant, measure: Measure, span: Span, filters: Filters) -> Value:
    """What *measure* comes to in all of *span*."""
    asked = select(_worked_out(measure)).where(*_of(tenant, measure, span, filters))
    return _number(tenant.conn.execute(asked).scalar_one(), measure)


def series(
    tenant: Tenant, measure: Measure, span: Span, filters: Filters, begins: Sequence[datetime]
) -> list[tuple[datetime, Value]]:
    """What *measure* comes to from each of *begins* to the next one, which together cover *span*."""
    part = _part(begins).label("part")
    asked = select(part, _worked_out(measure)).where(*_of(tenant, measure, span, filters)).group_by("part")
    found: dict[int, Any] = dict(tenant.conn.execute(asked).all())
    return [(begin, _number(found.get(place), measure)) for place, begin in enumerate(begins)]


def groups(
    tenant: Tenant, measure: Measure, span: Span, filters: Filters, dimension: Dimension
) -> list[tuple[str, Value]]:
    """What *measure* comes to for each value of *dimension*, the largest first; at most ``MAX_GROUPS``."""
    key, value = _DIMENSIONS[dimension], _worked_out(measure).label("value")
    asked = select(key, value).where(*_of(tenant, measure, span, filters)).group_by(key)
    asked = asked.order_by(value.desc().nulls_last(), key).limit(MAX_GROUPS)
    return [(found, _number(worked_out, measure)) for found, worked_out in tenant.conn.execute(asked)]


def _of(tenant: Tenant, measure: Measure, span: Span, filters: Filters) -> list[ColumnElement[bool]]:
    """The conditions on the events that *measure* is about."""
    conditions = [tenant.owns(events), events.c.name == measure.event, events.c.at >= span.start]
    conditions.append(events.c.at < span.end)
    for each in (filters, measure.filters):
        given = each.model_dump(exclude_none=True)
        conditions += [_DIMENSIONS[name].in_(values) for name, values in given.items()]
    return conditions


def _worked_out(measure: Measure) -> ColumnElement[Any]:
    if measure.field is None:
        return func.count()
    return getattr(func, measure.op)(_FIELDS[measure.field])  # type: ignore[no-any-return]  # count, sum, avg, min, max


def _part(begins: Sequence[datetime]) -> ColumnElement[int]:
    """The place in *begins* of the part of time in which an event lies."""
    at, marks = type_coerce(events.c.at, Whole), [to_ms(each) for each in begins]
    lengths = {later - earlier for earlier, later in pairwise(marks)}
    if len(lengths) == 1:
        return (at - _written(marks[0])) // _written(lengths.pop())
    parts = [(at < _written(mark), _written(place)) for place, mark in enumerate(marks[1:])]
    last = _written(len(marks) - 1)
    return case(*parts, else_=last) if parts else last


def _written(number: int) -> ColumnElement[int]:
    """A number of ours in the text of the statement: PostgreSQL takes two parameters of one value for two things."""
    return literal_column(str(number), Whole)


def _number(value: Any, measure: Measure) -> Value:
    """What the database worked out: PostgreSQL's sums and averages are decimals."""
    if value is None:
        return 0 if measure.op in ("count", "sum") else None
    return round(float(value), 4) if measure.op == "avg" else int(value)

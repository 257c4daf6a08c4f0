"""The SQL of readings."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypedDict

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    case,
    cast,
    func,
    select,
    tuple_,
)

from limen.core.rollup import DAY_S, WHOLE
from limen.core.verdict import OK, SHADOWED
from limen.db.tables import disregards, keys, readings, refusals, usage_days


def disregards_page(connection: Connection, *, since: float, api: str, key: str, limit: int) -> Sequence[Any]:
    """Disregards with their keys, the newest hour first, and in it the highest count."""
    statement = (
        select(disregards.c.hour, disregards.c.count.label("times"), keys.c.key, keys.c.api, keys.c.owner)
        .join(keys, keys.c.locator == disregards.c.locator)
        .where(disregards.c.hour >= int(since // 3600))
    )
    if api:
        statement = statement.where(keys.c.api == api)
    if key:
        statement = statement.where(keys.c.key == key)
    return connection.execute(
        statement.order_by(disregards.c.hour.desc(), disregards.c.count.desc()).limit(limit)
    ).all()


def refusals_page(connection: Connection, *, since: float, api: str, limit: int, shadow: bool) -> Sequence[Any]:
    """Refusals without a known key, added up by API, code, prefix and block, the most first.

    *shadow*: instead, what shadow limits would have refused. It is counted in the same table, by limit.
    """
    which = (refusals.c.api, refusals.c.code, refusals.c.prefix, refusals.c.block)
    count = cast(func.sum(refusals.c.count), BigInteger)  # PostgreSQL adds them up as decimal numbers
    statement = (
        select(
            *which,
            count.label("times"),
            func.min(refusals.c.minute).label("first"),
            func.max(refusals.c.minute).label("last"),
        )
        .where(refusals.c.minute >= int(since // 60), (refusals.c.code == SHADOWED) == shadow)
        .group_by(*which)
    )
    if api:
        statement = statement.where(refusals.c.api == api)
    return connection.execute(statement.order_by(count.desc(), *which).limit(limit)).all()


def refused_page(connection: Connection, *, since: float, api: str, limit: int) -> Sequence[Any]:
    """Refused readings, added up by key and code, the most first."""
    which = (readings.c.api, keys.c.key, keys.c.owner, readings.c.code)
    count = func.count()
    statement = (
        select(
            *which, count.label("times"), func.min(readings.c.at).label("first"), func.max(readings.c.at).label("last")
        )
        .join(keys, keys.c.locator == readings.c.locator)
        .where(readings.c.at >= since, readings.c.code != "ok")
        .group_by(*which)
    )
    if api:
        statement = statement.where(readings.c.api == api)
    return connection.execute(statement.order_by(count.desc(), *which).limit(limit)).all()


def moment(connection: Connection, incarnation: int, number: int) -> float | None:
    """When the reading was decided; None where there is none."""
    statement = select(readings.c.at).where(readings.c.incarnation == incarnation, readings.c.number == number)
    return connection.execute(statement).scalar()


class Wanted(TypedDict, total=False):
    """Which readings are wanted. What is empty, or left out, matches every one."""

    key: str
    owner: str
    """Of all its keys."""
    api: str
    code: str


def page(
    connection: Connection, wanted: Wanted, *, since: float, before: tuple[float, int, int], limit: int
) -> Sequence[Row[Any]]:
    """The *wanted* readings, the newest first.

    From behind *before* on: moment, incarnation, number.
    """
    place = (readings.c.at, readings.c.incarnation, readings.c.number)
    statement = (
        select(readings, keys.c.key)
        .outerjoin(keys, keys.c.locator == readings.c.locator)
        .where(readings.c.at >= since, tuple_(*place) < before)
    )
    if key := wanted.get("key"):
        statement = statement.where(keys.c.key == key)
    if owner := wanted.get("owner"):
        statement = statement.where(keys.c.owner == owner)
    if api := wanted.get("api"):
        statement = statement.where(readings.c.api == api)
    if code := wanted.get("code"):
        statement = statement.where(readings.c.code == code)
    return connection.execute(statement.order_by(*(column.desc() for column in place)).limit(limit)).all()


def holders(connection: Connection, places: Collection[bytes]) -> dict[bytes, tuple[str, str]]:
    """The key and its owner, by locator."""
    statement = select(keys.c.locator, keys.c.key, keys.c.owner).where(keys.c.locator.in_(places))
    return {row.locator: (row.key, row.owner) for row in connection.execute(statement)}


def callers(connection: Connection, api: str, version: str, *, since: float, limit: int) -> Sequence[Row[Any]]:
    """The keys that called *version* of *api*, the busiest first."""
    admitted = func.sum(case((readings.c.code == OK.slug, 1), else_=0))
    statement = (
        select(
            keys.c.owner,
            keys.c.key,
            keys.c.name,
            admitted.label("admitted"),
            (func.count() - admitted).label("refused"),
            func.max(readings.c.at).label("last_at"),
        )
        .join(keys, keys.c.locator == readings.c.locator)
        .where(readings.c.at >= since, readings.c.api == api, readings.c.version == version)
        .group_by(keys.c.key)
        .order_by(func.count().desc(), keys.c.key)
    )
    return connection.execute(statement.limit(limit)).all()


def weeks(connection: Connection, api: str, version: str, *, owner: str, today: int, days: int) -> Sequence[Row[Any]]:
    """The owners whose keys called *version* in the two weeks before *today* (Unix seconds), or since; most first."""
    begins, middle = today - 2 * days * DAY_S, today - days * DAY_S

    def between(first: int, last: int) -> ColumnElement[int]:
        within = (usage_days.c.at >= first) & (usage_days.c.at < last)
        return cast(func.sum(case((within, usage_days.c.calls), else_=0)), BigInteger)

    last_week = between(middle, today)
    statement = (
        select(
            keys.c.owner,
            func.count(keys.c.key.distinct()).label("keys"),
            between(begins, middle).label("week_before"),
            last_week.label("last_week"),
            between(today, today + 2 * DAY_S).label("today"),
        )
        .join(keys, keys.c.locator == usage_days.c.locator)
        .where(usage_days.c.at >= begins, usage_days.c.api == api, usage_days.c.version == version)
        .group_by(keys.c.owner)
        .order_by(last_week.desc(), keys.c.owner)
    )
    if owner:
        statement = statement.where(keys.c.owner == owner)
    return connection.execute(statement).all()


def days_of(connection: Connection, api: str, version: str, *, owner: str, since: float) -> Sequence[Row[Any]]:
    """How many calls of *version* each day had, in their order."""
    times = cast(func.sum(usage_days.c.calls), BigInteger).label("times")
    statement = select(usage_days.c.at, times).where(usage_days.c.version == version)
    return connection.execute(_of(statement, api, owner, since).group_by(usage_days.c.at).order_by("at")).all()


def calls(connection: Connection, api: str, *, owner: str, since: float, until: float) -> int:
    """How many calls there were, of whatever version."""
    statement = _of(select(cast(func.sum(usage_days.c.calls), BigInteger)), api, owner, since)
    return connection.execute(statement.where(usage_days.c.at < until)).scalar() or 0


def _of(statement: Select[Any], api: str, owner: str, since: float) -> Select[Any]:
    """From the days since *since*: of the API as a whole, or of the keys of one *owner*."""
    whose = select(keys.c.locator).where(keys.c.owner == owner, keys.c.api == api)
    one = usage_days.c.locator.in_(whose) if owner else usage_days.c.locator == WHOLE
    return statement.where(usage_days.c.api == api, one, usage_days.c.at >= since)

"""The SQL of readings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from sqlalchemy import (
    BigInteger,
    Connection,
    Row,
    case,
    cast,
    func,
    select,
    tuple_,
)

from limen.core.verdict import OK, SHADOWED
from limen.db.tables import disregards, keys, readings, refusals


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

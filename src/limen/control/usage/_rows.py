"""The SQL of readings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypedDict

from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Double,
    Row,
    bindparam,
    case,
    cast,
    delete,
    func,
    select,
    tuple_,
    update,
)

from limen.core.verdict import OK, SHADOWED
from limen.db.tables import disregards, journal_marks, keys, outcomes, readings, refusals
from limen.db.upsert import insert


def mark(connection: Connection, segment: str) -> int:
    """Up to where *segment* is in the readings."""
    found = connection.execute(select(journal_marks.c.offset).where(journal_marks.c.segment == segment)).scalar()
    return found or 0


def set_mark(connection: Connection, segment: str, offset: int) -> None:
    """*segment* is in the readings up to *offset*."""
    statement = insert(connection, journal_marks).values(segment=segment, offset=offset)
    connection.execute(statement.on_conflict_do_update(index_elements=["segment"], set_={"offset": offset}))


def drop_mark(connection: Connection, segment: str) -> None:
    """*segment* is gone."""
    connection.execute(delete(journal_marks).where(journal_marks.c.segment == segment))


def add_readings(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Readings, in one statement. What is there already is the same reading: a number is given once."""
    connection.execute(insert(connection, readings).on_conflict_do_nothing(), rows)


def add_outcomes(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Outcomes; where one was told twice, the first stands."""
    connection.execute(insert(connection, outcomes).on_conflict_do_nothing(), rows)


def add_refusals(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Counts, added to what was counted of the same before."""
    statement = insert(connection, refusals)
    added = {"count": refusals.c.count + statement.excluded.count}
    which = ["minute", "api", "code", "prefix", "block"]
    in_order = sorted(rows, key=lambda row: [row[name] for name in which])  # two who add to the same never deadlock
    connection.execute(statement.on_conflict_do_update(index_elements=which, set_=added), in_order)


def used(connection: Connection, last: Mapping[bytes, float], limited: Mapping[bytes, float | None]) -> None:
    """The keys at these locators were used at these moments, if not later.

    *limited*: since when a key has been refused for its limit and not admitted, or None; who is not in it stays.
    """
    moment = bindparam("moment", type_=Double)
    statement = (
        update(keys)
        .where(keys.c.locator == bindparam("place"))
        .values(
            last_used_at=case((keys.c.last_used_at > moment, keys.c.last_used_at), else_=moment),
            limited_at=case(
                (bindparam("settled", type_=Boolean), bindparam("limited", type_=Double)), else_=keys.c.limited_at
            ),
        )
    )
    rows = [
        {"place": place, "moment": moment, "settled": place in limited, "limited": limited.get(place)}
        for place, moment in sorted(last.items())
    ]
    connection.execute(statement, rows)


def limited(connection: Connection, places: Collection[bytes]) -> dict[bytes, float]:
    """Of the keys at *places*, those that have been refused for their limit and not admitted since: since when."""
    statement = select(keys.c.locator, keys.c.limited_at).where(
        keys.c.locator.in_(places), keys.c.limited_at.is_not(None)
    )
    return {row.locator: row.limited_at for row in connection.execute(statement)}


def add_disregards(connection: Connection, counts: Mapping[tuple[bytes, int], int]) -> dict[tuple[bytes, int], int]:
    """Counts by locator and Unix hour, added to what was counted before; what they come to now."""
    statement = insert(connection, disregards)
    added = {"count": disregards.c.count + statement.excluded.count}
    connection.execute(
        statement.on_conflict_do_update(index_elements=["locator", "hour"], set_=added),
        [{"locator": place, "hour": hour, "count": count} for (place, hour), count in sorted(counts.items())],
    )
    found = select(disregards.c.locator, disregards.c.hour, disregards.c.count.label("times")).where(
        tuple_(disregards.c.locator, disregards.c.hour).in_(list(counts))
    )
    return {(row.locator, row.hour): row.times for row in connection.execute(found)}


def holders(connection: Connection, places: Collection[bytes]) -> dict[bytes, Any]:
    """The key, its API and its owner, by locator."""
    statement = select(keys.c.locator, keys.c.key, keys.c.api, keys.c.owner).where(keys.c.locator.in_(places))
    return {row.locator: row for row in connection.execute(statement)}


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
    """The *wanted* readings with their outcomes, the newest first.

    From behind *before* on: moment, incarnation, number.
    """
    place = (readings.c.at, readings.c.incarnation, readings.c.number)
    statement = (
        select(readings, outcomes.c.status, keys.c.key)
        .outerjoin(
            outcomes, (outcomes.c.incarnation == readings.c.incarnation) & (outcomes.c.number == readings.c.number)
        )
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

"""The SQL of what journals say, as it is recorded."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Double,
    Row,
    Select,
    Table,
    bindparam,
    case,
    delete,
    exists,
    func,
    select,
    tuple_,
    update,
)

from limen.db import bulk
from limen.db.tables import (
    disregards,
    journal_marks,
    keys,
    outcomes,
    owners,
    readings,
    refusals,
    usage_addresses,
    usage_days,
    usage_hours,
    usage_minutes,
    usage_times,
)
from limen.db.upsert import insert

Told = tuple[Any, ...]
"""What the API answered: incarnation and number of the reading, status, Unix seconds, microseconds or None."""

LATEST_S, EARLIEST_S = 86_400, 3_600
"""How long after a decision its outcome is told as a rule; and before it, where two hosts' clocks differ.

Readings of so long are looked at when it is drained. What is told later, as from an old log, is kept, and settled.
"""


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


def recorded(connection: Connection, incarnation: int, first: int, last: int) -> set[int]:
    """The numbers from *first* to *last* of which there are readings."""
    which = (readings.c.incarnation == incarnation) & readings.c.number.between(first, last)
    return set(connection.execute(select(readings.c.number).where(which)).scalars())


def add_readings(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Readings that are not there, all columns in their order."""
    bulk.append(connection, readings, rows)


_TOLD_SQLITE = """select json_extract(value, '$[0]') as incarnation, json_extract(value, '$[1]') as number,
    json_extract(value, '$[2]') as status, json_extract(value, '$[3]') as at, json_extract(value, '$[4]') as took_us
    from json_each(?)"""
_TOLD_POSTGRESQL = """select * from unnest(%s::bigint[], %s::bigint[], %s::integer[], %s::double precision[],
    %s::bigint[]) as each(incarnation, number, status, at, took_us)"""
_ANSWER = """update readings set status = told.status, took_us = told.took_us from ({told}) as told
    where readings.incarnation = told.incarnation and readings.number = told.number and readings.status is null
    {near} returning readings.incarnation, readings.number, readings.api, readings.locator, readings.at,
    readings.operation, readings.version, readings.code, readings.status, readings.took_us"""
_NEAR = f"and readings.at between told.at - {LATEST_S} and told.at + {EARLIEST_S}"


def answer(connection: Connection, told: Sequence[Told], *, near: bool = True) -> Sequence[Row[Any]]:
    """The readings that *told* is of, and that had no status, have one; which these are. None is told of twice.

    *near*: readings of about the time at which it was told; else of whatever time, in every partition.
    """
    if not told:
        return []
    which = _NEAR if near else ""
    if connection.dialect.name == "sqlite":
        statement, arguments = _ANSWER.format(told=_TOLD_SQLITE, near=which), (json.dumps(told),)
        return connection.exec_driver_sql(statement, arguments).all()
    columns = tuple(list(values) for values in zip(*told, strict=True))
    return connection.exec_driver_sql(_ANSWER.format(told=_TOLD_POSTGRESQL, near=which), columns).all()


def keep_early(connection: Connection, told: Sequence[Told]) -> None:
    """Outcomes whose readings are not there are kept; where one was told twice, the first stands."""
    bulk.put(connection, outcomes, told)


def early(connection: Connection, after: tuple[int, int], limit: int) -> list[Told]:
    """Outcomes that are kept for readings to come, from behind *after* (incarnation, number) on."""
    place = (outcomes.c.incarnation, outcomes.c.number)
    statement = select(*place, outcomes.c.status, outcomes.c.at, outcomes.c.took_us)
    found = connection.execute(statement.where(tuple_(*place) > after).order_by(*place).limit(limit))
    return [tuple(row) for row in found]


def drop_early(connection: Connection, places: Collection[tuple[int, int]], *, before: float) -> None:
    """The outcomes at *places* (incarnation, number) are gone where they have readings, or are older than *before*."""
    same = (readings.c.incarnation == outcomes.c.incarnation) & (readings.c.number == outcomes.c.number)
    useless = exists().where(same) | (outcomes.c.at < before)
    which = (outcomes.c.incarnation == bindparam("of")) & (outcomes.c.number == bindparam("one"))
    connection.execute(delete(outcomes).where(which, useless), [{"of": of, "one": one} for of, one in sorted(places)])


def add_refusals(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Counts, added to what was counted of the same before."""
    statement = insert(connection, refusals)
    added = {"count": refusals.c.count + statement.excluded.count}
    which = ["minute", "api", "code", "prefix", "block"]
    in_order = sorted(rows, key=lambda row: [row[name] for name in which])  # two who add to the same never deadlock
    connection.execute(statement.on_conflict_do_update(index_elements=which, set_=added), in_order)


_USED = """with told as (
        select * from unnest(%s::bytea[], %s::double precision[], %s::boolean[], %s::double precision[])
        as each(place, moment, settled, since)),
    held as (
        select keys.locator from keys join told on keys.locator = told.place order by keys.locator
        for no key update of keys)
    update keys set last_used_at = greatest(keys.last_used_at, told.moment),
        limited_at = case when told.settled then told.since else keys.limited_at end
    from told join held on held.locator = told.place where keys.locator = held.locator"""
"""In one statement, at a tenth of one for each key. They are locked in order: two who do this never deadlock."""


def used(connection: Connection, last: Mapping[bytes, float], limited: Mapping[bytes, float | None]) -> None:
    """The keys at these locators were used at these moments, if not later.

    *limited*: since when a key has been refused for its limit and not admitted, or None; who is not in it stays.
    """
    in_order = sorted(last.items())
    if connection.dialect.name != "sqlite":
        rows = [(place, moment, place in limited, limited.get(place)) for place, moment in in_order]
        connection.exec_driver_sql(_USED, tuple(list(column) for column in zip(*rows, strict=True)))
        return
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
    connection.execute(
        statement,
        [
            {"place": place, "moment": moment, "settled": place in limited, "limited": limited.get(place)}
            for place, moment in in_order
        ],
    )


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


AGEING = (
    (readings, refusals, usage_addresses, disregards),
    (usage_minutes,),
    (usage_hours, usage_times),
    (usage_days,),
)
"""What goes with the readings, the minutes, the hours and the days of an API."""

_BY_API = (usage_minutes, usage_hours, usage_times, usage_days)
_AT_ONCE = 500
_OF_KEYS = (readings, usage_addresses, disregards, *_BY_API)


def drop_old(connection: Connection, table: Table, api: str, before: int, limit: int) -> int:
    """At most *limit* rows of *api* from before *before* (Unix seconds) are gone; how many that was."""
    if "api" in table.c:
        of_api = table.c.api == api
    else:
        of_api = exists().where(keys.c.locator == table.c.locator, keys.c.api == api)
    return _drop(connection, table, of_api & _older(table, before), limit)


def _older(table: Table, before: int) -> ColumnElement[bool]:
    if "minute" in table.c:
        return table.c.minute < before // 60
    return table.c.hour < before // 3_600 if "hour" in table.c else table.c.at < before


def _erased(*wanted: Any) -> Select[Any]:
    """Of the keys of erased owners."""
    held = select(*wanted).select_from(keys).join(owners, owners.c.owner == keys.c.owner)
    return held.where(owners.c.erased_at.is_not(None))


def erased_use(connection: Connection) -> float | None:
    """When a key of an erased owner was used last; None: no such was ever used."""
    found: float | None = connection.execute(_erased(func.max(keys.c.last_used_at))).scalar()
    return found


def drop_erased(connection: Connection, limit: int) -> int:
    """At most *limit* rows of each kind, by 500 keys, that are of erased owners are gone; the most of one kind."""
    erased, most = connection.execute(_erased(keys.c.api, keys.c.locator)).all(), 0
    for start in range(0, len(erased), _AT_ONCE):
        held = [tuple(row) for row in erased[start : start + _AT_ONCE]]
        for table in _OF_KEYS:  # by what each is found by
            if table in _BY_API:
                gone = tuple_(table.c.api, table.c.locator).in_(held)
            else:
                gone = table.c.locator.in_([locator for _, locator in held])
            most = max(most, _drop(connection, table, gone, limit))
    return most


def _drop(connection: Connection, table: Table, which: ColumnElement[bool], limit: int) -> int:
    places = tuple(table.primary_key.columns)
    some = select(*places).where(which).limit(limit)
    return connection.execute(delete(table).where(tuple_(*places).in_(some))).rowcount

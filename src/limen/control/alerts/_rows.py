"""The SQL of alerts: their rules, what fires, and what of the roll-ups is looked at."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypedDict

from sqlalchemy import BigInteger, Connection, Row, bindparam, cast, delete, func, insert, or_, select, tuple_, update

from limen.core.keys import BODY_CHARS, ID_CHARS
from limen.core.rollup import DAY_S, HOUR_S, WHOLE
from limen.core.verdict import LIMIT_EXCEEDED, OK
from limen.db.tables import (
    alert_rounds,
    alert_rules,
    alert_tellings,
    alerts,
    keys,
    readings,
    usage_addresses,
    usage_days,
    usage_hours,
    usage_minutes,
)
from limen.db.upsert import insert as upsert

GRAINS = {"minute": usage_minutes, "hour": usage_hours, "day": usage_days}
_OPEN = alerts.c.resolved_at.is_(None)


class Wanted(TypedDict, total=False):
    """Which alerts are wanted. What is empty, or left out, matches every one."""

    owner: str
    api: str
    key: str
    kind: str
    over: bool
    """Also those that are resolved."""


def settings(connection: Connection, owners: Collection[str]) -> Sequence[Row[Any]]:
    """What *owners* set of rules."""
    return connection.execute(select(alert_rules).where(alert_rules.c.owner.in_(owners))).all()


def put_setting(connection: Connection, values: dict[str, Any]) -> None:
    """The setting's row has *values*."""
    put = upsert(connection, alert_rules).values(**values)
    connection.execute(put.on_conflict_do_update(index_elements=["owner", "api", "kind"], set_=values))


def one(connection: Connection, alert: str) -> Row[Any] | None:
    """The alert's row."""
    return connection.execute(select(alerts).where(alerts.c.alert == alert)).one_or_none()


def page(connection: Connection, wanted: Wanted, *, before: tuple[float, str], limit: int) -> Sequence[Row[Any]]:
    """The *wanted* alerts, the newest first, from behind *before* (fired, alert) on."""
    statement = select(alerts).where(tuple_(alerts.c.fired_at, alerts.c.alert) < before)
    for name in ("owner", "api", "key", "kind"):
        if value := wanted.get(name):
            statement = statement.where(alerts.c[name] == value)
    if not wanted.get("over"):
        statement = statement.where(_OPEN)
    return connection.execute(statement.order_by(alerts.c.fired_at.desc(), alerts.c.alert.desc()).limit(limit)).all()


def fire(connection: Connection, values: dict[str, Any]) -> None:
    """A new alert's row."""
    connection.execute(insert(alerts).values(**values))


def change(connection: Connection, alert: str, **values: Any) -> None:
    """Set columns of an alert's row."""
    connection.execute(update(alerts).where(alerts.c.alert == alert).values(**values))


def seen_again(connection: Connection, found: Sequence[Mapping[str, Any]]) -> None:
    """Each alert of *found* has the ``severity``, ``text``, ``facts`` and ``seen_at`` that it has there."""
    names = ("severity", "text", "facts", "seen_at")
    statement = update(alerts).where(alerts.c.alert == bindparam("of"))
    statement = statement.values({name: bindparam(f"new_{name}") for name in names})
    if found:
        rows = [{"of": each["alert"]} | {f"new_{name}": each[name] for name in names} for each in found]
        connection.execute(statement, rows)


def drop_old(connection: Connection, before: float, now: float, limit: int) -> int:
    """At most *limit* alerts that were over before then are gone, but for what is muted still; how many."""
    free = or_(alerts.c.muted_until.is_(None), alerts.c.muted_until <= now)
    which = (alerts.c.fired_at < before, alerts.c.resolved_at < before, free)  # the former is in an index
    old = select(alerts.c.alert).where(*which).order_by(alerts.c.fired_at, alerts.c.alert).limit(limit)
    return connection.execute(delete(alerts).where(alerts.c.alert.in_(old))).rowcount


def firing(connection: Connection, locators: Collection[bytes]) -> Sequence[Row[Any]]:
    """The open alerts of these keys."""
    return connection.execute(select(alerts).where(alerts.c.locator.in_(locators), _OPEN)).all()


def muted_until(connection: Connection, key: str, kind: str) -> float | None:
    """Until when the last alert of this kind on the key was muted; None: it was not."""
    statement = select(alerts.c.muted_until).where(alerts.c.key == key, alerts.c.kind == kind)
    found: float | None = connection.execute(statement.order_by(alerts.c.fired_at.desc()).limit(1)).scalar()
    return found


def untold(connection: Connection, now: float, since: float) -> Sequence[Row[Any]]:
    """Alerts that are to be told, in the order of owners and kinds.

    They are open, or were over not long ago; nobody muted or acknowledged them, nor was their owner told of their like
    after *since*: unless they were told already, and are worse by now. What is near may be over within the period.
    """
    told = alert_tellings
    statement = (
        select(alerts)
        .outerjoin(told, (told.c.owner == alerts.c.owner) & (told.c.kind == alerts.c.kind))
        .where(
            alerts.c.told_level < alerts.c.level,
            or_(_OPEN, alerts.c.resolved_at > now - DAY_S),
            alerts.c.acknowledged_at.is_(None),
            or_(alerts.c.muted_until.is_(None), alerts.c.muted_until <= now),
            or_(told.c.at.is_(None), told.c.at <= since, alerts.c.told_level > 0),
        )
        .order_by(alerts.c.owner, alerts.c.kind, alerts.c.fired_at, alerts.c.alert)
    )
    return connection.execute(statement.limit(2_000)).all()


def told(connection: Connection, owner: str, kind: str, *, at: float | None, alone: bool, of: Collection[str]) -> None:
    """The owner was told of the alerts *of* this kind, at *at*; None: no period begins with it."""
    values = {"told_level": alerts.c.level, "told_alone": alone}
    connection.execute(update(alerts).where(alerts.c.alert.in_(of)).values(**values))
    if at is None:
        return
    put = upsert(connection, alert_tellings).values(owner=owner, kind=kind, at=at)
    connection.execute(put.on_conflict_do_update(index_elements=["owner", "kind"], set_={"at": at}))


def round_of(connection: Connection, pace: str) -> tuple[int, bytes | None] | None:
    """Which span is, or was, looked at at this pace, and behind which key it goes on; None: behind all."""
    row = connection.execute(select(alert_rounds).where(alert_rounds.c.pace == pace)).one_or_none()
    return None if row is None else (row.span, row.after)


def put_round(connection: Connection, pace: str, span: int, after: bytes | None) -> None:
    """So far has the looking come."""
    put = upsert(connection, alert_rounds).values(pace=pace, span=span, after=after)
    connection.execute(put.on_conflict_do_update(index_elements=["pace"], set_={"span": span, "after": after}))


def active(connection: Connection, after: bytes, limit: int) -> list[bytes]:
    """Keys that may be used, or have an open alert; in order, behind *after*."""
    usable = select(keys.c.locator).where(keys.c.state == "active", keys.c.deleted_at.is_(None), keys.c.locator > after)
    opened = select(alerts.c.locator).where(_OPEN, alerts.c.locator > after)
    first = usable.order_by(keys.c.locator).limit(limit).subquery()  # so that a page costs a page
    both = select(first.c.locator).union(opened).order_by("locator").limit(limit)
    return list(connection.execute(both).scalars())


def called(
    connection: Connection, span: tuple[str, int, int], *, kinds: Collection[str], after: bytes, limit: int
) -> list[bytes]:
    """Keys that were called in *span*, or have an open alert of *kinds*; in order, behind *after*.

    *span*: which roll-ups, and from when to when.
    """
    grain, begin, end = span
    table = GRAINS[grain]
    news = select(table.c.locator).where(table.c.at >= begin, table.c.at < end, table.c.locator > after)
    opened = select(alerts.c.locator).where(_OPEN, alerts.c.kind.in_(kinds), alerts.c.locator > after)
    both = news.where(table.c.locator != WHOLE).union(opened).order_by("locator").limit(limit)
    return list(connection.execute(both).scalars())


def keys_at(connection: Connection, locators: Collection[bytes]) -> Sequence[Row[Any]]:
    """What is known of the keys themselves."""
    named = ("key", "locator", "api", "owner", "hint", "environment", "state")
    dated = ("created_at", "expires_at", "last_used_at", "deleted_at")
    columns = [keys.c[name] for name in (*named, *dated)]
    return connection.execute(select(*columns).where(keys.c.locator.in_(locators)).order_by(keys.c.locator)).all()


def chosen(connection: Connection, whose: Mapping[str, str], *, since: int, dated: bool, limit: int) -> list[bytes]:
    """Keys of the owner, of the API, or this one; but for what is *dated*, such as were called since then."""
    statement = select(keys.c.locator).where(keys.c.deleted_at.is_(None))
    for column in ("owner", "api", "key"):
        if value := whose.get(column):
            statement = statement.where(keys.c[column] == value)
    if not dated:
        statement = statement.where(keys.c.last_used_at >= since)
    return list(connection.execute(statement.order_by(keys.c.locator).limit(limit)).scalars())


def _sum(column: Any) -> Any:
    return cast(func.coalesce(func.sum(column), 0), BigInteger)  # PostgreSQL adds them up as decimal numbers


def counts(connection: Connection, grain: str, keys_of: Collection[tuple[str, bytes]], begin: int) -> Sequence[Any]:
    """By key and span from *begin* on: calls, those refused for a limit, those answered, and those with an error."""
    table = GRAINS[grain]
    refused = func.sum(table.c.calls).filter(table.c.code == LIMIT_EXCEEDED.slug)
    statement = select(
        table.c.locator,
        table.c.at,
        _sum(table.c.calls).label("calls"),
        cast(func.coalesce(refused, 0), BigInteger).label("limited"),
        _sum(table.c.s1 + table.c.s2 + table.c.s3 + table.c.s4 + table.c.s5).label("answered"),
        _sum(table.c.s4 + table.c.s5).label("failed"),
    )
    return connection.execute(
        statement.where(*_which(table, keys_of), table.c.at >= begin)
        .group_by(table.c.locator, table.c.at)
        .order_by(table.c.at)
    ).all()


def _which(table: Any, keys_of: Collection[tuple[str, bytes]]) -> list[Any]:
    """Of these keys: said as the primary key begins."""
    return [table.c.api.in_({api for api, _ in keys_of}), table.c.locator.in_([place for _, place in keys_of])]


def addresses(connection: Connection, locators: Collection[bytes], begin: int) -> Sequence[Any]:
    """From which addresses keys were used, by hour, from *begin* on."""
    table = usage_addresses
    statement = select(table.c.locator, table.c.at, table.c.address)
    return connection.execute(statement.where(table.c.locator.in_(locators), table.c.at >= begin)).all()


def first_called(
    connection: Connection, grain: str, keys_of: Collection[tuple[str, bytes]], begin: int = 0
) -> Sequence[Any]:
    """When keys were first admitted to each operation, as far back as *begin* and the roll-ups go."""
    table = GRAINS[grain]
    statement = select(table.c.locator, table.c.operation, func.min(table.c.at).label("first"))
    which = (*_which(table, keys_of), table.c.at >= begin, table.c.code == OK.slug, table.c.operation != "")
    return connection.execute(statement.where(*which).group_by(table.c.locator, table.c.operation)).all()


def versions_called(connection: Connection, keys_of: Collection[tuple[str, bytes]], begin: int) -> Sequence[Any]:
    """How often keys called each version, by day, from *begin* on."""
    table = usage_days
    statement = select(table.c.locator, table.c.version, table.c.at, _sum(table.c.calls).label("calls"))
    which = (*_which(table, keys_of), table.c.at >= begin, table.c.version != "")
    return connection.execute(statement.where(*which).group_by(table.c.locator, table.c.version, table.c.at)).all()


def in_paths(connection: Connection, locators: Collection[bytes], hour: int) -> dict[bytes, int]:
    """How many readings of keys in the Unix hour *hour* have in their path the key's id and as much as follows it.

    It reads them all.
    """
    begin = hour * HOUR_S
    statement = select(keys.c.locator, func.count()).join_from(keys, readings, readings.c.locator == keys.c.locator)
    statement = statement.where(
        keys.c.locator.in_(locators),
        readings.c.at >= begin,
        readings.c.at < begin + HOUR_S,
        readings.c.path.like("%" + keys.c.key + "_" * (BODY_CHARS - ID_CHARS) + "%"),
    )
    return {row[0]: row[1] for row in connection.execute(statement.group_by(keys.c.locator))}

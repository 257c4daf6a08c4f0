"""The SQL of statistics: roll-ups, added up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple, TypedDict

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Subquery,
    Table,
    case,
    cast,
    func,
    literal,
    select,
    tuple_,
    union_all,
)

from limen.core.rollup import WHOLE
from limen.core.verdict import OK, SHADOWED
from limen.db.tables import (
    keys,
    readings,
    refusals,
    usage_addresses,
    usage_days,
    usage_hours,
    usage_minutes,
    usage_times,
)

TABLES = {"minute": usage_minutes, "hour": usage_hours, "day": usage_days}
CLASSES = ("s1", "s2", "s3", "s4", "s5")

Piece = tuple[str, int, int]
"""A grain, and from when to when (Unix seconds)."""


class Wanted(TypedDict, total=False):
    """Which calls are wanted. What is empty, or left out, matches every one."""

    operation: str
    version: str
    code: str


class Whose(NamedTuple):
    """Whose calls, and which of them: those of one key, of all keys of an owner, or of whole APIs."""

    apis: tuple[str, ...]
    wanted: Wanted
    owner: str = ""
    place: bytes = b""
    """The key's locator."""


class Group(NamedTuple):
    """Keys whose calls count together: those of each of these *parts*."""

    api: str
    by: str
    """``lineage`` or ``owner``; ``api``: all of it, by its roll-ups."""
    parts: Collection[Any]


def place_of(connection: Connection, key: str) -> Any:
    """Locator, API, owner and last use of a key."""
    which = (keys.c.locator, keys.c.api, keys.c.owner, keys.c.lineage, keys.c.last_used_at)
    return connection.execute(select(*which).where(keys.c.key == key)).one_or_none()


def _held(whose: Whose, table: Table, *, each: bool = False) -> tuple[Any, list[ColumnElement[bool]]]:
    """Where *whose* rows of *table* are, and by what they are told. *each*: key by key, also of whole APIs."""
    by_key = table.join(keys, (keys.c.locator == table.c.locator) & (keys.c.api == table.c.api))
    if whose.place:
        which = [table.c.api == whose.apis[0], table.c.locator == whose.place]
        return (by_key if each else table), which
    if whose.owner:
        return by_key, [keys.c.owner == whose.owner, keys.c.api.in_(whose.apis)]
    of_apis = table.c.api.in_(whose.apis)
    return (by_key, [of_apis, table.c.locator != WHOLE]) if each else (table, [of_apis, table.c.locator == WHOLE])


def _rows(whose: Whose, spans: Iterable[Piece], *, each: bool = False, more: Sequence[str] = ()) -> Subquery:
    """The roll-ups' rows of *spans*: moment, operation, version, code, counts; and *more* columns of their keys."""
    parts: list[Select[Any]] = []
    for grain, begin, end in spans:
        table = TABLES[grain]
        source, which = _held(whose, table, each=each)
        named = [table.c[name] == value for name, value in whose.wanted.items() if value]
        columns = (table.c.at, table.c.operation, table.c.version, table.c.code, table.c.calls)
        chosen = select(*columns, *(table.c[name] for name in CLASSES), *(keys.c[name] for name in more))
        parts.append(chosen.select_from(source).where(*which, *named, table.c.at >= begin, table.c.at < end))
    return (union_all(*parts) if len(parts) > 1 else parts[0]).subquery()


def _sum(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(func.coalesce(func.sum(column), 0), BigInteger)  # PostgreSQL adds them up as decimal numbers


def _counts(rows: Subquery) -> list[ColumnElement[Any]]:
    """Calls, admitted, and of those the answered by class."""
    admitted = rows.c.code == OK.slug
    classes = [_sum(case((admitted, rows.c[name]), else_=0)).label(name) for name in CLASSES]
    return [_sum(rows.c.calls).label("calls"), _sum(case((admitted, rows.c.calls), else_=0)).label("ok"), *classes]


def total(connection: Connection, whose: Whose, spans: Iterable[Piece]) -> tuple[int, ...]:
    """The counts of the *wanted* calls of all *spans*."""
    return tuple(connection.execute(select(*_counts(_rows(whose, spans)))).one())


def by_span(connection: Connection, whose: Whose, span: Piece) -> Sequence[Any]:
    """Where each span begins, and its counts; in order, without those in which nothing was called."""
    rows = _rows(whose, (span,))
    return connection.execute(select(rows.c.at, *_counts(rows)).group_by(rows.c.at).order_by(rows.c.at)).all()


def parts(
    connection: Connection, whose: Whose, spans: Iterable[Piece], *, of: str, by: str, limit: int
) -> Sequence[Any]:
    """A value of the column *of*, and its counts, the most *by* this count first, at most *limit*.

    *of*: ``operation``, ``version``, ``code``; or a column of keys, ``key`` or ``owner``. *by*: ``calls``,
    ``refused`` or ``errors``.
    """
    of_keys = of in ("key", "owner")
    rows = _rows(whose, spans, each=of_keys, more=(of,) if of_keys else ())
    counts = _counts(rows)
    calls, admitted, *classes = counts
    order = {"calls": calls, "refused": calls - admitted, "errors": classes[3] + classes[4]}[by]
    statement = select(rows.c[of], *counts).group_by(rows.c[of]).order_by(order.desc(), rows.c[of])
    return connection.execute(statement.limit(limit)).all()


def calls_of(
    connection: Connection, whose: Whose, spans: Iterable[Piece], *, of: str, values: Collection[str]
) -> dict[str, int]:
    """How many calls each of *values* of the column *of* had."""
    of_keys = of in ("key", "owner")
    rows = _rows(whose, spans, each=of_keys, more=(of,) if of_keys else ())
    statement = select(rows.c[of], _sum(rows.c.calls)).where(rows.c[of].in_(values)).group_by(rows.c[of])
    return {row[0]: row[1] for row in connection.execute(statement)}


def buckets(connection: Connection, whose: Whose, begin: int, end: int) -> dict[int, int]:
    """How many answers took how long, by bucket, in the whole hours from *begin* to *end*."""
    source, which = _held(whose, usage_times)
    operation = whose.wanted.get("operation")
    named = [usage_times.c.operation == operation] if operation else []
    statement = select(usage_times.c.bucket, _sum(usage_times.c.calls)).select_from(source)
    within = (usage_times.c.at >= begin, usage_times.c.at < end)
    statement = statement.where(*which, *named, *within).group_by(usage_times.c.bucket)
    return {row[0]: row[1] for row in connection.execute(statement)}


def addresses(connection: Connection, whose: Whose, begin: int, end: int) -> int:
    """From how many addresses the key, or the owner's keys, were used in the whole hours from *begin* to *end*."""
    table = usage_addresses
    statement = select(func.count(table.c.address.distinct())).where(table.c.at >= begin, table.c.at < end)
    if whose.place:
        statement = statement.where(table.c.locator == whose.place)
    else:
        of = select(keys.c.locator).where(keys.c.owner == whose.owner, keys.c.api.in_(whose.apis))
        statement = statement.where(table.c.locator.in_(of))
    return int(connection.execute(statement).scalar() or 0)


def last_used(connection: Connection, whose: Whose) -> float | None:
    """When the key, or one of the owner's keys, was used last; of whole APIs, in which minute one was."""
    if whose.place:
        statement: Select[Any] = select(keys.c.last_used_at).where(keys.c.locator == whose.place)
    elif whose.owner:
        statement = select(func.max(keys.c.last_used_at))
        statement = statement.where(keys.c.owner == whose.owner, keys.c.api.in_(whose.apis))
    else:
        found = (_last_minute(connection, api) for api in whose.apis)
        return max((float(at) for at in found if at is not None), default=None)
    at: float | None = connection.execute(statement).scalar()
    return at


def _last_minute(connection: Connection, api: str) -> int | None:
    """Where the minute begins in which a key was used last; the hour or the day, where the minute is not kept."""
    for table in TABLES.values():
        within = (table.c.api == api, table.c.locator == WHOLE)
        at: int | None = connection.execute(select(func.max(table.c.at)).where(*within)).scalar()
        if at is not None:
            return at
    return None


def operations(connection: Connection, whose: Whose, spans: Iterable[Piece]) -> dict[str, tuple[int, int]]:
    """The operations that were admitted: how often, and where the span begins in which that was the last time."""
    rows = _rows(whose._replace(wanted={"code": OK.slug}), spans)
    statement = select(rows.c.operation, _sum(rows.c.calls), func.max(rows.c.at)).group_by(rows.c.operation)
    return {operation: (calls, int(at)) for operation, calls, at in connection.execute(statement)}


def admitted_since(
    connection: Connection, of: Group, since: float, operations: Collection[str] = ()
) -> dict[tuple[Any, str], int]:
    """How many readings since then were admitted: by the part of the group, and the operation.

    Of *operations*; without these of all, by ``""``.
    """
    members, named = _members(of), readings.c.operation if operations else literal("")
    statement = select(members.c.part, named.label("named"), func.count())
    statement = statement.join_from(members, readings, readings.c.locator == members.c.locator)
    statement = statement.where(readings.c.at > since, readings.c.code == OK.slug)
    if operations:
        statement = statement.where(readings.c.operation.in_(operations))
    found = connection.execute(statement.group_by(members.c.part, "named"))
    return {(part, operation): calls for part, operation, calls in found}


def admitted(
    connection: Connection, of: Group, spans: Iterable[Piece], operations: Collection[str] = ()
) -> dict[tuple[Any, str], int]:
    """As ``admitted_since``, but in *spans*, by roll-ups."""
    found = Counter[tuple[Any, str]]()
    members = _members(of)
    for grain, begin, end in spans:
        table = TABLES[grain]
        named = table.c.operation if operations else literal("")
        statement = select(members.c.part, named.label("named"), _sum(table.c.calls))
        statement = statement.join_from(members, table, table.c.locator == members.c.locator)
        statement = statement.where(table.c.api == of.api, table.c.at >= begin, table.c.at < end)
        statement = statement.where(table.c.code == OK.slug)
        if operations:
            statement = statement.where(table.c.operation.in_(operations))
        for part, operation, calls in connection.execute(statement.group_by(members.c.part, "named")):
            found[part, operation] += calls
    return found


def _members(of: Group) -> Subquery:
    """The locators of the keys of a group, and the part that each belongs to."""
    if of.by == "owner":
        owned = select(keys.c.owner.label("part"), keys.c.locator)
        return owned.where(keys.c.owner.in_(of.parts), keys.c.api == of.api).subquery()
    if of.by == "api":
        return select(literal(of.api).label("part"), literal(WHOLE).label("locator")).subquery()
    first = select(keys.c.lineage.label("part"), keys.c.locator).where(keys.c.locator.in_(of.parts))
    later = select(keys.c.lineage, keys.c.locator).where(keys.c.lineage.in_(of.parts), keys.c.lineage != keys.c.locator)
    return first.where(keys.c.lineage == keys.c.locator).union_all(later).subquery()  # each by an index


def stretch(
    connection: Connection, whose: Whose, span: Piece, *, after: tuple[Any, ...] | None, limit: int
) -> Sequence[Any]:
    """At most *limit* rows of a roll-up, key by key, in the order of their moments; from behind *after* on."""
    grain, begin, end = span
    table = TABLES[grain]
    source, which = _held(whose, table, each=True)
    place = (table.c.at, table.c.api, table.c.locator, table.c.operation, table.c.version, table.c.code)
    if after is not None:
        begin = after[0]  # said apart: so that it is found by the index
        which.append(tuple_(*place) > after)
    statement = select(table, keys.c.key, keys.c.owner).select_from(source)
    return connection.execute(
        statement.where(*which, table.c.at >= begin, table.c.at < end).order_by(*place).limit(limit)
    ).all()


def decisions(connection: Connection, apis: Collection[str], since: int) -> Sequence[Any]:
    """Decisions on known keys by API and code, of whole days since *since*."""
    table = usage_days
    which = (table.c.api, table.c.code)
    statement = select(*which, _sum(table.c.calls)).where(table.c.api.in_(apis), table.c.locator == WHOLE)
    return connection.execute(statement.where(table.c.at >= since).group_by(*which).order_by(*which)).all()


def took(connection: Connection, apis: Collection[str], since: int) -> Sequence[Any]:
    """How many answers took how long, by API and bucket, of whole hours since *since*."""
    table = usage_times
    which = (table.c.api, table.c.bucket)
    statement = select(*which, _sum(table.c.calls)).where(table.c.api.in_(apis), table.c.locator == WHOLE)
    return connection.execute(statement.where(table.c.at >= since).group_by(*which).order_by(*which)).all()


def strangers(connection: Connection, apis: Collection[str], since: int) -> Sequence[Any]:
    """Refusals without a known key by API and code, since the Unix second *since*."""
    which = (refusals.c.api, refusals.c.code)
    refused = (refusals.c.minute >= since // 60) & (refusals.c.code != SHADOWED)  # these were not refused
    statement = select(*which, _sum(refusals.c.count)).where(refused)
    return connection.execute(statement.where(refusals.c.api.in_(apis)).group_by(*which).order_by(*which)).all()

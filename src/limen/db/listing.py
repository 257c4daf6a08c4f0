"""Lists of keys: a page costs what it shows, however many keys there are.

A list is walked along the index that has its order (``limen.db.walks``), or along several of its parts at once, an
*arm* each, whose rows the database merges as it goes: nothing is sorted. What no index answers is looked at row by
row, at most ``MOST`` rows a page, so that no page takes long. Such a page may be short, or empty, and still have more
behind it.

SQLite is told which index to take; PostgreSQL finds it by what the rows are compared with and ordered by.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, select, text

from limen.core.problems import ProblemError
from limen.core.profile import BUILT_IN
from limen.db import walks
from limen.db.tables import apis, keys
from limen.db.walks import Walk
from limen.db.wanted import LIVE, STATES, Condition, Span, Wanted, check, conditions, just_after, spans_of

MOST = 1_000
"""How many rows a page looks at, where an index does not answer everything that is asked."""
_TEXTS = ("key", "hint", "folded")  # of the columns that lists are ordered by
_ARMS = 100  # in one statement; SQLite takes 500

Position = tuple[Any, ...]
"""Where a page ended: the name of its order, and what its last row has in the columns of that order."""


@dataclass(frozen=True, slots=True)
class _Arm:
    """One way along an index: where it is entered, and what its first column in order is between."""

    walk: Walk
    at: Mapping[str, Any]
    span: Span


@dataclass(frozen=True, slots=True)
class _List:
    """What a question comes to. *rest* is what no index answers."""

    arms: Sequence[_Arm]
    order: Sequence[str]
    falling: bool
    rest: Sequence[Condition]
    told: bool
    """Whether the database is told which index to take."""

    @property
    def name(self) -> str:
        """The name of the order."""
        return ("-" if self.falling else "+") + self.order[0]


def page(
    connection: Connection, wanted: Wanted, states: Collection[str], *, now: float, after: Position | None, limit: int
) -> tuple[Sequence[Row[Any]], Position | None]:
    """The *wanted* keys that are in one of *states* at *now*, at most *limit*, from behind *after* on; and from where
    to go on, or None at the end. Raises ``request_malformed``.

    The newest come first. Looked for by their names or prefixes they come in the order of these, and by their ids of
    their ids; by their use the last used first; by a date to come the next first, expired ones the last first. Those of
    one owner, and where deleted ones are shown, the newest always.
    """
    asked = _asked(connection, wanted, states, now)
    kinds = [column in _TEXTS for column in asked.order]
    if after is not None and (after[0] != asked.name or [isinstance(value, str) for value in after[1:]] != kinds):
        raise ProblemError("request_malformed", "This is a place in a list of another order.")
    behind = None if after is None else after[1:]
    floor = _floor(connection, asked, behind) if asked.rest else None
    rows = _rows(connection, asked, _Window(behind, floor), limit + 1)
    if len(rows) > limit:
        return rows[:limit], (asked.name, *_place(asked, rows[limit - 1]))
    return rows, None if floor is None else (asked.name, *floor)


def count(connection: Connection, wanted: Wanted, states: Collection[str], *, now: float) -> int:
    """How many keys are *wanted* and in one of *states* at *now*. Each is looked at: a million take some 0.1 s."""
    asked = _asked(connection, wanted, states, now)
    total = 0
    for arm in asked.arms:
        words = _Words()
        total += connection.execute(text(_select(asked, arm, "count(*)", _Window(), words)), words.values).scalar_one()
    return total


def _asked(connection: Connection, wanted: Wanted, states: Collection[str], now: float) -> _List:
    check(wanted)
    if state := wanted.get("state"):
        states = {state} & set(states)
    spans = spans_of(wanted, now)
    ways, falling = _ways(wanted, spans, states)
    arms = [
        _Arm(walk, at, _span(walk, at, spans, now))
        for walk in ways
        for at in _entries(connection, walk, wanted, spans, states)
    ]
    all_of = conditions(wanted, spans, states, now)
    rest = [each for each in all_of if not all(each.answered_by(walk) for walk in ways)]
    return _List(arms, ways[0].order, falling, rest, connection.dialect.name == "sqlite")


def _ways(wanted: Wanted, spans: Mapping[str, Span], states: Collection[str]) -> tuple[tuple[Walk, ...], bool]:
    """The walks along which to look, and whether they are walked from behind: what leaves the fewest goes first."""
    for answers, ways, falling in (
        (wanted.get("hidden") and not wanted.get("owner"), (walks.AGE, walks.DELETED), True),
        (wanted.get("leaked") and not wanted.get("hidden"), (walks.LEAKED,), True),
        (wanted.get("owner"), (walks.OWNER,), True),
        ("key" in spans, (walks.ID,), False),
        (wanted.get("weak"), (walks.WEAK,), True),
        ("hint" in spans, (walks.HINT,), False),
        ("folded" in spans, (walks.NAME,), False),
        ("expires_at" in spans, (walks.EXPIRY,), False),
        (set(states) == {"expired"}, (walks.EXPIRY,), True),
        ("last_used_at" in spans, (walks.USE,), True),
        (wanted.get("never_used"), (walks.UNUSED,), True),
        (wanted.get("created_by"), (walks.MAKER,), True),
        (wanted.get("key_class") or wanted.get("environment") or set(states) < set(STATES), (walks.KIND,), True),
    ):
        if answers:
            return ways, falling
    return (walks.AGE,), True


def _entries(
    connection: Connection, walk: Walk, wanted: Wanted, spans: Mapping[str, Span], states: Collection[str]
) -> Iterator[dict[str, Any]]:
    """Where *walk* is entered: what its first columns have to be, once for each arm."""
    api, live = wanted.get("api"), set(LIVE)
    written = set(states) | (live if "expired" in states else set())
    if walk is walks.EXPIRY and "expires_at" in spans:
        written = live & set(states)
    if walk is walks.ID:
        if written:
            yield {}
    elif "state" in walk.by:
        known = [("owner", wanted.get("owner")), ("api", api)]
        given = {"class": wanted.get("key_class"), "environment": wanted.get("environment")}
        for entry in _combined(connection, walk, {name: value for name, value in known if value and name in walk.by}):
            fits = all(not value or entry.get(column, value) == value for column, value in given.items())
            if fits and entry["state"] in written and (api or entry["api"] != BUILT_IN):
                yield entry
    elif written:
        names = [api] if api else connection.execute(select(apis.c.api).where(apis.c.api != BUILT_IN)).scalars().all()
        rest = {"created_by": wanted.get("created_by"), "last_used_at": None}
        for name in names:
            yield {column: rest.get(column) for column in walk.by} | {"api": name}


def _combined(connection: Connection, walk: Walk, known: Mapping[str, str]) -> list[dict[str, Any]]:
    """What there is in the columns by which *walk* is entered, of which the first are *known*: one seek for each.

    What a column is compared with is no column here, or SQLite would not go by the whole index; and it lies behind all
    keys that have the same there, or SQLite would look at each of them. So in the last of the columns, a state or an
    environment, nothing may begin like another.
    """
    columns = [column for column in walk.by if column not in known]
    order = ", ".join(columns)
    behind = ", ".join(
        f"here.{column} || {'char(1114111)' if column == columns[-1] else repr('')}" for column in columns
    )
    where = " and ".join([walk.only, *(f"{column} = :{column}" for column in known)])
    if connection.dialect.name != "sqlite":
        return _seeked(connection, known, order, f"from keys where {where}")
    index = f"from keys indexed by {walk.index} where {where}"
    # What is pasted together are names of limen.db.walks.
    statement = f"""
        with recursive entered(id) as (
            select (select rowid {index} order by {order} limit 1)
            union all
            select (select rowid {index} and ({order}) > ({behind}) order by {order} limit 1)
            from entered join keys as here on here.rowid = entered.id
        )
        select {order} from entered join keys on keys.rowid = entered.id
    """  # noqa: S608
    return [dict(known) | row._asdict() for row in connection.execute(text(statement), dict(known))]


def _seeked(connection: Connection, known: Mapping[str, str], order: str, source: str) -> list[dict[str, Any]]:
    """As ``_combined``, on PostgreSQL: it goes by the whole index, and seeks behind a row, without being led to it."""
    last = ", ".join(f"entered.{column}" for column in order.split(", "))
    # What is pasted together are names of limen.db.walks.
    statement = f"""
        with recursive entered as (
            (select {order} {source} order by {order} limit 1)
            union all
            select behind.* from entered, lateral (
                select {order} {source} and ({order}) > ({last}) order by {order} limit 1
            ) as behind
        )
        select {order} from entered
    """  # noqa: S608
    return [dict(known) | row._asdict() for row in connection.execute(text(statement), dict(known))]


def _span(walk: Walk, at: Mapping[str, Any], spans: Mapping[str, Span], now: float) -> Span:
    """What the first column in order of *walk* is between, entered *at*."""
    span = spans.get(walk.order[0], (None, None))
    if walk is walks.EXPIRY and span == (None, None) and at["state"] in LIVE:
        return None, just_after(now)  # expired ones are asked for, and this one's row does not say so yet
    return span


@dataclass(frozen=True, slots=True)
class _Window:
    """What a page may look at: from behind one row on, down to another; None: no bound."""

    behind: Position | None = None
    floor: Position | None = None


class _Words:
    """What a statement is told, under the names that stand in its text."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def bind(self, value: Any) -> str:
        """A name for *value*, as SQL has it."""
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f":{name}"


def _rows(connection: Connection, asked: _List, window: _Window, limit: int) -> Sequence[Row[Any]]:
    """The keys in *window*, at most *limit*."""
    found: list[Row[Any]] = []
    for arms in _groups(asked):
        words = _Words()
        sql = _merged(asked, arms, keys.c.keys(), window, words, limit)
        found += connection.execute(_statement(sql), words.values).all()
    if len(asked.arms) > _ARMS:
        found.sort(key=lambda row: _place(asked, row), reverse=asked.falling)
    return found[:limit]


@lru_cache(maxsize=256)
def _statement(sql: str) -> Any:
    """Rows of keys, by *sql*. There are not many: what is asked for is bound."""
    return text(sql).columns(*keys.c)


def _floor(connection: Connection, asked: _List, behind: Position | None) -> Position | None:
    """The last row that a page may look at; None where it may look at all that are left."""
    found: list[Position] = []
    alone = replace(asked, rest=())
    for arms in _groups(asked):
        words = _Words()
        sql = _merged(alone, arms, asked.order, _Window(behind, None), words, MOST) + f" offset {MOST - 1}"
        found += [tuple(row) for row in connection.execute(text(sql), words.values)]
    return (max(found) if asked.falling else min(found)) if found else None


def _groups(asked: _List) -> Iterator[Sequence[_Arm]]:
    for start in range(0, len(asked.arms), _ARMS):
        yield asked.arms[start : start + _ARMS]


def _place(asked: _List, row: Row[Any]) -> Position:
    return tuple(getattr(row, column) for column in asked.order)


def _merged(
    asked: _List, arms: Sequence[_Arm], columns: Sequence[str], window: _Window, words: _Words, limit: int
) -> str:
    """What *arms* come by in *window*, in the order of the list, at most *limit*.

    PostgreSQL merges arms only where each is in this order for itself; SQLite wants it said of all of them alone.
    """
    shown = ", ".join(f'"{column}"' for column in columns)
    way = " desc" if asked.falling else ""
    order = ", ".join(f'"{column}"{way}' for column in asked.order)
    ended = f" order by {order} limit {words.bind(limit)}"
    each = (_select(asked, arm, shown, window, words) for arm in arms)
    if not asked.told and len(arms) > 1:
        each = (f"({arm}{ended})" for arm in each)
    return " union all ".join(each) + ended


def _select(asked: _List, arm: _Arm, shown: str, window: _Window, words: _Words) -> str:
    parts = [arm.walk.only, *_bounds(asked, arm, window, words)]
    for column, value in arm.at.items():
        parts.append(f'"{column}" is null' if value is None else f'"{column}" = {words.bind(value)}')
    for condition in asked.rest:
        parts.append(condition.sql)
        words.values.update(condition.values)
    # What is pasted together are names and conditions of this file and its neighbours; what is asked for is bound.
    source = f"keys indexed by {arm.walk.index}" if asked.told else "keys"
    return f"select {shown} from {source} where {' and '.join(parts)}"  # noqa: S608


def _bounds(asked: _List, arm: _Arm, window: _Window, words: _Words) -> Iterator[str]:
    """From where to where *arm* is walked: one bound an end, the nearer one, because SQLite would take the first."""
    low, high = arm.span
    first, behind, floor = asked.order[0], window.behind, window.floor
    rows = f"({', '.join(asked.order)})"
    if asked.falling:
        begin, end, outside = ("<", ">=", behind is not None and high is not None and behind[0] >= high)
        near, far = (f'"{first}" < ', high), (f'"{first}" >= ', low)
    else:
        begin, end, outside = (">", "<=", behind is not None and low is not None and behind[0] < low)
        near, far = (f'"{first}" >= ', low), (f'"{first}" < ', high)
    for place, sign, (said, bound) in ((None if outside else behind, begin, near), (floor, end, far)):
        if place is not None:
            yield f"{rows} {sign} ({', '.join(map(words.bind, place))})"
        elif bound is not None:
            yield said + words.bind(bound)

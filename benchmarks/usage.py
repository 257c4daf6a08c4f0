"""Statistics from roll-ups over the same from readings; at 100,000 keys over 1,000; and what draining a reading costs.

A year of one busy key: the series by day from the roll-ups, over the same added up from its readings. Of a whole API
the questions take as long however many keys there are, but for that for its busiest keys, which reads a row of each.
What draining takes a reading is told over a bare insert of the same rows, on SQLite and on PostgreSQL.
"""

from __future__ import annotations

import itertools
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import text

from benchmarks.blocks import Figure, as_rows, compare, in_own_process
from benchmarks.lists import stocked
from limen.app import App
from limen.control import apis, keys, owners, statistics
from limen.control.statistics import Asked
from limen.core.rollup import DAY_S, GRAINS
from limen.core.verdict import OK, Ask
from limen.db import bulk
from limen.db.tables import readings
from limen.drain import drain
from limen.gate.journal import Journal
from limen.profiles import load
from limen.settings import Settings
from tools.servers.postgres import Postgres

SMALL, LARGE = 1_000, 100_000
READINGS = 1_000_000
"""Of the busy key, in a year."""

DRAINED, HOLDERS, TURNS, BATCH = 50_000, 200, 5, 5_000
"""Readings of so many keys, each of which is used from three addresses."""

BUDGET, SERIES_BUDGET = 2.0, 0.1

_TABLES = {grain: f"usage_{grain}s" for grain in GRAINS}

# Every key was used in two minutes of the last day, and on ten days of the last month.
_SPANS = {"minute": (2, 47), "hour": (2, 11), "day": (10, 3)}
_OF_KEYS = """
insert into {table} (api, locator, at, operation, version, code, calls, s1, s2, s3, s4, s5)
with recursive number(n) as (select 0 union all select n + 1 from number where n < :count - 1),
    spans(api, locator, at) as (
        select api, locator, (:now - (abs(random() % :most) + n * :apart) % :within) / :span * :span
        from keys cross join number where deleted_at is null)
select distinct api, locator, at, 'listThings', '', 'ok', 4, 0, 3, 0, 1, 0 from spans
"""
_OF_WHOLE = """
insert into {table} (api, locator, at, operation, version, code, calls, s1, s2, s3, s4, s5)
select api, x'', at, operation, version, code, sum(calls), sum(s1), sum(s2), sum(s3), sum(s4), sum(s5)
from {table} group by api, at, operation, version, code
"""
_A_YEAR = """
insert into readings (incarnation, number, at, api, locator, method, operation, version, path, code, address, status)
with recursive number(n) as (select 1 union all select n + 1 from number where n < :count)
select 1, n, :now - (n * 31.536 * 1000000 / :count), :api, :place, 'GET', 'op' || (n % 7), '', '/things', 'ok', '', 200
from number
"""
_ROLLED = """
insert into usage_days (api, locator, at, operation, version, code, calls, s1, s2, s3, s4, s5)
select api, locator, cast(at as integer) / 86400 * 86400, operation, version, code, count(*), 0, count(*), 0, 0, 0
from readings group by 1, 2, 3, 4, 5, 6
"""
_FROM_READINGS = text(
    "select cast(at as integer) / 86400 * 86400, count(*), sum(status >= 400) from readings"
    " where api = :api and locator = :place and at >= :since group by 1"
)


def run() -> list[Figure]:
    """In a process of its own."""
    return in_own_process("benchmarks.usage")


def measure() -> list[Figure]:
    """All figures."""
    found = []
    with ExitStack() as both:
        small, large = (both.enter_context(stocked(count)) for count in (SMALL, LARGE))
        for app in (small, large):
            _fill(app)
        found += [_series(large)]
        found += _questions(large, small)
    with _on_sqlite() as app:
        found.append(_draining(app, "SQLite"))
    with _on_postgresql() as app:
        found.append(_draining(app, "PostgreSQL"))
    return found


def _fill(app: App) -> None:
    now = int(app.clock.read()[0])
    connection = app.store.engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("pragma synchronous = off")
        cursor.execute("begin")
        for grain, (count, apart) in _SPANS.items():
            within = 30 * DAY_S if grain == "day" else DAY_S
            values = {"count": count, "apart": apart * DAY_S // 7, "now": now, "span": GRAINS[grain]}
            cursor.execute(_OF_KEYS.format(table=_TABLES[grain]), values | {"within": within, "most": within})
            cursor.execute(_OF_WHOLE.format(table=_TABLES[grain]))
        cursor.execute("commit")
    finally:
        connection.invalidate()


def _series(app: App) -> Figure:
    """The series of a year, from the roll-ups over from the readings."""
    with app.reading() as reader:
        api, key = reader.connection.execute(text("select api, key from keys where api = 'shop' limit 1")).one()
    now = app.clock.read()[0]
    connection = app.store.engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("pragma synchronous = off")
        cursor.execute("begin")
        cursor.execute("delete from usage_days where locator = ?", (key.encode(),))
        cursor.execute(_A_YEAR, {"count": READINGS, "now": now, "api": api, "place": key.encode()})
        cursor.execute(_ROLLED)
        cursor.execute("commit")
    finally:
        connection.invalidate()
    asked = Asked(key=key, since=now - 365 * DAY_S)

    def rolled(rounds: int) -> None:
        for _ in range(rounds):
            with app.reading() as reader:
                statistics.series(reader, asked, "day")

    def raw(rounds: int) -> None:
        values = {"api": api, "place": key.encode(), "since": now - 365 * DAY_S}
        for _ in range(rounds):
            with app.reading() as reader:
                reader.connection.execute(_FROM_READINGS, values).all()

    with app.reading() as reader:
        total = sum(point.calls for point in statistics.series(reader, asked, "day"))
    if not READINGS * 0.99 < total <= READINGS:
        raise RuntimeError(f"{total} of {READINGS} readings are in the series")
    return compare("a year of one busy key by day, of readings", rolled, raw, rounds=1, blocks=5, budget=SERIES_BUDGET)


def _questions(large: App, small: App) -> list[Figure]:
    """Questions about a whole API of many keys, over one of few."""
    now = large.clock.read()[0]
    day, month = Asked(api="shop"), Asked(api="shop", since=now - 30 * DAY_S)
    asked: dict[str, tuple[Callable[[Any], object], float | None]] = {
        "totals of a day": (lambda reader: statistics.totals(reader, day), BUDGET),
        "series of a month by hour": (lambda reader: statistics.series(reader, month, "hour"), BUDGET),
        "a day by operation": (lambda reader: statistics.by(reader, day, "operation"), BUDGET),
        "busiest keys of a day": (lambda reader: statistics.by(reader, day, "key", limit=10), None),
        "totals of one owner": (lambda reader: statistics.totals(reader, replace(day, owner="o-1", api="")), None),
    }
    for app in (large, small):
        _owner(app)
    return [
        compare(
            f"{name}, {LARGE:,} keys of {SMALL:,}",
            _often(large, question),
            _often(small, question),
            rounds=1,
            blocks=7,
            budget=budget,
        )
        for name, (question, budget) in asked.items()
    ]


def _owner(app: App) -> None:
    app.act(owners.create, owners.NewOwner("organisation", "o-1", "o-1"))


def _often(app: App, question: Callable[[Any], object]) -> Callable[[int], None]:
    def asking(rounds: int) -> None:
        for _ in range(rounds):
            with app.reading() as reader:
                question(reader)

    return asking


# -- draining ----------------------------------------------------------------------------------------------------------


@contextmanager
def _on_sqlite() -> Iterator[App]:
    with tempfile.TemporaryDirectory(prefix="limen-bench-") as folder:
        app = App.initialise(Settings(database_url=f"sqlite:///{folder}/limen.db"))
        yield app
        app.close()


@contextmanager
def _on_postgresql() -> Iterator[App]:
    with tempfile.TemporaryDirectory(prefix="limen-bench-") as folder:
        server = Postgres().start()
        try:
            url = server.url(server.create())
            place = Path(folder)
            app = App.initialise(Settings(database_url=url, state=place / "state", pepper_file=place / "pepper"))
            yield app
            app.close()
        finally:
            server.remove()


def _draining(app: App, database: str) -> Figure:
    """What draining takes a reading, over a bare insert of its row, in as many transactions."""
    app.act(apis.create, "creator", load("creator"))
    app.act(owners.create, owners.NewOwner("user", "Somebody", "u-1024"))
    app.act(owners.allow, "u-1024", "creator")
    new = keys.NewKey("creator", "u-1024", name="a key", scopes=("read:self",))
    held = [app.act(keys.issue, new).key.key.encode() for _ in range(HOLDERS)]
    numbers = itertools.count(1)
    pairs = [(_drained(app, held, next(numbers)), _inserted(app, held, next(numbers))) for _ in range(TURNS)]
    ratios = sorted(one / other for one, other in pairs)
    middle = TURNS // 2
    taken, floor = (sorted(each)[middle] for each in zip(*pairs, strict=True))
    name = f"a reading drained, {database}: {1e6 / taken:,.0f} a second"
    return Figure(name, ratios[middle], ratios[TURNS // 4], ratios[3 * TURNS // 4], taken, floor, "µs")


def _drained(app: App, held: list[bytes], incarnation: int) -> float:
    settings, now = app.settings, app.clock.read()[0]
    folder = settings.state_folder / "journal" / "creator"
    journal = Journal(folder, "creator", incarnation, segment_bytes=settings.segment_bytes, segments=256)
    routes = {each.name: each for each in load("creator").operations}
    operation = routes["listChats"]
    for number in range(DRAINED):
        ask = Ask(
            None, b"GET", b"/chats", None, b"live", now + number / 1_000, 0.0, None, f"192.0.2.{number // HOLDERS % 3}"
        )
        if not journal.decision(OK, ask, held[number % HOLDERS], operation, None):
            raise RuntimeError("the journal is full")
    journal.close()
    began = time.perf_counter()
    count = drain(app)
    took = time.perf_counter() - began
    if count != DRAINED:
        raise RuntimeError(f"{count} of {DRAINED} were drained")
    return took / DRAINED * 1e6


def _inserted(app: App, held: list[bytes], incarnation: int) -> float:
    now = app.clock.read()[0]
    what = ("GET", "listChats", "", "/chats", "ok", "192.0.2.9", None, None)
    rows = [
        (incarnation, number, now + number / 1_000, "creator", held[number % HOLDERS], *what)
        for number in range(DRAINED)
    ]
    began = time.perf_counter()
    for begin in range(0, DRAINED, BATCH):
        with app.store.engine.begin() as connection:
            bulk.append(connection, readings, rows[begin : begin + BATCH])
    return (time.perf_counter() - began) / DRAINED * 1e6


if __name__ == "__main__":
    print(json.dumps(as_rows(measure())))

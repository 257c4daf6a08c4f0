"""A made-up month with incidents: what the rules find of it, and how often they are wrong, beside a naive threshold.

And what it costs to look at a key that was called, with 50,000 of them over 1,000.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from benchmarks.blocks import Figure
from benchmarks.lists import stocked
from limen.app import App
from limen.control import alerts
from limen.drain.chores import WORKER
from tests.alerts.judged import Judged, by_rules, judge, naive

SEEDS, KEYS = (9_101, 9_102, 9_103, 9_104), 50
"""None of them was used for tuning."""

FEW, MANY, ROUNDS = 1_000, 50_000, 3
_CALLED = """
insert into usage_minutes (api, locator, at, operation, version, code, calls, s1, s2, s3, s4, s5)
select api, locator, :now / 60 * 60 - 60 * (abs(random()) % 4), 'listThings', '', 'ok', 3, 0, 3, 0, 0, 0 from keys
"""
_READ = """
insert into readings (incarnation, number, at, api, locator, method, operation, version, path, code, address, status)
select 1, 3 * row_number() over () + n, :now - 30 - 20 * n, api, locator, 'GET', 'listThings', '', '/things', 'ok', '',
    200 from keys, (select 0 n union select 1 union select 2)
"""


def run() -> list[Figure]:
    """False alarms a key and month, and incidents that were missed: of the rules, over those of a naive threshold."""
    with ProcessPoolExecutor(2) as pool:
        ours = list(pool.map(judge, SEEDS, [KEYS] * len(SEEDS), [by_rules] * len(SEEDS)))
        theirs = list(pool.map(judge, SEEDS, [KEYS] * len(SEEDS), [naive] * len(SEEDS)))
    for name, judged in (("rules", ours), ("naive", theirs)):
        for seed, each in zip(SEEDS, judged, strict=True):
            print(each.line(f"{name} {seed}"), file=sys.stderr)
    planted = sum(each.planted.total() for each in ours)
    found = sum(each.found.total() for each in ours)
    missed = f"alerts: {planted} incidents, missed"
    return [
        _figure("alerts: false alarms a key and month, rules / naive", _false(ours), _false(theirs), "a month"),
        _figure(missed, planted - found, planted, "incidents", budget=0.0),
        _figure("alerts: most false alarms of one key, rules / naive", _worst(ours), _worst(theirs), "a month"),
        _figure("alerts: most false alarms of one key, over one", _worst(ours), 1.0, "a month", budget=1.0),
        _cost(),
    ]


def _cost() -> Figure:
    """A key's share of a round of the rules that look each minute: CPU, listing and settling included."""
    taken: dict[int, list[float]] = {}
    for count in (FEW, MANY):
        with stocked(count) as app:
            taken[count] = sorted(_looking(app) for _ in range(ROUNDS))
    ratios = sorted(many / few for many, few in zip(taken[MANY], taken[FEW], strict=True))
    many, few = taken[MANY][1] * 1e6, taken[FEW][1] * 1e6
    name = f"alerts: a key each minute, of {MANY:,} / {FEW:,} keys"
    return Figure(name, ratios[1], ratios[0], ratios[-1], many, few, "us", 2.0)


def _looking(app: App) -> float:
    """Seconds of CPU for a key, where each was called in the last minutes."""
    connection = app.store.engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("pragma synchronous = off")
        cursor.execute("begin")
        for table in ("usage_minutes", "readings", "alert_rounds"):
            cursor.execute(f"delete from {table}")
        for statement in (_CALLED, _READ):
            cursor.execute(statement, {"now": int(app.clock.read()[0])})
        cursor.execute("commit")
    finally:
        connection.invalidate()
    seen, listed, began = 0, None, time.process_time()
    while True:
        with app.reading() as reader:
            looked = alerts.look(reader, "minute", listed)
        if looked is None:
            return (time.process_time() - began) / seen
        app.note(alerts.settle, looked, actor=WORKER)
        seen, listed = seen + len(looked.keys), looked.listed
        if looked.after is None:
            return (time.process_time() - began) / seen


def _false(judged: list[Judged]) -> float:
    return sum((each.false for each in judged), Counter[str]()).total() / sum(each.keys for each in judged)


def _worst(judged: list[Judged]) -> float:
    return float(max(each.worst for each in judged))


def _figure(name: str, ours: float, theirs: float, unit: str, budget: float | None = None) -> Figure:
    ratio = ours / theirs if theirs else 0.0
    return Figure(name, ratio, ratio, ratio, ours, theirs, unit, budget)

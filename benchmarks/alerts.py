"""A made-up month with incidents: what the rules find of it, and how often they are wrong, beside a naive threshold."""

from __future__ import annotations

import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from benchmarks.blocks import Figure
from tests.alerts.judged import Judged, by_rules, judge, naive

SEEDS, KEYS = (9_101, 9_102, 9_103, 9_104), 50
"""None of them was used for tuning."""


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
    ]


def _false(judged: list[Judged]) -> float:
    return sum((each.false for each in judged), Counter[str]()).total() / sum(each.keys for each in judged)


def _worst(judged: list[Judged]) -> float:
    return float(max(each.worst for each in judged))


def _figure(name: str, ours: float, theirs: float, unit: str, budget: float | None = None) -> Figure:
    ratio = ours / theirs if theirs else 0.0
    return Figure(name, ratio, ratio, ratio, ours, theirs, unit, budget)

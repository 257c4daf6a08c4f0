"""A month of made-up traffic: keys with their weeks, growth, noise and holidays, and incidents that are known."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from limen.core.alerts import Window
from limen.core.hindsight import History, Hour

HOURS_BEFORE, HOURS = 8 * 168, 28 * 24
BEGINS = 480_000
"""The Unix hour at which traffic begins; a Thursday, like every Unix week."""
LIMIT = 1_000_000


@dataclass
class Key:
    """One key: its traffic by hour, and what was planted into it."""

    calls: dict[int, int] = field(default_factory=dict)
    failed: dict[int, int] = field(default_factory=dict)
    places: dict[int, frozenset[str]] = field(default_factory=dict)
    limit: int = LIMIT
    incident: tuple[str, int, int] | None = None
    """What it is, and in which hours (from, until) it is to be found."""


def keys(seed: int, count: int) -> Iterator[Key]:
    """*count* keys; every fourth has an incident, each kind in turn."""
    kinds = ("leak", "errors", "creep", "wakes", "flood")
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        key = _usual(chance)
        if number % 4 == 0:
            _plant(chance, key, kinds[number // 4 % len(kinds)])
        yield key


def _usual(chance: random.Random) -> Key:
    level = math.exp(chance.uniform(math.log(2), math.log(5_000)))
    growth, weekend = chance.choice((0.0, 0.0, 0.05, 0.12)), chance.choice((0.1, 0.5, 1.0))
    noise, peak, sharp = chance.choice((0.05, 0.2, 0.5)), chance.randrange(24), chance.choice((0.2, 1.0, 2.0))
    nightly = chance.random() < 0.3  # a batch once a week, as large as anything
    batch_at, batch = chance.randrange(168), level * chance.uniform(5, 20)
    holidays = {chance.randrange(84) for _ in range(2)}
    homes = [f"198.51.{chance.randrange(256)}.0/24" for _ in range(chance.choice((1, 1, 2, 4, 12)))]
    rare = [f"203.0.{chance.randrange(256)}.0/24" for _ in range(2)]
    key = Key()
    for hour in range(BEGINS, BEGINS + HOURS_BEFORE + HOURS):
        week, of_week, day = (hour - BEGINS) / 168, hour % 168, (hour - BEGINS) // 24
        shape = math.exp(sharp * (math.cos(2 * math.pi * ((hour % 24) - peak) / 24) - 1))
        mean = level * shape * (1 + growth) ** week * (weekend if of_week // 24 in (2, 3) else 1.0)
        if day in holidays:
            mean *= 0.15
        if nightly and of_week == batch_at:
            mean += batch
        mean *= chance.gammavariate(1 / noise**2, noise**2)
        calls = _poisson(chance, mean)
        if not calls:
            continue
        key.calls[hour] = calls
        key.failed[hour] = _poisson(chance, calls * 0.01)
        at_once = min(len(homes), max(1, calls // 20))
        here = set(chance.sample(homes, at_once))
        if chance.random() < 0.002 and hour < BEGINS + HOURS_BEFORE // 2:
            here.add(chance.choice(rare))
        key.places[hour] = frozenset(here)
    key.limit = max(200, int(3.0 * max(key.calls.values(), default=100)))
    return key


def _plant(chance: random.Random, key: Key, kind: str) -> None:
    begins = BEGINS + HOURS_BEFORE + chance.randrange(48, HOURS - 96)
    until = begins + 72
    busy = sorted(key.calls.values())[len(key.calls) // 2] if key.calls else 10
    if kind == "leak":
        for hour in range(begins, begins + 12):
            strangers = {f"192.0.{chance.randrange(256)}.0/24" for _ in range(60)}
            key.calls[hour] = key.calls.get(hour, 0) + 60 + busy // 4
            key.places[hour] = key.places.get(hour, frozenset()) | strangers
    elif kind == "errors":
        for hour in range(begins, begins + 4):
            key.calls[hour] = max(key.calls.get(hour, 0), 400)
            key.failed[hour] = key.calls[hour] // 2
    elif kind == "creep":
        at, limit = begins - 24, key.limit
        for hour in range(at, BEGINS + HOURS_BEFORE + HOURS):
            share = min(1.0, 0.2 + (hour - at) / 120)
            key.calls[hour] = max(key.calls.get(hour, 0), int(limit * share))
        until = BEGINS + HOURS_BEFORE + HOURS
    elif kind == "wakes":
        for hour in range(begins - 40 * 24, begins):
            key.calls.pop(hour, None)
            key.failed.pop(hour, None)
            key.places.pop(hour, None)
        key.calls[begins] = 30
        key.places[begins] = next(iter(key.places.values()), frozenset({"198.51.1.0/24"}))
    else:
        for hour in range(begins, begins + 5):
            key.calls[hour] = 12 * max(key.calls.values()) + 500
        key.limit = 10**9
    key.incident = (kind, begins - (48 if kind == "creep" else 0), until)


def _poisson(chance: random.Random, mean: float) -> int:
    if mean > 50:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    limit, product, found = math.exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        found += 1
    return found


def history(key: Key) -> History:
    """All that is known of *key*."""
    return History(
        created_at=BEGINS * 3_600.0,
        hours=key.calls,
        places=key.places,
        each={
            hour: Hour(calls // 4, key.failed.get(hour, 0) // 4, (Window("plan", key.limit, 3_600, calls),))
            for hour, calls in key.calls.items()
        },
    )

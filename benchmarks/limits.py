"""What counting costs one process: in memory, in shares and exactly, at every authority; and how often it is asked.

64 callers at once, keys at random from 1,000; each way in blocks that alternate with counting in memory.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks import hosts
from benchmarks.blocks import Figure, as_rows, compare, in_own_process
from benchmarks.installation import NEVER, fill, installed
from limen.app import App, GateHouse
from limen.core.limits import Limit
from limen.core.rules import Rules
from limen.core.verdict import OK, Ask
from limen.gate.counters import Counters, MemoryCounters
from limen.gate.sharing import SharedCounters
from limen.gate.windows import HostWindows

KEYS, CALLERS, ROUNDS, BLOCKS = 1_000, 64, 640, 41
MINUTE = 10_000
"""The limit whose calls are counted, per 60 s, over so many processes."""

PROCESSES = 4
CALLS_BUDGET = 0.05

SHARES = (Limit("allowance", NEVER, 60),)
EXACT = (Limit("allowance", 999, 60),)

NewCounters = Callable[[], SharedCounters]


@contextmanager
def _host() -> Iterator[NewCounters]:
    with tempfile.TemporaryDirectory(prefix="limen-bench-") as folder:

        def make() -> SharedCounters:
            windows = HostWindows(Path(folder), "creator")
            return SharedCounters(windows, processes=lambda: PROCESSES, at_once=windows.decide, drift=0.0)

        yield make


AUTHORITIES: dict[str, Callable[[], AbstractContextManager[NewCounters]]] = {
    "host": _host,
    "postgresql": hosts.postgresql,
    "valkey": hosts.valkey,
}
"""What opens each authority, and makes the counters of one process at it."""


def run() -> list[Figure]:
    """All ways in one process, in turn."""
    return in_own_process("benchmarks.limits")


def measure() -> list[Figure]:
    """Requests a second of one process, by each way; then how often the authority is asked."""
    figures = []
    with installed() as (app, house):
        texts = fill(app, house, KEYS)
        floor = _way(app, house, texts, MemoryCounters(), SHARES)
        for name, opened in AUTHORITIES.items():
            for way, limits in (("shares", SHARES), ("exact", EXACT)):
                with opened() as make:
                    counters = make()
                    figures.append(_figure(f"{way}, {name}", _way(app, house, texts, counters, limits), floor))
                    counters.close()
    return [*figures, _calls()]


def _figure(name: str, subject: Callable[[int], None], floor: Callable[[int], None]) -> Figure:
    found = compare(name, subject, floor, rounds=ROUNDS, blocks=BLOCKS)
    return replace(found, subject=1e6 / found.subject, floor=1e6 / found.floor, unit="requests/s")


def _way(
    app: App, house: GateHouse, texts: list[bytes], counters: Counters, limits: tuple[Limit, ...]
) -> Callable[[int], None]:
    """Asks by one way of counting, as a door does it."""
    gate, cold, read = house.gate, house.cold, app.clock.read
    rules: Rules = replace(gate.rules, default=limits, allowances={})
    drawn = random.Random(7)
    endless = itertools.cycle([drawn.choice(texts) for _ in range(20 * KEYS)])
    loop = asyncio.new_event_loop()

    async def caller(rounds: int) -> None:
        for text in itertools.islice(endless, rounds):
            now, at = read()
            ask = Ask(text, b"GET", b"/chats", b"2025-06-26", b"live", now, at)
            verdict = gate.check(ask)
            if verdict is None:
                verdict = await cold.decide(ask)
            if verdict.code is not OK:
                raise RuntimeError(f"it was refused: {verdict.code}")

    async def callers(rounds: int) -> None:
        await asyncio.gather(*(caller(rounds // CALLERS) for _ in range(CALLERS)))

    def subject(rounds: int) -> None:
        gate.rules, gate.counters = rules, counters
        loop.run_until_complete(callers(rounds))

    return subject


def _calls() -> Figure:
    """Calls a request, of one caller who is admitted 10,000 times a minute at four processes, in virtual time."""
    at = 1_000.0
    limit, drawn = Limit("allowance", MINUTE, 60), random.Random(7)
    with tempfile.TemporaryDirectory(prefix="limen-bench-") as folder:
        files = [HostWindows(Path(folder), "creator", now=lambda: at) for _ in range(PROCESSES)]
        made = [
            SharedCounters(each, processes=lambda: PROCESSES, at_once=each.decide, clock=lambda: at, drift=0.0)
            for each in files
        ]
        found = []
        for _ in range(5):
            before, admitted = sum(each.calls for each in made), 0
            for _ in range(MINUTE):
                at += 60 / MINUTE
                taken = drawn.choice(made).take([(limit, b"a")], at)
                admitted += taken is not None and taken[0]
            found.append((sum(each.calls for each in made) - before) / admitted)
        for each in made:
            each.close()
    middle = statistics.median(found)
    name = "calls a request, shares, 10,000 a minute"
    return Figure(name, middle, min(found), max(found), middle, 1, "calls", CALLS_BUDGET)


if __name__ == "__main__":
    print(json.dumps(as_rows(measure())))

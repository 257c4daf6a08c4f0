"""The same check at 1,000 and 1,000,000 records in memory: hot and evenly drawn; memory a record, and collector pauses.

And with more keys stored than the directory holds: what a check costs when most of them have to be loaded.
"""

from __future__ import annotations

import gc
import itertools
import json
import random
import resource
import statistics
import sys
from collections.abc import Callable
from time import perf_counter

from benchmarks.blocks import Figure, as_rows, compare, in_own_process
from benchmarks.installation import fill, installed
from limen.app import App, GateHouse
from limen.control import keys, owners
from limen.core.verdict import OK, Ask
from limen.gate.directory import FREEZE_EVERY

SMALL, LARGE = 1_000, 1_000_000
ROUNDS, ASKS = 500, 50_000
HOT_BUDGET, EVEN_BUDGET = 1.15, 1.50
BYTES_BUDGET, PAUSE_BUDGET_MS = 500.0, 20.0
STORED, HELD = 2_000, 500


def run() -> list[Figure]:
    """Sizes against each other in one process, in turn; what only one size needs in a process of its own."""
    return [*in_own_process("benchmarks.memory", "sizes"), *in_own_process("benchmarks.memory", "beyond")]


def sizes() -> list[Figure]:
    """1,000,000 records over 1,000: the hot keys, evenly drawn ones; then memory and pause."""
    with installed() as (app, house), installed() as (other, few):
        gc.collect()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        texts = fill(app, house, LARGE)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1_024
        size = (grown - sum(sys.getsizeof(text) + 8 for text in texts)) / LARGE
        fill(app, house, FREEZE_EVERY - LARGE % FREEZE_EVERY - 1)  # as many as ever lie before the collector
        pauses = sorted(_pause_ms() for _ in range(5))
        drawn = random.Random(7)
        small = fill(other, few, SMALL)
        hot = drawn.sample(texts, SMALL)
        floor = _checks(other, few, [drawn.choice(small) for _ in range(ASKS)])
        pause = statistics.median(pauses)
        return [
            compare(
                "hot keys, 1,000,000 records over 1,000",
                _checks(app, house, [drawn.choice(hot) for _ in range(ASKS)]),
                floor,
                rounds=ROUNDS,
                budget=HOT_BUDGET,
            ),
            compare(
                "evenly drawn, 1,000,000 records over 1,000",
                _checks(app, house, [drawn.choice(texts) for _ in range(ASKS)]),
                floor,
                rounds=ROUNDS,
                budget=EVEN_BUDGET,
            ),
            Figure("memory a record", size, size, size, size, 1, "bytes", BYTES_BUDGET),
            Figure("full collection", pause, pauses[0], pauses[-1], pause, 1, "ms", PAUSE_BUDGET_MS),
        ]


def _pause_ms() -> float:
    start = perf_counter()
    gc.collect()
    return (perf_counter() - start) * 1_000


def _checks(app: App, house: GateHouse, texts: list[bytes]) -> Callable[[int], None]:
    """Asks for each of *texts* in turn."""
    read, check, endless = app.clock.read, house.gate.check, itertools.cycle(texts)

    def asking(rounds: int) -> None:
        for text in itertools.islice(endless, rounds):
            verdict = check(Ask(text, b"GET", b"/users/me", b"2025-06-26", b"live", *read()))
            if verdict is None or verdict.code is not OK:
                raise RuntimeError("the gate is not warm")

    return asking


def beyond() -> Figure:
    """More keys stored than the directory holds, evenly drawn: most checks load; over the same keys all held."""
    with installed(records=HELD) as (app, cramped), installed(records=4 * STORED) as (other, roomy):
        texts = {id(house): _store(which, STORED) for which, house in ((app, cramped), (other, roomy))}
        numbers = random.Random(7)
        drawn = [numbers.randrange(STORED) for _ in range(STORED)]

        def asking(which: App, house: GateHouse) -> None:
            for number in drawn:
                ask = Ask(texts[id(house)][number], b"GET", b"/users/me", b"2025-06-26", b"live", *which.clock.read())
                if house.cold.decide_now(ask).code is not OK:
                    raise RuntimeError("a stored key was refused")

        return compare(
            f"{STORED:,} keys stored, {HELD} held, over all held",
            lambda _rounds: asking(app, cramped),
            lambda _rounds: asking(other, roomy),
            rounds=STORED,
            blocks=7,
        )


def _store(app: App, count: int) -> list[bytes]:
    app.act(owners.create, owners.NewOwner("user", owner="bench"))
    texts = []
    for number in range(count):
        owner = f"owner-{number}"
        app.act(owners.create, owners.NewOwner("user", owner=owner))
        app.act(owners.allow, owner, "creator")
        texts.append(app.act(keys.issue, keys.NewKey("creator", owner, "bench", scopes=("read:self",))).text.encode())
    return texts


if __name__ == "__main__":
    print(json.dumps(as_rows([beyond()] if sys.argv[1] == "beyond" else sizes())))

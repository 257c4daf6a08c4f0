"""The same check at 1,000 and 1,000,000 records in memory: hot and evenly drawn; memory a record, and collector pauses.

And with more keys stored than the directory holds: what a check costs when most of them have to be loaded.
"""

from __future__ import annotations

import gc
import hashlib
import json
import random
import resource
import statistics
import sys
from time import perf_counter

from benchmarks.blocks import Figure, as_rows, compare, in_own_process
from benchmarks.installation import fill, installed
from limen.app import App, GateHouse
from limen.control import keys, owners
from limen.core.verdict import OK, Ask

SMALL, LARGE = 1_000, 1_000_000
ROUNDS = 4_000
HOT_BUDGET, EVEN_BUDGET = 1.15, 1.50
BYTES_BUDGET, PAUSE_BUDGET_MS = 500.0, 20.0
STORED, HELD = 2_000, 500


def run() -> list[Figure]:
    """Each size in a process of its own; growth is the ratio of their ratios to the floor."""
    small = in_own_process("benchmarks.scale", "size", str(SMALL))
    large = in_own_process("benchmarks.scale", "size", str(LARGE))
    return [
        _growth("hot keys, 1,000 to 1,000,000 records", large[0], small[0], HOT_BUDGET),
        _growth("evenly drawn, 1,000 to 1,000,000 records", large[1], small[0], EVEN_BUDGET),
        *large[2:],
        *in_own_process("benchmarks.scale", "beyond"),
    ]


def _growth(name: str, large: Figure, small: Figure, budget: float) -> Figure:
    return Figure(
        name,
        large.ratio / small.ratio,
        large.low / small.high,
        large.high / small.low,
        large.subject,
        small.subject,
        "µs",
        budget,
    )


def measure(count: int) -> list[Figure]:
    """Hot (1,000 of *count*) and even; then memory and pause."""
    with installed() as (app, house):
        gc.collect()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        texts = fill(app, house, count)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1_024
        own = sum(sys.getsizeof(text) + 8 for text in texts)
        pauses = sorted(_pause_ms() for _ in range(5))
        drawn = random.Random(7)
        hot = drawn.sample(texts, SMALL)
        even = [drawn.choice(texts) for _ in range(ROUNDS)]
        figures = [
            _checks(f"hot of {count:,}", app, house, [drawn.choice(hot) for _ in range(ROUNDS)]),
            _checks(f"even of {count:,}", app, house, even),
        ]
        if count == LARGE:
            size, pause = (grown - own) / count, statistics.median(pauses)
            figures.append(Figure("memory a record", size, size, size, size, 1, "bytes", BYTES_BUDGET))
            pair = (pauses[0], pauses[-1])
            figures.append(Figure("full collection", pause, *pair, pause, 1, "ms", PAUSE_BUDGET_MS))
        return figures


def _pause_ms() -> float:
    start = perf_counter()
    gc.collect()
    return (perf_counter() - start) * 1_000


def _checks(name: str, app: App, house: GateHouse, texts: list[bytes]) -> Figure:
    read, check, key = app.clock.read, house.gate.check, bytes(32)

    def subject(rounds: int) -> None:
        for text in texts[:rounds]:
            verdict = check(Ask(text, b"GET", b"/users/me", b"2025-06-26", b"live", *read()))
            if verdict is None or verdict.code is not OK:
                raise RuntimeError("the gate is not warm")

    def floor(rounds: int) -> None:
        for text in texts[:rounds]:
            hashlib.blake2b(text, key=key, digest_size=32).digest()

    return compare(name, subject, floor, rounds=ROUNDS)


def beyond() -> Figure:
    """More keys stored than the directory holds, evenly drawn: most checks load; over the same keys all held."""
    with installed(records=HELD) as (app, cramped), installed(records=4 * STORED) as (other, roomy):
        texts = {id(house): _store(which, STORED) for which, house in ((app, cramped), (other, roomy))}
        drawn = [random.Random(7).randrange(STORED) for _ in range(STORED)]

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
    found = [beyond()] if sys.argv[1] == "beyond" else measure(int(sys.argv[2]))
    print(json.dumps(as_rows(found)))

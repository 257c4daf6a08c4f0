"""A warm ``Gate.check`` over one keyed BLAKE2b of the key, one limit and three: at most 10 and 13 floors."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import sys
from uuid import uuid4

from benchmarks.blocks import Figure, as_rows, compare, in_own_process
from benchmarks.installation import fill, installed, thirty_operations
from limen.core.verdict import OK, Ask

KEYS = 1_000
ROUNDS = 500
BUDGETS = {1: 10.0, 3: 13.0}


def run() -> list[Figure]:
    """Each variant in a process of its own."""
    return [figure for limits in BUDGETS for figure in in_own_process("benchmarks.gate", str(limits))]


def measure(limits: int) -> Figure:
    """Asking, deciding and journalling, keys at random from 1,000, paths with a random parameter."""
    with installed() as (app, house):
        gate = house.gate
        gate.rules = thirty_operations(gate.rules, limits=limits)
        texts = fill(app, house, KEYS)
        drawn = random.Random(7)
        asks = [(drawn.choice(texts), f"/chats/{uuid4()}/messages".encode()) for _ in range(4 * KEYS)]
        read, check = app.clock.read, gate.check

        endless = itertools.cycle(asks)

        def subject(rounds: int) -> None:
            for text, path in itertools.islice(endless, rounds):
                now, at = read()
                verdict = check(Ask(text, b"GET", path, b"2025-06-26", b"live", now, at))
                if verdict is None or verdict.code is not OK:
                    raise RuntimeError("the gate is not warm")

        key = bytes(32)

        def floor(rounds: int) -> None:
            blake2b = hashlib.blake2b
            for text, _ in itertools.islice(endless, rounds):
                blake2b(text, key=key, digest_size=32).digest()

        return compare(f"check, {limits} limit(s)", subject, floor, rounds=ROUNDS, budget=BUDGETS[limits])


if __name__ == "__main__":
    print(json.dumps(as_rows([measure(int(sys.argv[1]))])))

"""A process that decides as fast as it can, and counts what it has recorded where a kill does not reach.

``python -m tests.faults.busy COUNTS SEED``: *COUNTS* is a file of eight-byte numbers, mapped: how many decisions were
admitted and how many refused, and how many of them were answered with 2xx, 4xx and 5xx; then how many it may make.
Keys come from standard input, one a line. It ends when it has made as many as it may.
"""

from __future__ import annotations

import mmap
import os
import random
import sys
from pathlib import Path

from limen.app import App
from limen.core.verdict import Ask

ADMITTED, REFUSED, TOLD_2XX, TOLD_4XX, TOLD_5XX, MOST = range(6)
STATUSES = ((200, TOLD_2XX), (204, TOLD_2XX), (404, TOLD_4XX), (500, TOLD_5XX))
PATHS = ((b"GET", b"/users/me"), (b"GET", b"/chats"), (b"POST", b"/chats/7/message"))
"""The last one needs a scope that the keys do not have."""


def main() -> None:
    """Decide."""
    with Path(sys.argv[1]).open("r+b") as file:
        counts = memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")
    chance = random.Random(f"{sys.argv[2]} {os.getpid()}")
    texts = [line.strip().encode() for line in sys.stdin]
    app = App.open()
    house = app.gate("creator")
    journal = house.gate.journal
    while counts[ADMITTED] + counts[REFUSED] < counts[MOST]:
        now, at = app.clock.read()
        (method, path), text = chance.choice(PATHS), chance.choice(texts)
        address = f"192.0.2.{chance.randrange(20)}"
        ask = Ask(text, method, path, b"2025-06-26", b"live", now, at, address=address)
        verdict = house.cold.decide_now(ask)
        if not verdict.reading:
            continue  # the journal is full: nobody was admitted, and nothing is recorded
        counts[ADMITTED if verdict.admitted else REFUSED] += 1
        if verdict.admitted and chance.random() < 0.9:
            status, place = chance.choice(STATUSES)
            if journal.outcome(verdict.reading, status, now, took_us=chance.randrange(1, 10**6)):
                counts[place] += 1
    app.close()


if __name__ == "__main__":
    main()

"""What the door takes for a request with a worker beside it that drains, rolls up and alerts, over the worker stopped.

One listener, one worker, one caller; the worker is stopped and let go on in turns, under the same load. What gathers
while it stands it has to do when it goes on, so that its turns bear the work of both. Wall time: what is measured is
what the worker takes away.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time

from benchmarks import door, served
from benchmarks.blocks import Figure

PAIRS = 15
BUDGET = 1 / 0.95


def run() -> list[Figure]:
    """The time of a request with the worker, and without."""
    folder, texts = served.prepare()
    environment = served.environment(folder)
    server = door.Server("benchmarks.served:door", environment)
    worker = subprocess.Popen(
        [sys.executable, "-m", "limen", "worker"],
        env=os.environ | environment | {"PYTHONPATH": "src"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    rows = door.requests(texts)
    try:
        server.cost(rows[:1_000])
        time.sleep(1)
        pairs = []
        for _ in range(PAIRS):
            beside = _time(server, rows)
            worker.send_signal(signal.SIGSTOP)
            alone = _time(server, rows)
            worker.send_signal(signal.SIGCONT)
            pairs.append((beside, alone))
        if worker.poll() is not None:
            raise RuntimeError("the worker ended")
    finally:
        worker.kill()
        worker.wait()
        server.stop()
        door.remove(folder)
    ratios = sorted(beside / alone for beside, alone in pairs)
    return [
        Figure(
            "door with a worker beside it, time a request",
            statistics.median(ratios),
            ratios[len(ratios) // 4],
            ratios[3 * len(ratios) // 4],
            statistics.median(beside for beside, _ in pairs),
            statistics.median(alone for _, alone in pairs),
            "µs",
            BUDGET,
        )
    ]


def _time(server: door.Server, rows: list[bytes]) -> float:
    began = time.perf_counter()
    server.cost(rows)
    return (time.perf_counter() - began) / len(rows) * 1e6

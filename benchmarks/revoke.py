"""Revocations over four processes on PostgreSQL: how long one takes until it holds everywhere.

Healthy: the median and the slowest in a hundred over the median of one that nobody has to hear of. With a process
stopped, cut off from the database, or killed: the slowest over the lease, which it may exceed by what clocks may differ
by, the revocation itself and a round trip.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.blocks import Figure
from benchmarks.installation import wide_profile
from limen.app import App
from limen.control import apis, keys, owners
from limen.core.verdict import Ask
from limen.settings import Settings, read_settings
from tools.servers.postgres import Postgres
from tools.servers.proxy import Proxy, Way

PROCESSES = 4
LEASE_MS = 2_000
HEALTHY, TIMES = 200, 4
OVER = 1.15
"""Of a lease: 3 % for clocks, and 240 ms."""

PAUSE_S = 0.002


class _Member:
    """A process with a gate, which asks it for one key all the time; on a way of its own to the database."""

    def __init__(self, settings: Settings, way: Way, text: str) -> None:
        self.way = way
        App.initialise(settings).close()
        named = {
            "LIMEN_DATABASE_URL": settings.database_url,
            "LIMEN_STATE": str(settings.state),
            "LIMEN_PEPPER_FILE": str(settings.pepper_file),
            "LIMEN_LEASE_MS": str(settings.lease_ms),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.revoke", text],
            env=os.environ | named,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> None:
        """Return once it has a lease."""
        if self.process.stdout is None or not self.process.stdout.readline():
            raise RuntimeError("a process did not start")

    def end(self) -> None:
        """It is gone, whatever it does."""
        self.process.kill()
        self.process.wait()


@contextmanager
def _installed() -> Iterator[tuple[App, Postgres, Settings]]:
    with tempfile.TemporaryDirectory(prefix="limen-bench-") as folder:
        server = Postgres().start()
        try:
            url = server.url(server.create())
            state, pepper = Path(folder) / "state", Path(folder) / "pepper"
            settings = Settings(database_url=url, state=state, pepper_file=pepper, lease_ms=LEASE_MS)
            app = App.initialise(settings)
            app.act(apis.create, "creator", wide_profile())
            app.act(owners.create, owners.NewOwner("user", owner="u-1024"))
            app.act(owners.allow, "u-1024", "creator")
            try:
                yield app, server, settings
            finally:
                app.close()
        finally:
            server.remove()


def _issued(app: App) -> keys.Issued:
    new = keys.NewKey("creator", "u-1024", "bench", scopes=("read:self", "read:chat"))
    return app.act(keys.issue, new)


def _revoked(app: App) -> float:
    """How many milliseconds it took to revoke one key, from the call to its return."""
    return _revoke(app, _issued(app).key.key)


def _revoke(app: App, key: str) -> float:
    began = time.perf_counter()
    app.act(keys.revoke, key)
    return 1_000 * (time.perf_counter() - began)


def run() -> list[Figure]:
    """All in one run, on one server."""
    with _installed() as (app, server, settings):
        alone = [_revoked(app) for _ in range(HEALTHY)]
        floor, text = statistics.median(alone), _issued(app).text
        proxy = Proxy(server.port)
        members: list[_Member] = []

        def start() -> _Member:
            way = proxy.way()
            url = settings.database_url.replace(f":{server.port}/", f":{way.port}/")
            state = settings.state_folder.with_name(f"state-{len(proxy.ways)}")
            members.append(_Member(replace(settings, database_url=url, state=state), way, text))
            members[-1].ready()
            return members[-1]

        try:
            for _ in range(PROCESSES):
                start()
            took = sorted(_revoked(app) for _ in range(HEALTHY))
            p50, p99 = statistics.median(took), took[len(took) * 99 // 100]
            low, high = took[len(took) // 4] / floor, took[3 * len(took) // 4] / floor
            return [
                Figure(f"revoke, {PROCESSES} processes, p50", p50 / floor, low, high, p50, floor, "ms"),
                Figure(f"revoke, {PROCESSES} processes, p99", p99 / floor, low, high, p99, floor, "ms"),
                *(_worst(app, name, members, start) for name in FAULTS_THERE_ARE),
            ]
        finally:
            for member in members:
                member.end()
            proxy.close()


Deed = Callable[[_Member], object]

FAULTS_THERE_ARE: dict[str, tuple[Deed, Deed]] = {
    "stopped": (
        lambda hit: hit.process.send_signal(signal.SIGSTOP),
        lambda hit: hit.process.send_signal(signal.SIGCONT),
    ),
    "cut off": (lambda hit: hit.way.partition(), lambda hit: hit.way.heal()),
    "not heard": (lambda hit: hit.way.hold(up=True), lambda hit: hit.way.heal()),
    "hearing nothing": (lambda hit: hit.way.hold(down=True), lambda hit: hit.way.heal()),
    "killed": (lambda hit: hit.end(), lambda hit: hit.end()),
}
"""What may happen to one process, and how it is mended."""


def _worst(app: App, name: str, members: list[_Member], start: Callable[[], _Member]) -> Figure:
    """The slowest of some revocations with one process so."""
    took, (hit, mend) = [], FAULTS_THERE_ARE[name]
    for _ in range(TIMES):
        key, one = _issued(app).key.key, members[-1]
        time.sleep(LEASE_MS / 1_000 / 2)  # it has a lease, and has heard of everything
        hit(one)
        try:
            took.append(_revoke(app, key))
        finally:
            mend(one)
        if one.process.poll() is not None:
            start()
    took.sort()
    lease = float(LEASE_MS)
    spread = (took[0] / lease, took[-1] / lease)
    return Figure(f"revoke, one process {name}", spread[1], *spread, took[-1], lease, "ms", OVER)


def member(text: str) -> None:
    """Ask a gate for one key, until this process ends."""
    app = App.open(read_settings())
    house = app.gate("creator")
    print("ready", flush=True)
    while True:
        now, at = app.clock.read()
        house.cold.decide_now(Ask(text.encode(), b"GET", b"/chats", b"2025-06-26", b"live", now, at))
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    member(sys.argv[1])

"""One process of a crowd that counts against one limit (``python -m tests.cluster.caller``). It is told in JSON.

It says that it is ready, waits for the moment at which it is to begin, and tells in JSON what it saw.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from threading import Thread

import psycopg
import redis

from limen.cluster import authorities
from limen.cluster.authorities import Authorities
from limen.cluster.barrier import boottime
from limen.core.limits import Limit
from limen.gate.counting import Answer, AuthorityGone, Grant, Request, Return
from limen.gate.sharing import SharedCounters
from tests.contracts.authorities import MemoryWindows

API = "creator"


@dataclass(frozen=True, slots=True)
class Told:
    """What a caller is told."""

    build: str
    database_url: str
    valkey_url: str
    count: int
    window_s: int
    seconds: float
    pause_s: float = 0.0
    """Between two calls of a thread."""
    threads: int = 8
    processes: int = 4


def sound(told: Told) -> SharedCounters:
    """What the product counts by."""
    made = Authorities(told.database_url, told.valkey_url, processes=lambda: told.processes)
    found = made.join(API).counters
    assert isinstance(found, SharedCounters)
    return found


def sharing(told: Told) -> SharedCounters:
    """As the product with ``LIMEN_LIMITS_GONE=share``."""
    made = Authorities(told.database_url, told.valkey_url, share=True, processes=lambda: told.processes)
    found = made.join(API).counters
    assert isinstance(found, SharedCounters)
    return found


def apart(told: Told) -> SharedCounters:
    """A build in which each process counts for itself. Broken."""
    return SharedCounters(MemoryWindows(boottime), processes=lambda: told.processes)


def forgetful(told: Told) -> SharedCounters:
    """A build that takes an emptied Valkey for one that nothing was ever counted in. Broken."""
    made = Authorities(told.database_url, told.valkey_url, processes=lambda: told.processes)
    vars(made._table)["began"] = lambda _api, era: era
    found = made.join(API).counters
    assert isinstance(found, SharedCounters)
    return found


class _Checking:
    """An authority that looks first, and counts then. Broken."""

    def decide(self, requests: Sequence[Request], returns: Sequence[Return] = ()) -> list[Answer]:
        """As ``Authority.decide``, of one limit, without what is given back."""
        room = self.used() < requests[0][0].limit.count if requests else False
        time.sleep(0.001)
        answers = []
        for request in requests:
            limit = request[0].limit
            used = self.add(limit.window_s) if room else limit.count
            answers.append(Answer(room, (Grant(int(room), max(0, limit.count - used), 0.01, 1),)))
        return answers

    def used(self) -> int:
        """How many there are by now."""
        raise NotImplementedError

    def add(self, window_s: int) -> int:
        """One more, in a window of *window_s* that opens with the first."""
        raise NotImplementedError

    def close(self) -> None:
        """Nothing."""


class CheckingPostgres(_Checking):
    """In a table of its own."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute("select pg_advisory_lock(7)")  # two that make a table at once are in each other's way
        self._connection.execute("create table if not exists naive (used int, ends_at timestamptz)")
        self._connection.execute("select pg_advisory_unlock(7)")

    def used(self) -> int:
        """How many there are by now."""
        row = self._connection.execute("select used from naive where ends_at > clock_timestamp()").fetchone()
        return 0 if row is None else int(row[0])

    def add(self, window_s: int) -> int:
        """One more."""
        more = "update naive set used = used + 1 where ends_at > clock_timestamp() returning used"
        row = self._connection.execute(more).fetchone()
        if row is None:
            ends = "insert into naive values (1, clock_timestamp() + make_interval(secs => %s))"
            self._connection.execute(ends, (window_s,))
        return 1 if row is None else int(row[0])


class CheckingValkey(_Checking):
    """With INCR and EXPIRE."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url, decode_responses=True)

    def used(self) -> int:
        """How many there are by now."""
        return int(str(self._client.get("naive") or "0"))

    def add(self, window_s: int) -> int:
        """One more."""
        used = int(str(self._client.incr("naive")))
        if used == 1:
            self._client.expire("naive", window_s)
        return used


def checking(told: Told) -> SharedCounters:
    """A build that checks, and then increments. Broken."""
    made = CheckingValkey(told.valkey_url) if told.valkey_url else CheckingPostgres(told.database_url)
    return SharedCounters(made, processes=lambda: told.processes)


BUILDS: dict[str, Callable[[Told], SharedCounters]] = {
    build.__name__: build for build in (sound, sharing, apart, forgetful, checking)
}


def run(told: Told) -> dict[str, object]:
    """Call on every thread, one call after the other; when each began and ended, and what it got."""
    counters = BUILDS[told.build](told)
    counters.count([(Limit("another", 1, 1), b"")], boottime()).exception()  # connected
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    starts_at = float(sys.stdin.readline())
    wants = [(Limit("allowance", told.count, told.window_s), b"a-key")]
    seen: list[tuple[float, float, int]] = []

    def loop() -> None:
        time.sleep(max(0.0, starts_at - time.monotonic()))
        while (started := time.monotonic()) < starts_at + told.seconds:
            at = boottime()
            try:
                taken = counters.take(wants, at) or counters.count(wants, at).result()
                status = 200 if taken[0] else 429
            except AuthorityGone:
                status = 503
            seen.append((started, time.monotonic(), status))
            time.sleep(told.pause_s or (0.0 if status == 200 else 0.004))

    threads = [Thread(target=loop, daemon=True) for _ in range(told.threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"seen": seen, "calls": counters.calls}


def line(told: Told) -> list[str]:
    """The command line of a process that does what it is *told*."""
    return [sys.executable, "-m", "tests.cluster.caller", json.dumps(asdict(told))]


if __name__ == "__main__":
    authorities.BEAT_S = 0.2
    sys.stdout.write(json.dumps(run(Told(**json.loads(sys.argv[1])))))
    sys.stdout.flush()

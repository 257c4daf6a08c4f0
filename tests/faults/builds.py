"""Builds of the gate's server: the product with a delay put in, and broken ones that the tests must catch.

Each is a factory that a server process runs in place of ``limen.server:gate_app``. The product knows nothing of them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from threading import Lock, RLock
from typing import Any

import limen.app
from limen.core.keys import locator
from limen.core.problems import StoreDown
from limen.core.record import Record
from limen.core.verdict import Ask, Verdict
from limen.gate import clock
from limen.gate.check import Gate
from limen.gate.cold import TRIES, Cold
from limen.gate.counters import MemoryCounters
from limen.gate.counting import Answer, Request
from limen.gate.directory import Directory
from limen.gate.journal import Journal
from limen.gate.lease import HostLease
from limen.gate.together import Together
from limen.gate.windows import HostWindows
from limen.guard.asgi import Guard
from limen.http.wire import lifespan, reply
from limen.server import ASGIApp, gate_app

LOAD_S = 0.02
"""By how much a slow load is slow: between the moment its row is read and the moment it is used."""

FLUSH_S = 0.002
"""How long a broken journal takes to write what it has collected."""

Loaded = tuple[Record | None, int]


def _slow_loads() -> None:
    load = limen.app._Records.load

    def slow(self: Any, place: bytes) -> Loaded:
        found = load(self, place)
        time.sleep(LOAD_S)
        return found

    limen.app._Records.load = slow  # type: ignore[method-assign]


def slow_loads() -> ASGIApp:
    """The product, with slow loads: what must hold without them must hold with them."""
    _slow_loads()
    return gate_app()


def joined_loads() -> ASGIApp:
    """Slow loads, and an ask for a key whose load is under way is answered by that load's record. Broken."""
    _slow_loads()
    under_way: dict[bytes, Future[Loaded]] = {}
    lock = Lock()

    def settle(self: Cold, ask: Ask, _count: Any) -> Verdict:
        gate, place = self._gate, locator(ask.credential or b"")
        try:
            for _ in range(TRIES):
                self.catch_up()
                verdict = gate.check(ask, fresh=True)
                if verdict is not None:
                    return verdict
                with lock:
                    joined = under_way.get(place)
                    mine = None if joined is not None else under_way.setdefault(place, Future())
                if joined is not None:
                    verdict = _only(gate, place, joined.result()).check(ask, fresh=True)
                    if verdict is not None:
                        return verdict
                elif mine is not None:
                    found = self._store.load(place)
                    with lock:
                        del under_way[place]
                    gate.directory.put(place, *found)
                    mine.set_result(found)
        except StoreDown:
            return self._unavailable()
        return self._unavailable()

    Cold._settle = settle  # type: ignore[method-assign]
    return gate_app()


def _only(gate: Gate, place: bytes, found: Loaded) -> Gate:
    """*gate*, knowing one record."""
    directory = Directory(gate.directory._digests, bound=2, unknown_bound=2)
    directory.put(place, *found)
    return Gate(
        gate.rules,
        gate.lease,
        directory=directory,
        counters=gate.counters,
        journal=gate.journal,
        strangers=gate.strangers,
    )


def no_fill_guard() -> ASGIApp:
    """Slow loads, and the directory takes what was read before a change that it has applied. Broken."""
    _slow_loads()
    put = Directory.put

    def unguarded(self: Directory, place: bytes, record: Record | None, snapshot: int) -> None:
        put(self, place, record, max(snapshot, self.applied))

    Directory.put = unguarded  # type: ignore[method-assign]
    return gate_app()


def no_epoch() -> ASGIApp:
    """A lease that is held for good once it has been held. Broken."""
    HostLease.holds = lambda self, at: self._applied >= 0  # type: ignore[method-assign]
    return gate_app()


def _late_journal() -> None:
    """A journal that collects its entries and writes them once a turn of the event loop."""
    append = Journal._append
    waiting: list[bytes] = []
    numbers = iter(range(1, 1 << 60))
    lock = RLock()

    def flush(journal: Journal) -> None:
        with lock:
            time.sleep(FLUSH_S)
            for body in waiting:
                append(journal, body)
            waiting.clear()

    def late(self: Journal, body: bytes) -> int:
        with lock:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:  # a thread that loads: what the loop has collected goes before it
                flush(self)
                return append(self, body) and next(numbers)
            if not waiting:
                loop.call_soon(flush, self)
            waiting.append(body)
            return next(numbers)

    Journal._append = late  # type: ignore[method-assign]


def late_journal() -> ASGIApp:
    """The gate's door on a late journal. Broken."""
    _late_journal()
    return gate_app()


def dropping_journal() -> ASGIApp:
    """A journal that numbers entries for which it has no room, and drops them. Broken."""
    append = Journal._append
    Journal._append = lambda self, body: append(self, body) or 1  # type: ignore[method-assign]
    Journal.has_room = lambda self: True  # type: ignore[method-assign]
    return gate_app()


def sparse_segments() -> ASGIApp:
    """Segments that are given a size and no room: the disk's end is met inside an entry. Broken."""
    os.posix_fallocate = lambda file, _start, size: os.truncate(file, size)
    return gate_app()


async def _api(scope: Any, receive: Any, send: Any) -> None:
    """An API behind a Guard: it answers the number in the middle of its path's name; 500 is a handler that raises."""
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send, lambda: None)
        return
    status = int(scope["path"].split("-")[1])
    if status == 500:
        raise RuntimeError("a handler that fails")
    body = scope["path"].encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def guarded() -> ASGIApp:
    """An API behind the product's Guard."""
    return Guard(_api, api="creator")


def late_guarded() -> ASGIApp:
    """An API behind a Guard with a late journal. Broken."""
    _late_journal()
    return guarded()


def _talk() -> None:
    """Write down everything that anybody has to say, at the lowest level there is."""
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, force=True)
    for name in ("sqlalchemy.engine", "sqlalchemy.pool", "asyncio"):
        logging.getLogger(name).setLevel(logging.DEBUG)


def talkative() -> ASGIApp:
    """The product, with all logs at debug."""
    _talk()
    return gate_app()


async def _quiet_api(scope: Any, receive: Any, send: Any) -> None:
    """An API that repeats nothing of what it is asked, and fails when it is told to."""
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send, lambda: None)
        return
    if b"fail" in scope["query_string"]:
        raise RuntimeError("a handler that fails")
    await reply(send, 200, ((b"content-length", b"2"),), b"ok")


def talkative_guarded() -> ASGIApp:
    """An API behind the product's Guard, with all logs at debug."""
    _talk()
    return Guard(_quiet_api, api="creator")


def telltale() -> ASGIApp:
    """A gate that tells its log of a credential, in hexadecimal, when it refuses it. Broken."""
    _talk()
    without = Gate._without_record

    def told(self: Gate, ask: Ask, *others: Any) -> Verdict | None:
        logging.getLogger("limen").debug("refused %s", (ask.credential or b"").hex())
        return without(self, ask, *others)

    Gate._without_record = told  # type: ignore[method-assign]
    return gate_app()


def _other_time() -> None:
    """Let this process's wall clock be wrong by as many seconds as the file ``FAULTS_CLOCK`` says."""
    said, real = Path(os.environ["FAULTS_CLOCK"]), time.time
    clock.time = lambda: real() + float(said.read_text())  # type: ignore[assignment]


def other_time() -> ASGIApp:
    """The product, on a wall clock that is set by the test."""
    _other_time()
    return gate_app()


def believed_clock() -> ASGIApp:
    """A gate that believes its wall clock when it runs backwards. Broken."""
    _other_time()
    clock.Clock.read = lambda self: (clock.time(), clock.clock_gettime(clock.CLOCK_BOOTTIME))  # type: ignore[method-assign]
    return gate_app()


def windows_by_date() -> ASGIApp:
    """A gate whose windows go by the wall clock. Broken."""
    _other_time()
    clock.Clock.read = lambda self: (clock.time(), clock.time())  # type: ignore[method-assign]
    return gate_app()


def counting_apart() -> ASGIApp:
    """Guards that count each for itself. Broken."""
    Together.tell = lambda self, told: told(MemoryCounters())  # type: ignore[method-assign]
    return guarded()


def checking_first() -> ASGIApp:
    """Guards that look whether there is room, and count a moment later. Broken."""
    answer = HostWindows._answer

    def apart(self: HostWindows, request: Request, now: float) -> Answer:
        found = [(claim, self._find(claim.limit.windows, claim.whose)[0]) for claim in request]
        full = any(
            at and now < self._moments[at + 2] and self._words[at + 3] >= claim.limit.count for claim, at in found
        )
        if full:
            return answer(self, request, now)
        self._leave()
        time.sleep(0.001)
        self._enter(1.0)
        unlimited = tuple(claim._replace(limit=replace(claim.limit, count=1 << 40)) for claim in request)
        return answer(self, unlimited, now)

    HostWindows._answer = apart  # type: ignore[method-assign]
    return guarded()


def aligned_windows() -> ASGIApp:
    """Guards whose windows begin on the clock's own full numbers, whenever the first request came. Broken."""
    length = int(os.environ["FAULTS_WINDOW"])
    opened = HostWindows._open_window

    def aligned(self: HostWindows, place: tuple[int, int, int], ends_at: float, used: int) -> int:
        return opened(self, place, ends_at - ends_at % length, used)

    HostWindows._open_window = aligned  # type: ignore[method-assign]
    return guarded()

"""What the gate does not know: catching up with the change log, loading records, and counting, off the event loop.

Nobody joins a load in flight: that would admit a key that was revoked after its row was read, in one process too. An
ask that waits in line looks into memory again when its turn comes, so a crowd for one cold key costs a read a thread.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from time import CLOCK_BOOTTIME, clock_gettime
from typing import NamedTuple, Protocol

from limen.core import addresses
from limen.core.problems import StoreDown
from limen.core.record import Record
from limen.core.rules import Rules
from limen.core.verdict import UNAVAILABLE, Ask, Verdict
from limen.gate.check import Gate
from limen.gate.counters import Taken, Want
from limen.gate.counting import AuthorityGone

TRIES = 8
"""How often an ask is put again before it is refused as unavailable: each try needs a change to have come between."""


class Changes(NamedTuple):
    """What the change log says has changed, up to and with *head*."""

    head: int
    places: Iterable[bytes] = ()
    owners: Iterable[str] = ()
    rules: bool = False
    everything: bool = False


class Store(Protocol):
    """What the gate is handed to read by. Each call is one short read; each may raise ``StoreDown``."""

    def changes(self, since: int) -> Changes:
        """What changed after change number *since*."""
        ...

    def rules(self) -> Rules:
        """The rules as they stand now."""
        ...

    def load(self, place: bytes) -> tuple[Record | None, int]:
        """The record at *place* if there is one, and the change up to which that is right, read in one snapshot."""
        ...


class _Count:
    """What the counters say to one ask. Where they cannot at once, *wants* is what they are to be asked for."""

    __slots__ = ("gate", "taken", "wants")

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.taken: Taken | None = None
        self.wants: Sequence[Want] | None = None

    def __call__(self, wants: Sequence[Want], at: float) -> Taken | None:
        """As ``Counters.take``. What has been taken once is not taken again, however often the ask is judged."""
        if self.taken is None:
            self.taken = self.gate.counters.take(wants, at)
            self.wants = wants if self.taken is None else None
        return self.taken


class Cold:
    """Answers what ``Gate.check`` could not, with at most *threads* reads at once and *waiting* more in line.

    Who comes from one block of addresses has at most an eighth of the line: anybody can make up ids that have to be
    looked for. Catching up has a thread of its own, so that no such crowd holds up the keys that are in memory.
    """

    def __init__(
        self,
        gate: Gate,
        store: Store,
        *,
        threads: int = 4,
        waiting: int = 1_024,
        proved: Callable[[Record, bytes], None] | None = None,
    ) -> None:
        """*proved* is told each record that was decided on here, and the text that matched it; it neither waits nor
        raises. What is decided from memory alone is not told."""
        self._gate, self._store, self._proved = gate, store, proved
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="limen-gate")
        self._keeper = ThreadPoolExecutor(1, thread_name_prefix="limen-keep-up")
        self._room = waiting + threads
        self._share = max(threads, self._room // 8)
        self._waiting: Counter[str] = Counter()
        self._lock, self._catching_up = Lock(), Lock()
        self._next: Future[None] | None = None  # a catching up that has not begun: whoever comes now may wait for it
        self._down = False
        self.failures = 0
        """How many asks were answered with ``unavailable``."""

    async def keep_up(self) -> bool:
        """Catch up with the change log, off the event loop: for a door that is about to read a request by the rules.

        Whether that was done, so that ``Gate.check`` may be asked as ``fresh``. Where the store is down, the rules stay
        what they were; what is decided by them says so.
        """
        with self._lock:
            if self._next is None:
                self._next = self._keeper.submit(self._begin)
            coming = self._next
        with suppress(StoreDown):
            await asyncio.shield(asyncio.wrap_future(coming))
            return True
        return False

    def _begin(self) -> None:
        with self._lock:
            self._next = None  # from here on it reads: who comes later waits for the one after it
        self.catch_up()

    async def decide(self, ask: Ask) -> Verdict:
        """The verdict on *ask*, whatever it takes; 503 in it when the store is down or too many wait."""
        count = _Count(self._gate)
        verdict = self._gate.check(ask, take=count)
        if verdict is None and count.wants is None:
            verdict = await self._in_line(ask, count)
        if verdict is None and count.wants is not None:
            try:
                count.taken = await asyncio.wrap_future(self._gate.counters.count(count.wants, ask.at))
            except AuthorityGone:
                return self._unavailable()
            verdict = self._gate.check(ask, fresh=True, take=count) or await self._in_line(ask, count)
            self._tell(ask, verdict)
        return verdict or self._unavailable()

    async def _in_line(self, ask: Ask, count: _Count) -> Verdict | None:
        """What ``_settle`` says, once it is this ask's turn; 503 when too many wait."""
        block = addresses.block(ask.address)
        with self._lock:
            if self._waiting.total() >= self._room or (block and self._waiting[block] >= self._share):
                return self._unavailable()
            self._waiting[block] += 1
        future = self._pool.submit(self._settle, ask, count)
        future.add_done_callback(lambda _: self._leave(block))
        return await asyncio.wrap_future(future)

    def _leave(self, block: str) -> None:
        with self._lock:
            self._waiting[block] -= 1
            if not self._waiting[block]:
                del self._waiting[block]

    def decide_now(self, ask: Ask) -> Verdict:
        """As ``decide``, for a caller that may block: a WSGI application, the command line, a test."""
        count = _Count(self._gate)
        verdict = self._gate.check(ask, take=count)
        if verdict is None and count.wants is None:
            verdict = self._settle(ask, count)
        if verdict is None and count.wants is not None:
            try:
                count.taken = self._gate.counters.count(count.wants, ask.at).result()
            except AuthorityGone:
                return self._unavailable()
            verdict = self._gate.check(ask, fresh=True, take=count) or self._settle(ask, count)
            self._tell(ask, verdict)
        return verdict or self._unavailable()

    def _settle(self, ask: Ask, count: _Count) -> Verdict | None:
        """The verdict on *ask*, by what the store says; None where nothing is missing but the counters' word."""
        try:
            for _ in range(TRIES):
                self.catch_up()
                verdict = self._gate.check(ask, fresh=True, take=count)
                if verdict is None and count.wants is not None and count.taken is None:
                    return None
                if verdict is not None:
                    self._tell(ask, verdict)
                    return verdict
                if not self._gate.lease.reachable:
                    break  # a lease holds, and the key is not known: whoever waits for the database waits in vain
                rules = self._gate.rules
                place = rules.place(ask.credential or b"")
                record, snapshot = self._store.load(place)
                with self._catching_up:
                    if self._gate.rules is rules:  # else the record may have been made by a profile of the past
                        self._gate.directory.put(place, record, snapshot)
        except StoreDown:
            return self._unavailable()
        return self._unavailable()

    def _tell(self, ask: Ask, verdict: Verdict | None) -> None:
        """Whoever wants to know of it is told which record the text of *ask* matched."""
        record = None if verdict is None else verdict.record
        if record is not None and ask.credential is not None and self._proved is not None:
            self._proved(record, ask.credential)

    def _unavailable(self) -> Verdict:
        self.failures += 1
        return Verdict(UNAVAILABLE, None, None, None)

    def catch_up(self) -> None:
        """Apply every change that had answered when this was called. Raises ``StoreDown``, at once if that is known."""
        lease = self._gate.lease
        with self._catching_up:
            if lease.holds(clock_gettime(CLOCK_BOOTTIME)) and not self._down:
                return
            if not lease.reachable:
                raise StoreDown("The database did not answer a moment ago; it is being tried.")
            self._apply()

    def apply(self) -> int:
        """Read the change log, whether there is need to or not, and apply it: up to which change. Raises ``StoreDown``.

        For whoever knows that something has changed, or has to know that all of it is applied here.
        """
        with self._catching_up:
            return self._apply()

    def forget(self) -> int:
        """Drop everything, the rules too; up to which change the nothing is right. Raises ``StoreDown``."""
        with self._catching_up:
            return self._apply(everything=True)

    def _apply(self, *, everything: bool = False) -> int:
        if self._down:
            raise StoreDown("The state folder was replaced. Restart every process of this installation.")
        gate = self._gate
        epoch = gate.lease.epoch()
        changes = self._store.changes(gate.directory.applied)
        everything |= changes.everything or changes.head < gate.directory.applied  # else a backup was put back
        rules = self._store.rules() if changes.rules or everything else None
        if everything:
            gate.directory.clear(changes.head)
        else:
            gate.directory.forget(places=changes.places, owners=changes.owners, head=changes.head)
        if rules is not None:
            gate.rules = rules  # only now: a record is never judged by the rules of another profile than it was made by
        gate.lease.renew(epoch)
        return changes.head

    def close_down(self) -> None:
        """Answer nothing from memory any more: nobody tells this process what changes."""
        with self._catching_up:
            self._down = True
            self._gate.lease.drop()

    def probe(self) -> None:
        """Read the store, whether there is need to or not. Raises ``StoreDown``."""
        self._store.changes(self._gate.directory.applied)
        self.catch_up()

    def close(self) -> None:
        """Let go of the threads, once what they do is done."""
        self._pool.shutdown(wait=True)
        self._keeper.shutdown(wait=True)

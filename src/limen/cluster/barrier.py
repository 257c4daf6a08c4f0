"""A change is answered for when every node has applied it, or can hold no lease any more (ADR 0020)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import CLOCK_BOOTTIME, clock_gettime, sleep, time

from limen.core.problems import StoreDown
from limen.db.leases import Awaited, Leases
from limen.gate.lease import DRIFT

_log = logging.getLogger("limen.cluster")

PAUSES_S = (0.0005, 0.02)
"""For how long a look at the nodes is followed by none: at first, and at most. It doubles from one to the other."""

BURIAL_S = 0.25
"""How long the database may take to note who did not answer. Where it takes longer, somebody else will."""

FINISHERS = 4
"""Threads that wait for nodes where whoever changed something does not."""


class Barrier:
    """How long one change waits, and for what. Sans IO: moments are arguments, seconds of this host's CLOCK_BOOTTIME.

    No node that has not said to have applied the change is given more time after its commit. So when as much time has
    passed since the commit returned as the longest lease lasts, and what clocks may differ by, there is no such lease.
    """

    __slots__ = ("_ends_at", "_pause_s", "over", "seq", "silent")

    def __init__(self, awaited: Awaited, committed_at: float) -> None:
        """*committed_at*: read after the commit has returned."""
        self.seq = awaited.seq
        self.over = not awaited.lease_s
        """Whether it holds everywhere."""
        self.silent = False
        """Whether somebody was waited for in vain."""
        self._ends_at = committed_at + awaited.lease_s * (1 + 3 * DRIFT)
        self._pause_s = PAUSES_S[0]

    def left_s(self, at: float) -> float:
        """How much longer it can take at most."""
        return max(0.0, self._ends_at - at)

    def told(self, silent: int, at: float) -> None:
        """So many alive nodes had not applied it, when the database was asked; what it answered came at *at*."""
        if silent == 0:
            self.over = True
        else:
            self.passed(at)

    def passed(self, at: float) -> None:
        """It is *at*, and nothing was heard."""
        if at >= self._ends_at:
            self.over = self.silent = True

    def pause_s(self, at: float) -> float:
        """How long to wait before the next look."""
        pause, self._pause_s = self._pause_s, min(2 * self._pause_s, PAUSES_S[1])
        return min(pause, self.left_s(at))


def boottime() -> float:
    """Seconds since boot, those asleep too."""
    return clock_gettime(CLOCK_BOOTTIME)


def wait(leases: Leases, awaited: Awaited, committed_at: float, *, but: str) -> None:
    """Return when change ``awaited.seq`` holds everywhere: no node answers from what it knew before.

    *but*: the node that applied it already, this process's own. It takes at most the longest lease since
    *committed_at*, whatever the database does meanwhile. Who was silent is taken for dead, so that the next change does
    not wait for them too.
    """
    barrier = Barrier(awaited, committed_at)
    answers = True
    while not barrier.over:
        at = boottime()
        if answers:
            try:
                barrier.told(leases.silent(barrier.seq, but=but, within_s=max(barrier.left_s(at), 0.01)), boottime())
            except StoreDown:  # a new connection could take longer than the wait: time alone decides now
                answers = False
        if not barrier.over:
            barrier.passed(boottime())
            sleep(barrier.pause_s(boottime()) if answers else barrier.left_s(boottime()))
    if barrier.silent and answers:
        bury(leases, barrier.seq, but=but)


def bury(leases: Leases, seq: int, *, but: str) -> None:
    """Take for dead who has not applied change *seq*, once the wait for them is over; if the database lets it be."""
    try:
        for who in leases.bury(seq, but=but, within_s=BURIAL_S, now=time()):
            _log.warning("%s did not answer for as long as its lease, and is taken for dead", who)
    except StoreDown:
        _log.warning("who did not answer could not be noted: the database did not answer")


class Finisher:
    """Waits where nobody else does: for changes that were answered before they held everywhere."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    def finish(self, work: Callable[[], None]) -> None:
        """Have *work* done before long."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(FINISHERS, thread_name_prefix="limen-finish")
        self._pool.submit(work)

    def close(self) -> None:
        """Begin nothing more. What has begun ends within a lease."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

"""Counting beside other processes: from memory where a share suffices, else by the authority.

An authority that takes microseconds is asked at once. Any other is asked by a thread of its own, in batches: whatever
comes while one call runs goes into the next, so that a call is shared by all who wait for it.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from threading import Condition, Thread

from limen.gate.counters import Taken, Want
from limen.gate.counting import Answer, Authority, AuthorityBusy, AuthorityGone, Request, Return
from limen.gate.shares import Open, Shares
from limen.gate.windows import boottime

Decide = Callable[[Sequence[Request], list[Return]], list[Answer]]
AtOnce = Callable[[Sequence[Request], Sequence[Return], float], list[Answer]]

_log = logging.getLogger("limen.counting")

BATCH = 256
"""How many requests one call asks for at most."""

WAITING = 4_096
"""How many may wait for the authority at once. Whoever comes then is told that it is gone."""

AT_ONCE_S = 0.002
"""How long a request waits for its turn at an authority that takes microseconds, before it leaves that to a thread."""

SAYS_S = 10.0
"""How often at most the log is told that the authority gives no answer."""

DRIFT = 0.01
"""By which part of itself a second may be longer on one host than on another."""


class SharedCounters:
    """Counters (``gate.counters``) whose windows an authority holds. ``close`` gives back what is not spent."""

    def __init__(
        self,
        authority: Authority,
        *,
        processes: Callable[[], int],
        at_once: AtOnce | None = None,
        clock: Callable[[], float] = boottime,
        drift: float = DRIFT,
    ) -> None:
        """*at_once*: asks the authority, waiting for no longer than it is told to; None where that may take its time.

        *drift*: 0 for an authority of this host.
        """
        self.authority, self._at_once, self._clock = authority, at_once, clock
        self._shares = Shares(processes, drift=drift)
        self._waiting: deque[tuple[Sequence[Want], float, Future[Taken]]] = deque()
        self._changed = Condition()
        self._thread: Thread | None = None
        self._closed = False
        self.calls = 0
        """How often the authority was asked."""
        self.failures = 0
        """How often it gave no answer."""
        self._says_at = -math.inf

    def take(self, wants: Sequence[Want], at: float) -> Taken | None:
        """As ``Counters.take``; None where the authority has to be asked and may take its time."""
        taken, at_once = self._shares.take(wants, at), self._at_once
        if taken is not None or at_once is None:
            return taken
        found = self._shares.ask(wants, at)
        if not isinstance(found, Open):
            return found
        try:
            return self._decide([found], lambda requests, returns: at_once(requests, returns, AT_ONCE_S))[0]
        except AuthorityGone:
            return None

    def count(self, wants: Sequence[Want], at: float) -> Future[Taken]:
        """The decision on *wants*, when the authority has given it; AuthorityGone in it where it gave none."""
        future: Future[Taken] = Future()
        with self._changed:
            if self._closed or len(self._waiting) >= WAITING:
                future.set_exception(AuthorityGone("too many wait for the counters"))
                return future
            self._waiting.append((wants, at, future))
            if self._thread is None:
                self._thread = Thread(target=self._gather, name="limen-count", daemon=True)
                self._thread.start()
            self._changed.notify()
        return future

    def give_back(self, *, everything: bool = False) -> None:
        """Give back what is due by now. Nothing happens where the authority does not answer."""
        returns = self._shares.returns(self._clock(), everything=everything)
        if returns:
            with suppress(AuthorityGone):
                self._call([], returns, self.authority.decide)

    def close(self) -> None:
        """Answer whoever waits, give back what is held, let go of the authority."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        self.give_back(everything=True)
        self.authority.close()

    def _gather(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    pause = self._shares.due_at() - self._clock()
                    if pause <= 0:
                        break
                    self._changed.wait(None if pause == math.inf else pause)
                if self._closed and not self._waiting:
                    return
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            batch = [each for each in batch if each[2].set_running_or_notify_cancel()]
            if batch:
                self._settle(batch)
            else:
                self.give_back()

    def _settle(self, batch: list[tuple[Sequence[Want], float, Future[Taken]]]) -> None:
        open_now: list[tuple[Open, Future[Taken]]] = []
        asked: set[tuple[str, bytes]] = set()
        for wants, at, future in batch:
            found = self._shares.ask(wants, at, asked)
            if isinstance(found, Open):
                open_now.append((found, future))
            else:
                future.set_result(found)
        if not open_now:
            return
        try:
            decided = self._decide([found for found, _ in open_now], self.authority.decide)
        except AuthorityGone as gone:
            for _, future in open_now:
                future.set_exception(gone)
            return
        for (_, future), taken in zip(open_now, decided, strict=True):
            future.set_result(taken)

    def _decide(self, asked: list[Open], decide: Decide) -> list[Taken]:
        """Ask for all of *asked*, and give back what is due. Raises AuthorityGone, and then nothing is taken."""
        try:
            sent_at = self._clock()
            answers = self._call([found.asked for found in asked], self._shares.returns(sent_at), decide)
            received_at = self._clock()
        except AuthorityGone:
            for found in asked:
                self._shares.fail(found)
            raise
        settle = self._shares.settle
        return [settle(found, answer, sent_at, received_at) for found, answer in zip(asked, answers, strict=True)]

    def _call(self, requests: Sequence[Request], returns: list[Return], decide: Decide) -> list[Answer]:
        self.calls += 1
        try:
            return decide(requests, returns)
        except AuthorityBusy:
            self._shares.keep(returns)  # nothing was done, which alone allows to give them back again
            raise
        except AuthorityGone as gone:
            self._failed(gone)
            raise
        except Exception as error:  # whoever waits is answered, whatever is wrong with the authority
            self._failed(error)
            raise AuthorityGone(f"{type(error).__name__}: {error}") from error

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        if self._clock() >= self._says_at:
            _log.warning("the counters' authority gave no answer: %s; %d so far", error, self.failures)
            self._says_at = self._clock() + SAYS_S

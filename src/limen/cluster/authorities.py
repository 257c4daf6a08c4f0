"""What counts for this process where an installation runs on several hosts: PostgreSQL, or Valkey with it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread
from time import sleep
from typing import Protocol

from limen.cluster.barrier import boottime
from limen.cluster.outage import Outage
from limen.cluster.postgresql import Counting
from limen.cluster.split import SplitWindows
from limen.db.windows import WindowTable
from limen.gate.counters import Counters
from limen.gate.counting import Authority, AuthorityGone
from limen.gate.sharing import SharedCounters

BEAT_S = 0.5
"""How often a process says where it is on the scale of time by which windows end."""

SETTLES_S = 1.0
"""How long a process waits, before it counts for an API, until it is sure where it is: for a beat of another."""


class Keeping(Authority, Protocol):
    """An authority that keeps a scale of time (``timescale``)."""

    @property
    def settled(self) -> bool:
        """Whether this process is sure of its place on it."""
        ...


class Authorities:
    """This process's ways to whatever counts. Its thread runs while an API is counted for."""

    def __init__(
        self, database_url: str, valkey_url: str = "", *, share: bool = False, processes: Callable[[], int] = lambda: 0
    ) -> None:
        """*valkey_url*: empty, PostgreSQL counts everything. *share*: what to do while nothing answers (``Outage``).

        *processes*: how many there are, as far as is known; 0 where it is not.
        """
        self._table = WindowTable(database_url)
        self._counting, self._share = Counting(self._table), share
        self._valkey: Callable[[str], Keeping] | None = None
        self._close_valkey: Callable[[], None] = lambda: None
        if valkey_url:
            from limen.cluster.valkey import ValkeyWindows  # here: without Valkey nobody needs its driver
            from limen.cluster.valkey_link import Link

            link = Link(valkey_url)
            self._valkey = lambda api: ValkeyWindows(link, api, self._table.began)
            self._close_valkey = link.close
        self._beating: list[Keeping] = [self._counting.of("")]
        self._watched: list[Outage] = []
        self._processes = processes
        self._ended = Event()
        self._thread: Thread | None = None

    def outages(self) -> tuple[int, float]:
        """How often what counts has stopped answering this process, and for how long it has not by now (0: it does)."""
        watched = list(self._watched)
        return sum(each.outages for each in watched), max((each.gone_for_s for each in watched), default=0.0)

    def join(self, api: str) -> Across:
        """This process counts for *api* from now on. Waits ``SETTLES_S`` at most."""
        long = self._counting.of(api)
        authority: Authority = long
        if self._valkey is not None:
            from limen.cluster.valkey import LONGEST_S

            short = self._valkey(api)
            self._beating.append(short)
            authority = SplitWindows(short, long, LONGEST_S)
        watched = Outage(authority, api, processes=self._processes, share=self._share)
        self._watched.append(watched)
        _settle(self._beating)
        if self._thread is None:
            self._thread = Thread(target=self._beat, name="limen-beat", daemon=True)
            self._thread.start()
        return Across(SharedCounters(watched, processes=lambda: self._processes() or 2), watched)

    def _beat(self) -> None:
        while True:
            for authority in list(self._beating):
                with suppress(AuthorityGone):  # whoever asks next finds out, and says so
                    authority.decide(())
            for outage in list(self._watched):
                if outage.gone_for_s:  # where nobody asks, nobody else finds out that it answers again
                    with suppress(AuthorityGone):
                        outage.decide(())
            if self._ended.wait(BEAT_S):
                return

    def close(self) -> None:
        """Let go of the connections; to be called when every API's counters are closed."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        self._table.close()
        self._close_valkey()

    def abandon(self) -> None:
        """In a forked child: let go of what is the parent's, without a word to it."""
        self._table.abandon()


def _settle(keeping: list[Keeping]) -> None:
    """Ask each what time it is until it is known, or too late to wait for; who does not answer is not waited for."""
    until = boottime() + SETTLES_S
    for authority in keeping:
        with suppress(AuthorityGone):
            authority.decide(())
            while not authority.settled and boottime() < until:
                sleep(SETTLES_S / 20)
                authority.decide(())


class Across:
    """This process's counters for one API, whose windows processes of several hosts share."""

    def __init__(self, counters: SharedCounters, outage: Outage) -> None:
        self._counters, self.outage = counters, outage

    @property
    def counters(self) -> Counters:
        """What counts: always the same."""
        return self._counters

    def tell(self, told: Callable[[Counters], None]) -> None:
        """Hand *told* what counts."""
        told(self._counters)

    def close(self) -> None:
        """Give back what is held and not spent."""
        self._counters.close()

    def abandon(self) -> None:
        """Nothing: the connections are those of all APIs."""

"""How many requests of one holder are under way at once, over all Guards of a host.

A Guard alone learns when a request has ended; other doors cannot hold such a limit. Each process says what it has under
way in slots of its own of a file (``gate.windows``), and that it is alive. What a process had under way when it was
killed, or when it has said nothing for ``ALIVE_S``, counts no more.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

from limen.core.limits import IN_FLIGHT, Limit
from limen.gate.counters import Take, Taken, Want
from limen.gate.counting import AuthorityGone
from limen.gate.windows import ALIVE, ALIVE_S, PLACES, HostWindows

_log = logging.getLogger("limen.counting")

AT_ONCE_S = 0.002
"""How long a request waits for its turn at the file; then it is refused."""

ROUND_S = 0.5
_KEPT_S = 3_600.0  # how long a slot that nobody writes is kept
_KEEPS = 600  # after how many rounds those in use are written again


class InFlight(HostWindows):
    """What the processes of one host have under way for one API."""

    def __init__(self, folder: Path, api: str) -> None:
        """The file of *api* in *folder*. Raises OSError, AuthorityBusy."""
        super().__init__(folder, api)
        self._mine: Counter[bytes] = Counter()
        self._unsaid: set[bytes] = set()  # what was not written for want of a turn
        self._token = int.from_bytes(os.urandom(6), "big")
        self.live()
        self._words[self._place + PLACES] = self._token
        self._ended = Event()
        self._thread = Thread(target=self._stay, name="limen-in-flight", daemon=True)
        self._thread.start()

    def enter(self, whose: bytes, most: int) -> bool:
        """Whether *whose* has fewer than *most* requests under way; if so, it is one more, until ``leave``."""
        try:
            self._enter(AT_ONCE_S)
        except AuthorityGone:
            return False
        try:
            now, moments = self._now(), self._moments
            places = [place for place in range(ALIVE, ALIVE + PLACES) if now - moments[place] < ALIVE_S]
            others = sum(self._of(place, whose, now) for place in places if place != self._place)
            if others + self._mine[whose] >= most:
                return False
            self._mine[whose] += 1
            self._say(whose, now)
            return True
        finally:
            self._leave()

    def leave(self, whose: bytes) -> None:
        """One of the requests of *whose* has ended."""
        with self._lock:
            self._mine[whose] -= 1
            self._unsaid.add(whose)
        self._say_all(AT_ONCE_S)

    def close(self) -> None:
        """Have nothing under way any more."""
        self._ended.set()
        self._thread.join()
        super().close()

    def _of(self, place: int, whose: bytes, now: float) -> int:
        at = self._find(f"{place}/{self._words[place + PLACES]}", whose)[0]
        return self._words[at + 3] if at and now < self._moments[at + 2] else 0

    def _say(self, whose: bytes, now: float) -> None:
        """Write what this process has under way of *whose*."""
        self._open_window(self._find(f"{self._place}/{self._token}", whose), now + _KEPT_S, self._mine[whose])
        if not self._mine[whose]:
            del self._mine[whose]

    def _say_all(self, wait_s: float, *, everything: bool = False) -> None:
        with suppress(AuthorityGone):  # the next round
            self._enter(wait_s)
            try:
                now = self._now()
                for whose in [*self._unsaid, *(self._mine if everything else ())]:
                    self._say(whose, now)
                self._unsaid.clear()
            finally:
                self._leave()

    def _stay(self) -> None:
        rounds = 0
        while not self._ended.wait(ROUND_S):
            rounds += 1
            with suppress(AuthorityGone):
                self.live()
            if self._unsaid or rounds % _KEEPS == 0:
                self._say_all(ROUND_S, everything=rounds % _KEEPS == 0)


def refusing(most: int) -> Take:
    """What counts in place of a gate's counters where *most* requests are under way: it refuses, and takes nothing."""
    limit = Limit(IN_FLIGHT, most, 1)

    def refuse(_wants: Sequence[Want], _at: float) -> Taken:
        return False, limit, 0, 1.0, ()

    return refuse

"""A crowd of callers with one key, at several processes at once, and what may have come of it.

The moments are of one clock. An admission may have been counted at any moment between its question and its answer, so
that too many are proven only by those that lie wholly in a stretch of time.
"""

from __future__ import annotations

import math
import selectors
import socket
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.processes import ANSWER_S
from tests.faults.wire import split


@dataclass(frozen=True, slots=True)
class Answered:
    """One request: from when to when, at which of the ports, and with which status."""

    started: float
    ended: float
    place: int
    status: int


@dataclass(slots=True)
class Crowd:
    """*each* connections at each of *ports*, with one request under way on each, for as long as is said."""

    ports: Sequence[int]
    each: int
    sent: bytes
    seen: list[Answered] = field(default_factory=list)

    def run(self, seconds: float, *, meanwhile: Callable[[], None] | None = None, after_s: float = 0.0) -> None:
        """Ask for *seconds*; *after_s* *meanwhile* is called, once. A connection that breaks asks no more."""
        selector = selectors.DefaultSelector()
        for place, port in enumerate(self.ports):
            for _ in range(self.each):
                line = socket.create_connection(("127.0.0.1", port), ANSWER_S)
                line.setblocking(False)
                selector.register(line, selectors.EVENT_READ, [line, place, 0.0, b""])
        began = time.monotonic()
        for key in list(selector.get_map().values()):
            self._ask(key.data)
        while selector.get_map() and time.monotonic() < began + seconds:
            if meanwhile is not None and time.monotonic() > began + after_s:
                meanwhile()
                meanwhile = None
            for key, _ in selector.select(0.05):
                if not self._receive(key.data):
                    selector.unregister(key.fileobj)
                    key.data[0].close()
        for key in list(selector.get_map().values()):
            key.data[0].close()
        selector.close()

    def _ask(self, state: list[Any]) -> bool:
        state[2] = time.monotonic()
        try:
            state[0].send(self.sent)
        except OSError:
            return False
        return True

    def _receive(self, state: list[Any]) -> bool:
        try:
            received = state[0].recv(65_536)
        except OSError:
            return False
        state[3] += received
        found = split(state[3])
        if found is None:
            return bool(received)
        self.seen.append(Answered(state[2], time.monotonic(), state[1], found[0].status))
        state[3] = found[1]
        return self._ask(state)

    def statuses(self) -> dict[int, int]:
        """How often each status was answered."""
        found = [each.status for each in self.seen]
        return {status: found.count(status) for status in sorted(set(found))}

    def admitted(self, place: int | None = None) -> int:
        """How many were let through, at one of the ports or at all of them."""
        return sum(each.status == 200 and place in (None, each.place) for each in self.seen)


def excess(seen: Sequence[Answered], count: int, window_s: float) -> int:
    """By how many more than *count* a window there has been must have admitted; 0 where nothing proves that.

    Windows do not overlap, and each begins with an admission. So from the first of them on, in which no window was
    open, as many have begun as fit in, and one; in any other stretch, one more.
    """
    admitted = sorted((each for each in seen if each.status == 200), key=lambda each: each.ended)
    if not admitted:
        return 0
    first = min(each.started for each in admitted)
    worst = 0
    for number, each in enumerate(admitted, 1):
        worst = max(worst, number - count * (math.floor((each.ended - first) / window_s) + 1))
    begins = sorted(each.started for each in admitted)
    for start in begins[:: max(1, len(begins) // 200)]:
        lie = sum(each.started >= start and each.ended < start + window_s for each in admitted)
        worst = max(worst, lie - 2 * count)
    return worst


def shortfall(seen: Sequence[Answered], count: int, window_s: float, slack_s: float = 0.5) -> int:
    """How many requests more a limit of *count* had room for, at most, when it refused one; however fast they came.

    All that a window admitted lies between its refusal and *window_s* before. What had no answer may have been
    admitted. *slack_s*: by how much longer a window may be held to last.
    """
    counted = [each for each in seen if each.status != 429]
    begins, ends = sorted(each.started for each in counted), sorted(each.ended for each in counted)
    worst = 0
    for each in seen:
        if each.status == 429:
            before = bisect_right(ends, each.started - window_s - slack_s)
            worst = max(worst, count - (bisect_left(begins, each.ended) - before))
    return worst

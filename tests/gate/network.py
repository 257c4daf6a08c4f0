"""Processes that share windows, in virtual time: the state machine itself, an authority made of the definition, and a
network between them that is slow and loses answers. Every clock has a rate of its own."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from limen.core.limits import Limit
from limen.gate.counters import Taken
from limen.gate.counting import Answer, Request, Return
from limen.gate.shares import Open, Shares
from tests.contracts.authorities import MemoryWindows, Moved

DRIFT = 0.01


@dataclass(slots=True)
class Admitted:
    """A request that was admitted, and when: it counts in a window in which it lies wholly."""

    started: float
    ended: float


@dataclass(slots=True)
class Opened:
    """A window of the authority's."""

    starts: float
    ends: float


@dataclass
class Network:
    """*processes* machines made by *machine*, and callers whose requests are put to them at chosen moments."""

    seed: int
    processes: int = 4
    delay_s: float = 0.005
    lost: float = 0.0
    machine: Callable[..., Shares] = Shares
    admitted: list[Admitted] = field(default_factory=list)
    refused: int = 0
    failed: int = 0
    calls: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.clock = Moved(0.0)
        self.authority = MemoryWindows(self.clock)
        self.rates = [1 + self.chance.uniform(-DRIFT, DRIFT) / 2 for _ in range(self.processes)]
        self.shares = [self.machine(lambda: self.processes, drift=DRIFT) for _ in range(self.processes)]
        self.windows: dict[int, Opened] = {}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def own(self, process: int) -> float:
        """What the clock of *process* shows."""
        return 1_000 * process + self.clock.at * self.rates[process]

    def at(self, moment: float, what: Callable[[], None]) -> None:
        """Let *what* happen at *moment*."""
        heapq.heappush(self._events, (moment, next(self._numbers), what))

    def run(self, until: float) -> None:
        """Let everything happen up to *until*; every process gives back what is due each half second."""
        for process in range(self.processes):
            self.at(self.chance.random() / 2, lambda process=process: self._tick(process))  # type: ignore[misc]
        while self._events and self._events[0][0] <= until:
            self.clock.at, _, what = heapq.heappop(self._events)
            what()

    def ask(self, process: int, limit: Limit, whose: bytes) -> None:
        """A request that comes to *process* now."""
        started, own = self.clock.at, self.own(process)
        shares, wants = self.shares[process], [(limit, whose)]
        found: Taken | Open = shares.take(wants, own) or shares.ask(wants, own)
        if not isinstance(found, Open):
            self._decided(started, found)
            return
        returns = shares.returns(own)
        self.calls += 1

        def decide() -> None:
            answer = self._decide(found.asked, returns)
            if self.chance.random() < self.lost:
                self.at(self.clock.at + 1.0, fail)
            else:
                self.at(self.clock.at + self._delay(), lambda: settle(answer))

        def fail() -> None:
            shares.fail(found)
            self.failed += 1

        def settle(answer: Answer) -> None:
            self._decided(started, shares.settle(found, answer, own, self.own(process)))

        self.at(self.clock.at + self._delay(), decide)

    def _decide(self, asked: Request, returns: list[Return]) -> Answer:
        (answer,) = self.authority.decide([asked], returns)
        for grant in answer.grants:
            if grant.opened and grant.opened not in self.windows:
                length = grant.ends_in
                self.windows[grant.opened] = Opened(self.clock.at, self.clock.at + length)
        return answer

    def _decided(self, started: float, taken: Taken) -> None:
        if taken[0]:
            self.admitted.append(Admitted(started, self.clock.at))
        else:
            self.refused += 1

    def _tick(self, process: int) -> None:
        returns = self.shares[process].returns(self.own(process))
        if returns:
            self.at(self.clock.at + self._delay(), lambda: self.authority.decide([], returns) and None)
        self.at(self.clock.at + 0.5, lambda: self._tick(process))

    def _delay(self) -> float:
        return self.chance.expovariate(1 / self.delay_s)

    def within(self) -> list[int]:
        """How many of the admitted lie wholly in each window, in turn."""
        return [
            sum(window.starts <= each.started and each.ended < window.ends for each in self.admitted)
            for window in self.windows.values()
        ]

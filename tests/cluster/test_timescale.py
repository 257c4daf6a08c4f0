"""The scale of time by which windows end: none is cut short and none lasts for ever, whatever a wall clock does."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import pytest

from limen.cluster import timescale
from limen.cluster.timescale import Belief, Mend, Timescale, Told

WINDOW_S = 30.0
BEAT_S = 0.5
LOST_S = 1.0  # after so long an answer is waited for no more


@dataclass(slots=True)
class Authority:
    """What keeps the windows: a wall clock that is set now and then, and the row that all share."""

    shift: float = 0.0
    version: int = 1
    base: int = 1
    seen: float = 0.0
    set_by: float = 0.0
    """By how much the wall clock is off."""

    def call(self, belief: Belief | None, at: float) -> Told:
        """As the function in the database: who is known may vouch, and nothing is decided by the wall clock."""
        wall = 1_000_000.0 + at + self.set_by
        told = Told(wall, self.shift, self.version, self.base, self.seen)
        if belief is not None and belief.base == self.base and belief.settled:
            agrees = belief.earliest - 0.05 <= wall + self.shift <= belief.latest + 0.25
            if agrees and belief.earliest > self.seen + 0.25:
                self.seen = belief.earliest
        return told

    def mend(self, mend: Mend) -> bool:
        """Only where nobody else did so first."""
        if mend.version != self.version:
            return False
        self.shift, self.base, self.version = mend.shift, mend.base, self.version + 1
        return True


@dataclass(slots=True)
class Process:
    """One process: its own clock, which begins anywhere and runs a little too fast or too slow."""

    zero: float
    rate: float
    scale: Timescale = field(default_factory=Timescale)

    def clock(self, at: float) -> float:
        """Its CLOCK_BOOTTIME."""
        return self.zero + at * self.rate


@dataclass(frozen=True, slots=True)
class Call:
    """What a process believed when it sent a call that was decided."""

    at: float
    belief: Belief


class World:
    """Processes that come, call, stand still and go, in virtual time; and a wall clock that is set."""

    def __init__(self, seed: int, make: Callable[[], Timescale] = Timescale) -> None:
        self.chance, self.make = random.Random(seed), make
        self.authority, self.now = Authority(), 0.0
        self.calls: list[Call] = []
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0

    def at(self, moment: float, do: Callable[[], None]) -> None:
        """Do it then."""
        self._number += 1
        heapq.heappush(self._agenda, (moment, self._number, do))

    def run(self, until: float) -> None:
        """Let time pass."""
        while self._agenda and self._agenda[0][0] <= until:
            self.now, _, do = heapq.heappop(self._agenda)
            do()

    def process(self, comes: float, goes: float) -> None:
        """A process from *comes* to *goes*: it calls now and then, and at the latest when its beat is due."""
        process = Process(self.chance.uniform(0, 1e6), 1 + self.chance.uniform(-5e-4, 5e-4), self.make())

        def send() -> None:
            sent = self.now
            belief = process.scale.belief(process.clock(sent))
            there = sent + self._delay()

            def arrive() -> None:
                told = self.authority.call(belief, self.now)
                if belief is not None and belief.base == told.base:
                    self.calls.append(Call(sent, belief))
                back = self.now + self._delay()
                if back - sent < LOST_S:
                    self.at(back, lambda: answer(told))

            def answer(told: Told) -> None:
                mend = process.scale.learn(told, process.clock(sent), process.clock(self.now))
                if mend is not None:
                    self.at(self.now + self._delay(), lambda: put_right(mend))

            def put_right(mend: Mend) -> None:
                if self.authority.mend(mend):
                    self.at(self.now + self._delay(), lambda: process.scale.mended(mend))

            self.at(there, arrive)
            pause = self.chance.choice((0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4.0))  # it is stopped for some time
            following = sent + BEAT_S * self.chance.uniform(0.2, 1) + pause * self.chance.random()
            if following < goes:
                self.at(following, send)

        self.at(comes, send)

    def _delay(self) -> float:
        return self.chance.choice((0.001, 0.002, 0.005, 0.05, 0.6)) * self.chance.random()

    def set_clock(self, moment: float, by_s: float) -> None:
        """The authority's wall clock is set."""
        self.at(moment, lambda: setattr(self.authority, "set_by", self.authority.set_by + by_s))

    def cut_short(self) -> float:
        """By how much a window of ``WINDOW_S`` would have been cut short, in the worst of all pairs of calls."""
        worst, calls = 0.0, sorted(self.calls, key=lambda call: call.at)
        for place, first in enumerate(calls):
            for then in calls[place + 1 : place + 400]:
                if then.belief.earliest >= first.belief.latest + WINDOW_S:
                    worst = max(worst, WINDOW_S - (then.at - first.at))
        return worst

    def too_long(self, since: float) -> float:
        """By how much a window that was opened after *since* would have lasted too long, in the worst case."""
        calls = [call for call in self.calls if call.at > since]
        return max(
            then.at - first.at - (then.belief.earliest - first.belief.latest) for first in calls for then in calls
        )


def _world(seed: int, make: Callable[[], Timescale] = Timescale) -> World:
    world = World(seed, make)
    chance = world.chance
    for _ in range(chance.randint(1, 3)):
        world.process(chance.random(), 120.0)
    for _ in range(chance.randint(1, 5)):
        comes = chance.uniform(0, 90)
        world.process(comes, comes + chance.uniform(5, 60))
    for _ in range(chance.randint(1, 4)):
        world.set_clock(chance.uniform(1, 90), chance.choice((3600.0, -3600.0, 40.0, -40.0, 3.0, -3.0, 0.7)))
    world.run(130.0)
    return world


SEEDS = range(16)


@cache
def _sound(seed: int) -> World:
    return _world(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_window_is_cut_short_while_somebody_watches(seed: int) -> None:
    """Within the rates of the clocks, and what a jump within one beat can hide from whoever comes just then."""
    world = _sound(seed)
    assert len(world.calls) > 100
    assert world.cut_short() < WINDOW_S * 0.002


@pytest.mark.parametrize("seed", SEEDS)
def test_once_the_clock_stands_right_no_window_lasts_too_long(seed: int) -> None:
    assert _sound(seed).too_long(since=100.0) < 0.7 + 4.0 * 2 * timescale.DRIFT + 0.2


class ByTheWall(Timescale):
    """A build that believes the wall clock. Broken."""

    def belief(self, now: float) -> Belief | None:
        """What was read last."""
        found = super().belief(now)
        return found and found._replace(earliest=self.read + now, latest=self.read + now)

    def learn(self, told: Told, sent: float, received: float) -> Mend | None:
        """Whatever the authority says, is so."""
        self.read = told.wall + told.shift - received
        super().learn(told, sent, received)
        return None


class AtItsWord(Timescale):
    """A build that takes the wall clock's word when it comes. Broken."""

    def _come(self, told: Told, sent: float, received: float) -> None:
        super()._come(told._replace(seen=0.0), sent, received)


@pytest.mark.parametrize("build", [ByTheWall, AtItsWord])
def test_a_build_that_believes_the_wall_clock_is_caught(build: type[Timescale]) -> None:
    assert any(_world(seed, build).cut_short() > 1.0 for seed in range(200))


def test_after_a_total_stop_the_wall_clock_holds_and_the_scale_goes_on() -> None:
    world = World(1)
    world.process(0.0, 10.0)
    world.process(3_600.0, 3_620.0)
    world.run(3_700.0)
    before, after = [call for call in world.calls if call.at < 10], [call for call in world.calls if call.at > 3_608]
    assert after[0].belief.earliest - before[-1].belief.latest == pytest.approx(after[0].at - before[-1].at, abs=2.0)
    assert world.cut_short() < 0.3

"""The time by which windows end where several hosts count: one scale, kept by the clocks of all who ask.

An authority has a wall clock and no other, and a wall clock may be set by an hour while windows are open. So nothing is
decided by it. Each process knows, by its own CLOCK_BOOTTIME, between which two moments of the scale it sends a call;
windows open at the later of them and end at the earlier, so that none is cut short. The wall clock says only where the
scale begins and keeps hosts on it together: it is believed as far as it agrees with the clock of a process that has
been there before. Where it does not, whoever sees it first puts right by how much the scale is ahead of it.

*Seen* is the latest moment of the scale that such a process vouched for. Who comes anew takes it to be anything between
what was seen and what the wall clock says, until another has vouched for what it reads. Where nobody vouches for
``ALONE_S``, nobody is there: then the wall clock holds.
"""

from __future__ import annotations

from typing import NamedTuple

DRIFT = 0.001
"""By how much of the time that passes two clocks may part before one of them counts as set."""

FRESH_S = 1.0
"""How old what was seen may be while processes are there: each vouches twice in that time."""

ALONE_S = 5.0
"""How long a newcomer waits for another to vouch."""


class Told(NamedTuple):
    """What the authority says of its time in an answer. Seconds."""

    wall: float
    """Its wall clock, at the decision."""
    shift: float
    """By how much the scale is ahead of it."""
    version: int
    """Changes whenever *shift* does."""
    base: int
    """Changes where the scale went on without anybody who knew where it was: what was known of it is void."""
    seen: float
    """The latest moment of the scale that was vouched for; 0: nobody ever did."""


class Belief(NamedTuple):
    """Where on the scale a process is that sends a call now: at *earliest* or later, at *latest* or earlier."""

    base: int
    earliest: float
    latest: float
    settled: bool
    """Whether it can vouch for that."""


class Mend(NamedTuple):
    """What the authority's clock needs: *shift* and *base* in place of those of *version*. In vain if that is past."""

    version: int
    shift: float
    base: int


_Span = tuple[float, float]


class Timescale:
    """One process's place on an authority's scale. Every moment it is handed is of its own CLOCK_BOOTTIME."""

    def __init__(self) -> None:
        self._base: int | None = None
        self._span: _Span = (0.0, 0.0)  # by how much the scale is ahead of our clock: at least, and at most
        self._at = 0.0
        self.settled = False
        """Whether it is sure of its place; else windows it opens last ``ALONE_S`` longer, until one asks who is."""
        self._version = 0
        self._came: _Span = (0.0, 0.0)  # when we came, and what was seen then
        self._read: _Span = (0.0, 0.0)

    def belief(self, now: float) -> Belief | None:
        """Where a call is that is sent *now*; None before the first answer."""
        if self._base is None:
            return None
        least, most = self._widened(now)
        return Belief(self._base, now + least, now + most, self.settled)

    def learn(self, told: Told, sent: float, received: float) -> Mend | None:
        """Go by what was *told* in the answer to a call; what has to be put right at the authority, if anything.

        Whoever does so says it (``mended``).
        """
        scale = told.wall + told.shift
        read = (scale - received, scale - sent)
        unsure = not self.settled and told.version != self._version
        if told.base != self._base or unsure:  # where we were not sure, what we went by was put right by somebody
            self._come(told, sent, received)
            return None
        own = self._widened(received)
        agreed = (max(own[0], read[0]), min(own[1], read[1]))
        if self.settled:
            if agreed[0] > agreed[1]:
                middle = sum(read) / 2
                nearest = min(max(middle, own[0]), own[1])  # no further than it must: others are sure of themselves too
                return Mend(told.version, told.shift + nearest - middle, told.base)
            self._span, self._at = agreed, received
        elif told.seen > self._came[1] and abs(scale - told.seen) <= FRESH_S:
            self._span, self._at, self.settled = read, received, True
        elif received - self._came[0] > ALONE_S:
            behind = max(0.0, told.seen - scale)
            self._read, self._at = (read[0] + behind, read[1] + behind), received
            return Mend(told.version, told.shift + behind, told.base + 1)
        return None

    def mended(self, mend: Mend) -> None:
        """*mend* is done, and it was not in vain."""
        if mend.base != self._base:
            self._base, self._span, self.settled = mend.base, self._read, True

    def _come(self, told: Told, sent: float, received: float) -> None:
        scale = told.wall + told.shift
        self._base, self._version, self._at = told.base, told.version, received
        self._came = (received, told.seen)
        self.settled = told.seen <= 0.0
        self._span = (scale - received, scale - sent)
        if not self.settled:
            self._span = (told.seen - received, max(told.seen + ALONE_S, scale) - sent)

    def _widened(self, now: float) -> _Span:
        drift = max(0.0, now - self._at) * DRIFT
        return self._span[0] - drift, self._span[1] + drift

"""The authorities that the contract holds, and the definition that they are held to."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from limen.core.limits import Limit, Window
from limen.gate.counting import Answer, Authority, Claim, Grant, Request, Return
from limen.gate.windows import HostWindows


@dataclass(slots=True)
class Kept:
    """A window of the definition, and its name."""

    window: Window
    opened: int = 0


class MemoryWindows:
    """An authority made of ``core.limits.Window`` alone: unit by unit, nothing clever. What others must agree with."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now, self._lock, self._numbers = now, Lock(), itertools.count(1)
        self.kept: dict[tuple[str, bytes], Kept] = {}
        self.calls = 0

    def decide(self, requests: Sequence[Request], returns: Sequence[Return] = ()) -> list[Answer]:
        """As ``Authority.decide``."""
        with self._lock:
            self.calls += 1
            for given in returns:
                kept = self.kept.get((given.limit.windows, given.whose))
                if kept is not None and kept.opened == given.opened and self._now() < kept.window.ends_at:
                    kept.window.used = max(0, kept.window.used - given.units)
            return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Answer:
        at = self._now()
        found = [(claim, self.kept.setdefault((claim.limit.windows, claim.whose), Kept(Window()))) for claim in request]
        room = [kept.window.remaining(claim.limit, at) for claim, kept in found]
        granted = all(rest >= claim.least or claim.limit.shadow for (claim, _), rest in zip(found, room, strict=True))
        return Answer(granted, tuple(self._grant(*each, at, granted) for each in found))

    def _grant(self, claim: Claim, kept: Kept, at: float, granted: bool) -> Grant:
        window, limit = kept.window, claim.limit
        rest, units = window.remaining(limit, at), 0
        if granted and rest >= claim.least:
            if at >= window.ends_at:
                kept.opened = next(self._numbers)
            for _ in range(min(claim.most, max(claim.least, rest // claim.parts))):
                units += window.take(limit, at)
        is_open = at < window.ends_at
        ends_in = window.ends_at - at if is_open else float(limit.window_s)
        return Grant(units, rest - units, ends_in, kept.opened if is_open else 0)

    def close(self) -> None:
        """Nothing to let go of."""


class Moved:
    """A clock that a test moves."""

    def __init__(self, at: float = 1_000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass."""
        self.at += seconds


@dataclass(slots=True)
class Made:
    """An authority with no window open, and how time passes for it.

    *exact*: its clock stands still between two calls of *advance*. A server's does not: there *advance* may let its
    windows end sooner instead, and a test allows for ``SLACK_S``.
    """

    authority: Authority
    advance: Callable[[float], None]
    exact: bool = True


SLACK_S = 2.0
"""By how much a real clock may have gone on while a test that is to stand still ran."""

NewAuthority = Callable[[], Made]


def _memory(_folder: Path) -> NewAuthority:
    def make() -> Made:
        clock = Moved()
        return Made(MemoryWindows(clock), clock.advance)

    return make


def _host(folder: Path) -> NewAuthority:
    numbers = itertools.count()

    def make() -> Made:
        clock = Moved()
        return Made(HostWindows(folder, f"api{next(numbers)}", now=clock, wall=clock), clock.advance)

    return make


AUTHORITIES: dict[str, Callable[[Path], NewAuthority]] = {"memory": _memory, "host": _host}
"""What makes each kind. Whatever is added here is held to the same contract."""


def request(*wants: tuple[Limit, bytes]) -> Request:
    """One unit of each, exactly."""
    return tuple(Claim(limit, whose) for limit, whose in wants)

"""What happened, and whether it may have: the checker of the promise, for one owner and its keys at a time.

Changes are linearizable: there is one order of them, which agrees with real time, after which each says what it said.
A verification is promised less, and exactly this: that it goes by all changes that had answered when it began. While a
change is under way, one process may know of it already and another not yet; so a verification goes by *some* beginning
of that order, with all in it that had answered by then, and nothing that had not been asked for when it ended.

A change whose outcome nobody knows (its caller was killed, or cut off) may have happened at any time after it was asked
for, or never. ``FENCE`` changes nothing: when it was asked for, nobody was left who could do anything late.

The search is Wing and Gong's with Lowe's memory of what has been seen: over the orders of the changes, each step of
which must leave an explanation to every verification.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

UNKNOWN, REFUSED, ADMITTED = 0, 1, 2
FENCE = "fence"
MOST = 200_000
"""How many steps a search may take: some seconds. A schedule of a few changes takes hundreds."""


class Seen(NamedTuple):
    """One verification: which text, by which node, from when to when (CLOCK_MONOTONIC), and what it came to."""

    text: int
    node: int
    began: float
    ended: float
    result: int


@dataclass(frozen=True, slots=True)
class Change:
    """One change of an owner or its keys: what was asked for, of which text, and when."""

    verb: str
    text: int = -1
    """The text that it is about; -1: the owner."""
    successor: int = -1
    """For ``regenerate``: the text that takes its place."""
    began: float = 0.0
    ended: float = math.inf
    """When it answered; infinite where it did not: then nobody knows what came of it."""


@dataclass(frozen=True, slots=True)
class State:
    """How an owner and its keys stand."""

    suspended: bool = False
    cut: bool = False
    keys: tuple[tuple[int, str], ...] = ()
    """Texts that have been issued, with their states: ``active``, ``inactive``, ``ended``."""

    def key(self, text: int) -> str:
        """The state of *text*; empty where it has not been issued."""
        return dict(self.keys).get(text, "")

    def admits(self, text: int) -> bool:
        """Whether a key of this text is admitted."""
        return not (self.suspended or self.cut) and self.key(text) == "active"

    def put(self, text: int, state: str) -> State:
        """This, with *text* in *state*."""
        return State(self.suspended, self.cut, tuple(sorted((dict(self.keys) | {text: state}).items())))


_OWNER = {"suspend": (True, None), "restore": (False, None), "cut": (None, True), "raise": (None, False)}
_KEY = {"revoke": "ended", "delete": "ended", "deactivate": "inactive", "reactivate": "active"}


def after(state: State, change: Change) -> State | None:
    """The state once *change* has been made; None where it cannot be made in *state*."""
    if change.verb == FENCE:
        return state
    if change.verb in _OWNER:
        suspended, cut = _OWNER[change.verb]
        return State(state.suspended if suspended is None else suspended, state.cut if cut is None else cut, state.keys)
    known = state.key(change.text)
    if change.verb == "issue":
        return None if known else state.put(change.text, "active")
    if known == "ended" and change.verb == "revoke":
        return state  # done twice is done
    if known not in ("active", "inactive"):
        return None
    if change.verb == "regenerate":
        return state.put(change.text, "ended").put(change.successor, "active")
    return state.put(change.text, _KEY[change.verb])


class _Class(NamedTuple):
    """Verifications that no order of changes tells apart."""

    text: int
    admitted: bool
    must: int
    """The changes that had answered when it began, as bits."""
    may: int
    """Those that had been asked for when it ended."""


def _classes(changes: Sequence[Change], seen: Iterable[Seen]) -> dict[_Class, Seen]:
    """The classes of *seen*, with one verification of each."""
    answered = sorted((change.ended, number) for number, change in enumerate(changes) if change.ended < math.inf)
    asked = sorted((change.began, number) for number, change in enumerate(changes))
    ends, begins = [end for end, _ in answered], [begin for begin, _ in asked]
    musts, mays = _sums(answered), _sums(asked)
    found: dict[_Class, Seen] = {}
    for each in seen:
        if each.result != UNKNOWN:
            must, may = musts[bisect_left(ends, each.began)], mays[bisect_left(begins, each.ended)]
            found.setdefault(_Class(each.text, each.result == ADMITTED, must, may), each)
    return found


def _sums(moments: Sequence[tuple[float, int]]) -> list[int]:
    """After none of *moments*, after the first, and so on: the bits of those that are past."""
    sums = [0]
    for _, number in moments:
        sums.append(sums[-1] | 1 << number)
    return sums


class _Search:
    """The search over the orders of *changes*. Sets of changes and of classes are bits of one number each."""

    def __init__(self, changes: Sequence[Change], classes: Sequence[_Class]) -> None:
        self.changes, self.classes = changes, classes
        self.before = [
            sum(1 << number for number, other in enumerate(changes) if other.ended < change.began) for change in changes
        ]
        self.answered = sum(1 << number for number, change in enumerate(changes) if change.ended < math.inf)
        self.fences = sum(1 << number for number, change in enumerate(changes) if change.verb == FENCE)
        self.visited: set[tuple[int, State, int]] = set()
        self.steps = 0
        self.furthest, self.stuck = -1, list[int]()
        """How many changes were placed where the search came furthest, and the classes that it could not explain."""

    def explains(self, placed: int, state: State, open_: int) -> bool:
        """Whether, after the changes *placed* led to *state*, the rest explains the classes that are still *open_*."""
        self.steps += 1
        assert self.steps < MOST, f"too many orders of {self.changes}"
        lost = []
        for number, each in enumerate(self.classes):
            if open_ >> number & 1:
                past = placed & ~each.may
                if past:
                    lost.append(number)
                elif not each.must & ~placed and state.admits(each.text) == each.admitted:
                    open_ &= ~(1 << number)
        whole = not self.answered & ~placed
        if whole and not open_:
            return True
        if (lost or whole) and placed.bit_count() > self.furthest:
            self.furthest = placed.bit_count()
            self.stuck = lost or [number for number in range(len(self.classes)) if open_ >> number & 1]
        if lost or (placed, state, open_) in self.visited:
            return False
        self.visited.add((placed, state, open_))
        return any(
            (new := after(state, change)) is not None
            and (new != state or change.ended < math.inf)  # or it might as well not have happened
            and self.explains(placed | 1 << number, new, open_)
            for number, change in enumerate(self.changes)
            if self.may_follow(placed, number)
        )

    def may_follow(self, placed: int, number: int) -> bool:
        """Whether the change of this *number* may be the next one."""
        late = placed & self.fences and self.changes[number].ended == math.inf
        return not (placed >> number & 1 or self.before[number] & ~placed or late)


def unexplained(start: State, changes: Sequence[Change], seen: Iterable[Seen]) -> list[Seen]:
    """Nothing, where some order of *changes*, from *start* on, explains all that was *seen*; else what stays open.

    Changes that were refused, or could not even be asked for, are not to be among them: they are none.
    """
    classes = _classes(changes, seen)
    search = _Search(changes, list(classes))
    if search.explains(0, start, (1 << len(classes)) - 1):
        return []
    return [classes[search.classes[number]] for number in search.stuck] or list(classes.values())[:1]

"""Shares: the parts of windows that one process holds, and spends from memory. A state machine, without IO or clock.

Limits below ``EXACT`` are asked for unit by unit. Of the others a process is granted a part at a time: no more than it
will spend in a sixtieth of the window at its pace, and no more than a part of what is free, so that little lies with a
process that needs it no more; what it has not spent by then it gives back. It asks before it refuses. What was refused
is remembered until something can be free again.

A share ends with its window on this process's clock, counted from the moment before the authority was asked: the window
cannot have ended by then. A limit that has been cut finds no share that was granted under the old one.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from threading import Lock
from typing import NamedTuple

from limen.core.limits import Limit
from limen.gate.counters import Taken, Want
from limen.gate.counting import Answer, Claim, Grant, Request, Return

EXACT = 1_000
"""Below this count a limit is exact: shares that last would refuse a caller who moves, and others are of one unit."""

PARTS = 60
"""A share is meant for one of so many parts of its window's length."""

_AGES = 0.5  # how much of the new pace is believed at once


class _Share:
    """What a process knows of one window, and holds of it."""

    __slots__ = (
        "count", "due_at", "ends_at", "free", "opened", "pace", "refused", "refused_until", "since", "spend_until",
        "spent", "tries", "units",
    )  # fmt: skip

    def __init__(self) -> None:
        self.units = 0
        self.count = 0  # of the limit under which the units were granted: no smaller one may spend them
        self.opened = 0
        self.spend_until = self.ends_at = -math.inf  # when the window has not ended yet, and when it surely has
        self.free = 0
        self.due_at = math.inf  # when what is left is given back
        self.refused = -1  # the largest count that was refused
        self.refused_until = -math.inf
        self.tries = 0  # how often in a row it was
        self.pace = 0.0  # units a second
        self.since = 0.0  # when the pace was taken last, and what has been spent since
        self.spent = 0


class _Table:
    """The shares of one limit, in two generations: those since the last turn, and those before it."""

    __slots__ = ("old", "span_s", "turns_at", "young")

    def __init__(self, at: float, span_s: int) -> None:
        self.young: dict[bytes, _Share] = {}
        self.old: dict[bytes, _Share] = {}
        self.span_s = span_s
        self.turns_at = at + span_s

    def find(self, whose: bytes) -> _Share | None:
        """What is known of the window of *whose*."""
        return self.young.get(whose) or self.old.get(whose)

    def make(self, whose: bytes, at: float) -> _Share:
        """What is known of it, from now on: as long as it may be of use it is of the young."""
        if at >= self.turns_at:
            self.old, self.young = self.young, {}
            self.turns_at = at + self.span_s
        share = self.young[whose] = self.young.get(whose) or self.old.pop(whose, None) or _Share()
        return share


class Held(NamedTuple):
    """A unit that was set aside, and what it is of."""

    limit: Limit
    share: _Share
    under: int
    opened: int


class Open(NamedTuple):
    """A request that memory could not decide: what is to be asked, and what of it memory has set aside."""

    wants: Sequence[Want]
    at: float
    asked: Request
    held: tuple[Held, ...]
    over: tuple[Limit, ...]
    """Shadow limits that are known to have no room."""


class Shares:
    """What one process holds of the windows of one API. Used by several threads at once."""

    def __init__(self, processes: Callable[[], int], *, drift: float) -> None:
        """*processes*: how many share the windows, as far as is known.

        *drift*: by which part of itself a second of this process's clock may differ from one of the authority's.
        """
        self._processes, self._drift = processes, drift
        self._tables: dict[str, _Table] = {}
        self._due: list[tuple[float, int, Limit, bytes]] = []  # a heap: when what is left of a share is due
        self._returns: list[Return] = []
        self._turn = 0
        self._lock = Lock()

    def take(self, wants: Sequence[Want], at: float) -> Taken | None:
        """What memory can decide, as ``Counters.take`` does; None where the authority has to be asked."""
        with self._lock:
            if len(wants) == 1:
                limit, whose = wants[0]
                share = self._find(limit, whose)
                if share is None:
                    return None
                if share.units > 0 and limit.count >= share.count and at < share.spend_until and not limit.shadow:
                    share.units -= 1
                    share.spent += 1
                    return True, limit, share.units + share.free, share.ends_at - at, ()
            return self._take_all(wants, at)

    def _take_all(self, wants: Sequence[Want], at: float) -> Taken | None:
        spending, over, refusing, unknown = self._look(wants, at)
        if refusing:
            return _refused([(limit, share.ends_at) for limit, share in refusing], at)
        if unknown:
            return None
        told: list[tuple[Limit, int, float]] = []
        for (limit, _), share in spending:
            share.units -= 1
            share.spent += 1
            told.append((limit, share.units + share.free, share.ends_at))
        return _granted(told, tuple(over), at)

    def _look(
        self, wants: Sequence[Want], at: float
    ) -> tuple[list[tuple[Want, _Share]], list[Limit], list[tuple[Limit, _Share]], list[Want]]:
        """Of *wants*: what a share has a unit for, shadows without room, what is refused, what has to be asked for."""
        spending, over, refusing, unknown = [], [], [], []
        for want in wants:
            limit, whose = want
            share = self._find(limit, whose)
            if share is None:
                unknown.append(want)
            elif share.units > 0 and limit.count >= share.count and at < share.spend_until:
                spending.append((want, share))
            elif limit.count > share.refused or at >= share.refused_until:
                unknown.append(want)
            elif limit.shadow:
                over.append(limit)
            else:
                refusing.append((limit, share))
        return spending, over, refusing, unknown

    def ask(self, wants: Sequence[Want], at: float, asked: set[tuple[str, bytes]] | None = None) -> Open | Taken:
        """What is to be asked so that *wants* can be decided; or the decision, where memory suffices by now.

        *asked*: what is asked for in the same batch already; of each window one request asks for a share.
        """
        with self._lock:
            taken = self._take_all(wants, at)
            if taken is not None:
                return taken
            spending, over, _, unknown = self._look(wants, at)
            held = tuple(Held(limit, share, share.count, share.opened) for (limit, _), share in spending)
            for _, share in spending:
                share.units -= 1
                share.spent += 1
            claims = tuple(self._claim(limit, whose, at, asked) for limit, whose in unknown)
            return Open(wants, at, claims, held, tuple(over))

    def _claim(self, limit: Limit, whose: bytes, at: float, asked: set[tuple[str, bytes]] | None) -> Claim:
        if limit.count < EXACT:
            return Claim(limit, whose)
        if asked is not None:
            if (limit.windows, whose) in asked:
                return Claim(limit, whose)
            asked.add((limit.windows, whose))
        processes = max(1, self._processes())
        share = self._find(limit, whose)
        if share is None or share.opened == 0:
            pace = limit.count / limit.window_s / processes
        else:
            elapsed = max(at - share.since, 1e-3)
            pace = share.pace = share.pace + _AGES * (share.spent / elapsed - share.pace)
            share.since, share.spent = at, 0
        most = max(1, math.ceil(pace * limit.window_s / PARTS))
        return Claim(limit, whose, 1, most, 2 * processes)

    def settle(self, ask: Open, answer: Answer, sent_at: float, received_at: float) -> Taken:
        """The decision on *ask*, by the authority's *answer*. Both moments are of this process's clock."""
        with self._lock:
            told: list[tuple[Limit, int, float]] = []
            over, refusing = list(ask.over), []
            for claim, grant in zip(ask.asked, answer.grants, strict=True):
                ends_at = received_at + grant.ends_in
                if answer.granted and grant.units:
                    held = self._grant(claim, grant, sent_at, received_at)
                    told.append((claim.limit, grant.free + held, ends_at))
                elif grant.free < claim.least:
                    self._refuse(claim, grant, sent_at, received_at)
                    if claim.limit.shadow:
                        over.append(claim.limit)
                    else:
                        refusing.append((claim.limit, ends_at))
            if not answer.granted:
                self._put_back(ask)
                return _refused(refusing, ask.at)
            for limit, share, _, _ in ask.held:
                told.append((limit, share.units + share.free, share.ends_at))
            return _granted(told, tuple(over), ask.at)

    def fail(self, ask: Open) -> None:
        """The authority gave no answer to *ask*: what memory had set aside for it is to be had again."""
        with self._lock:
            self._put_back(ask)

    def _put_back(self, ask: Open) -> None:
        for _, share, under, opened in ask.held:
            if (share.count, share.opened) == (under, opened):  # else it is lost: it must not become another window's
                share.units += 1
                share.spent -= 1

    def _grant(self, claim: Claim, grant: Grant, sent_at: float, received_at: float) -> int:
        """Keep what was granted beyond the one that was asked for; how much is held now."""
        limit, whose = claim.limit, claim.whose
        if limit.count < EXACT:
            return 0
        spend_until = sent_at + grant.ends_in * (1 - self._drift)
        share = self._make(limit, whose, sent_at)
        if share.opened != grant.opened:
            if spend_until < share.spend_until:
                return 0  # an answer that comes late, of a window before the one that is known
            pace = share.pace or (claim.most * PARTS / limit.window_s)
            share.units, share.spent, share.since, share.pace = 0, 0, received_at, pace
        elif share.units and share.count != limit.count:
            self._give_back(limit, whose, share)
        share.opened, share.count, share.free = grant.opened, limit.count, grant.free
        share.units += grant.units - 1
        share.spent += 1
        share.spend_until, share.ends_at = spend_until, received_at + grant.ends_in
        share.refused, share.tries = -1, 0
        if share.units:
            share.due_at = sent_at + limit.window_s / PARTS
            self._turn += 1
            heapq.heappush(self._due, (share.due_at, self._turn, limit, whose))
        return share.units

    def _refuse(self, claim: Claim, grant: Grant, sent_at: float, received_at: float) -> None:
        """Remember that there is no room: until the window ends or, of shares, until another process gives back."""
        limit = claim.limit
        share = self._make(limit, claim.whose, sent_at)
        until = sent_at + grant.ends_in
        if limit.count >= EXACT:  # what others do not need they give back soon, and ever less of it
            until = min(until, received_at + limit.window_s / PARTS * 2**share.tries)
            share.tries = min(share.tries + 1, 6)
        share.refused, share.refused_until = limit.count, until
        if not (share.units and sent_at < share.spend_until):
            share.ends_at, share.free = received_at + grant.ends_in, 0

    def returns(self, at: float, *, everything: bool = False) -> list[Return]:
        """What is to be given back by now; it is held no more. *everything*: whatever is held."""
        with self._lock:
            while self._due and (everything or self._due[0][0] <= at):
                _, _, limit, whose = heapq.heappop(self._due)
                share = self._find(limit, whose)
                if share is not None and (everything or share.due_at <= at):
                    if share.units and at < share.spend_until:
                        self._give_back(limit, whose, share)
                    share.units = 0
            found, self._returns = self._returns, []
            return found

    def due_at(self) -> float:
        """When something may have to be given back next."""
        with self._lock:
            return -math.inf if self._returns else self._due[0][0] if self._due else math.inf

    def keep(self, returns: list[Return]) -> None:
        """*returns* were not given back after all: they are to be the next time."""
        with self._lock:
            self._returns += returns

    def _give_back(self, limit: Limit, whose: bytes, share: _Share) -> None:
        self._returns.append(Return(limit, whose, share.opened, share.units))
        share.units = 0

    def _find(self, limit: Limit, whose: bytes) -> _Share | None:
        table = self._tables.get(limit.windows)
        return None if table is None else table.find(whose)

    def _make(self, limit: Limit, whose: bytes, at: float) -> _Share:
        table = self._tables.get(limit.windows)
        if table is None:
            table = self._tables[limit.windows] = _Table(at, limit.window_s)
        return table.make(whose, at)

    def __len__(self) -> int:
        return sum(len(table.young) + len(table.old) for table in self._tables.values())


def _refused(refusing: list[tuple[Limit, float]], at: float) -> Taken:
    limit, ends_at = max(refusing, key=lambda found: found[1])  # who waits until then finds room in all of them
    return False, limit, 0, ends_at - at, ()


def _granted(told: list[tuple[Limit, int, float]], over: tuple[Limit, ...], at: float) -> Taken:
    shown = [found for found in told if not found[0].shadow]
    if not shown:
        return True, None, 0, 0.0, over
    limit, remaining, ends_at = min(shown, key=lambda found: found[1])
    return True, limit, remaining, ends_at - at, over

"""Counting against limits: one protocol, and the counter for one process, which is exact.

Every counter agrees with ``core.limits.Window``, the oracle. A request needs room in all of its limits and takes from
all or from none (C8).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple, Protocol

from limen.core.limits import Limit

Want = tuple[Limit, bytes]
"""A limit, and whose window of it is meant."""


class Taken(NamedTuple):
    """What a take came to. *limit* is the one with the least remaining, or the one that refused."""

    granted: bool
    limit: Limit
    remaining: int
    ends_in: float
    """Seconds until that limit's window ends: until it is full again."""


class Counters(Protocol):
    """Whatever counts requests against limits."""

    def take(self, wants: Sequence[Want], at: float) -> Taken:
        """Take one from every limit of *wants*, or, where one has no room at *at*, from none."""
        ...


class _Table:
    """The windows of one limit, in two generations: windows opened since the last turn, and those before it."""

    __slots__ = ("old", "span_s", "turns_at", "young")

    def __init__(self, at: float, span_s: int) -> None:
        self.young: dict[bytes, list[float]] = {}
        self.old: dict[bytes, list[float]] = {}
        self.span_s = span_s
        self.turns_at = at + span_s

    def open(self, limit: Limit, whose: bytes, at: float) -> list[float]:
        """A new window for *whose*. Turns the generations first when it is time: what is dropped has long ended."""
        self.span_s = max(self.span_s, limit.window_s)
        if at >= self.turns_at:
            self.old, self.young = self.young, {}
            self.turns_at = at + self.span_s
        cell = self.young[whose] = [at + limit.window_s, 0]
        return cell


class MemoryCounters:
    """Windows in this process's memory, under a lock. They start afresh with the process."""

    def __init__(self) -> None:
        self._tables: dict[str, _Table] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return sum(len(table.young) + len(table.old) for table in self._tables.values())

    def take(self, wants: Sequence[Want], at: float) -> Taken:
        """Take one from every limit of *wants*, or from none. No IO; about 0.7 µs for one limit, 2 µs for three."""
        held: list[tuple[_Table, list[float] | None, Limit, bytes]] = []
        with self._lock:
            for limit, whose in wants:
                table = self._tables.get(limit.name)
                if table is None:
                    table = self._tables[limit.name] = _Table(at, limit.window_s)
                cell = table.young.get(whose) or table.old.get(whose)
                if cell is not None and at < cell[0]:
                    if cell[1] >= limit.count:
                        return Taken(False, limit, 0, cell[0] - at)
                elif limit.count < 1:
                    return Taken(False, limit, 0, limit.window_s)
                else:
                    cell = None
                held.append((table, cell, limit, whose))
            return self._commit(held, at)

    @staticmethod
    def _commit(held: list[tuple[_Table, list[float] | None, Limit, bytes]], at: float) -> Taken:
        tightest = held[0][2]
        least, ends_at = math.inf, at
        for table, cell, limit, whose in held:
            cell = cell or table.open(limit, whose, at)
            cell[1] += 1
            left = limit.count - cell[1]
            if left < least:
                tightest, least, ends_at = limit, left, cell[0]
        return Taken(True, tightest, int(least), ends_at - at)

"""May this process answer from what it knows? The revocation promise lives here (ADR 0005).

On one host every process that decides or changes something maps the same eight bytes: the *epoch*. It is odd while a
change commits and has moved to the next even number before the change is answered for. So a process whose last look
at the change log was at the present, even epoch has missed nothing that has answered.
"""

from __future__ import annotations

from collections.abc import Sequence


class Lease:
    """The right to answer from memory, by the epoch. ``holds`` is read on every check and costs 0.1 µs."""

    __slots__ = ("_applied", "_cell")

    def __init__(self, cell: Sequence[int]) -> None:
        """*cell*: whatever holds the epoch at index 0, such as a memory map cast to unsigned 64 bits."""
        self._cell = cell
        self._applied = -1  # no epoch: nothing is known yet

    def holds(self) -> bool:
        """Whether every change that had answered by now has been applied here."""
        return self._cell[0] == self._applied

    def epoch(self) -> int:
        """The epoch, to be read before the change log is, and handed to ``renew`` once what it said is applied."""
        return self._cell[0]

    def renew(self, epoch: int) -> None:
        """Hold the lease from now on, until the epoch moves; not at all when *epoch* is odd: a change is on its way."""
        self._applied = -1 if epoch & 1 else epoch

    def drop(self) -> None:
        """Hold nothing until the next ``renew``."""
        self._applied = -1

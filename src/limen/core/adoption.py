"""Leaving a version: who does, how fast, and whom its end will meet (R167)."""

from __future__ import annotations

DAYS = 7
"""A week: what people and their programs repeat. Weeks are compared, never days."""


def expected(before: int, last: int, days_left: float) -> float:
    """How many calls the week that ends in *days_left* days will have.

    *before* and *last*: those of the two last weeks. Each week is taken to be to the one before as these two are, and
    never more: who begins or grows now is taken to stay. With nothing to go by, nothing changes.
    """
    if not last:
        return 0.0
    ratio = min(last / before, 1.0) if before else 1.0
    return float(last * ratio ** (max(days_left, 0.0) / DAYS))


def breaks(before: int, last: int, days_left: float) -> bool:
    """Whether somebody who goes on like this still calls in the last week."""
    return expected(before, last, days_left) >= 1.0

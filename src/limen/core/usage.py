"""What a journal's entries say, once decoded: decisions, the API's answers to them, and counts of strangers.

The first two are tuples: there are as many as requests, and a frozen dataclass takes five times as long to make.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


class Decided(NamedTuple):
    """A decision on a known key (R71)."""

    number: int
    at: float
    locator: bytes
    code: str
    method: str
    operation: str
    version: str
    path: str
    address: str = ""
    """Where it came from, canonical; empty where that is not known."""


class Outcome(NamedTuple):
    """The status with which the API answered what reading *number* of *incarnation* admitted (R264).

    *took_us*: how long that took, in microseconds; None where nobody knows.
    """

    incarnation: int
    number: int
    status: int
    at: float
    took_us: int | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """How many refusals of one kind came from one address block in one Unix minute (R100)."""

    minute: int
    code: str
    prefix: str
    block: str
    count: int

    def row(self) -> dict[str, Any]:
        """The columns of its count."""
        return {
            "minute": self.minute,
            "code": self.code,
            "prefix": self.prefix,
            "block": self.block,
            "count": self.count,
        }

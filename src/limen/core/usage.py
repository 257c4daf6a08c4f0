"""What a journal's entries say, once decoded: decisions, the API's answers to them, and counts of strangers.

The first two are tuples: there are as many as requests, and a frozen dataclass takes five times as long to make.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

_READING = re.compile(r"([0-9a-f]{12})-([0-9a-f]{1,15})")  # a number that the database's 64 bits, with a sign, hold


def place_of(reading: str) -> tuple[int, int] | None:
    """Incarnation and number of the reading with this name (``Limen-Reading``); None for what is none."""
    match = _READING.fullmatch(reading)
    return None if match is None else (int(match[1], 16), int(match[2], 16))


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

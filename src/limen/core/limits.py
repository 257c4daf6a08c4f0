"""Limits: a count per fixed window that opens at the first admitted request and refills completely (R115, C8).

This module is also the oracle: ``Window`` is the definition that every counter, wherever it counts, must agree with.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

_WRITTEN = re.compile(r"(\d{1,12}) per (\d{1,9}) ?(s|min|h|d)", re.ASCII)
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True, eq=False)
class Limit:
    """At most *count* requests in a window of *window_s* seconds. *name* tells whose windows these are.

    Two limits of one name and length share their windows: when staff change the count, what was used stays used.
    """

    name: str
    count: int
    window_s: int
    windows: str = field(init=False)
    """Which windows these are: those of the name, and of one length. A window is never cut short by a shorter one."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "windows", f"{self.name}/{self.window_s}")
        if self.count < 0 or self.window_s < 1:
            raise ValueError(f"a limit counts 0 or more per 1 s or more, not {self.count} per {self.window_s} s")

    def __str__(self) -> str:
        return f"{self.count} per {self.window_s} s"


def read_limit(text: str, name: str) -> Limit:
    """The limit written as ``100 per 60 s`` (units s, min, h, d). Raises ValueError, saying what is allowed."""
    match = _WRITTEN.fullmatch(text.strip())
    if match is None or int(match[2]) == 0:
        raise ValueError(f"{text!r} is not a limit; write it as '100 per 60 s' (units: s, min, h, d)")
    return Limit(name, int(match[1]), int(match[2]) * _SECONDS[match[3]])


def seconds_until(moment: float, now: float) -> int:
    """Whole seconds from *now* to *moment*, rounded up, at least 1: what ``Retry-After`` says (C10)."""
    return max(1, math.ceil(moment - now))


@dataclass(slots=True)
class Window:
    """One window of one limit: the definition. Times are seconds on a clock that never goes back."""

    ends_at: float = -math.inf
    used: int = 0

    def take(self, limit: Limit, at: float) -> bool:
        """Whether a request at *at* is admitted; if so it is counted, and opens a window where none is open."""
        if at >= self.ends_at:
            if limit.count < 1:
                return False
            self.ends_at = at + limit.window_s
            self.used = 1
            return True
        if self.used >= limit.count:
            return False
        self.used += 1
        return True

    def remaining(self, limit: Limit, at: float) -> int:
        """How many more would be admitted at *at*."""
        return limit.count if at >= self.ends_at else max(0, limit.count - self.used)

"""Limits: a count per fixed window that opens at the first admitted request and refills completely (R115, C8).

This module is also the oracle: ``Window`` is the definition that every counter, wherever it counts, must agree with.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_WRITTEN = re.compile(r"(shadow )?(\d{1,12}) per (\d{1,9}) ?(s|min|h|d)", re.ASCII)
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_LONGEST_S = 999_999_999
"""The longest window, 31 years: what is written in seconds can be read again."""

IN_FLIGHT = "in_flight"
"""The name of the limit on requests under way at once, which has no window."""

MOST = 8
"""How many limits one set has at most: each of them is looked at on every request."""


@dataclass(frozen=True, slots=True, eq=False)
class Limit:
    """At most *count* requests in a window of *window_s* seconds. *name* tells whose windows these are.

    Two limits of one name and length share their windows: when staff change the count, what was used stays used. A
    *shadow* limit never refuses: it has windows of its own, and what it would have refused is counted.
    """

    name: str
    count: int
    window_s: int
    shadow: bool = False
    windows: str = field(init=False)
    """Which windows these are: those of the name, and of one length. A window is never cut short by a shorter one."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "windows", f"{'shadow ' if self.shadow else ''}{self.name}/{self.window_s}")
        if self.count < 0 or self.window_s < 1:
            raise ValueError(f"a limit counts 0 or more per 1 s or more, not {self.count} per {self.window_s} s")

    def __str__(self) -> str:
        return f"{'shadow ' if self.shadow else ''}{self.count} per {self.window_s} s"


Limits = tuple[Limit, ...]
"""Limits of one name that hold at once, each in windows of its own length. None at all: nothing is set."""


def read_limit(text: str, name: str) -> Limit:
    """The limit written as ``100 per 60 s`` (units s, min, h, d), or ``shadow 100 per 60 s``.

    Raises ValueError, saying what is allowed.
    """
    match = _WRITTEN.fullmatch(text.strip())
    window_s = int(match[3]) * _SECONDS[match[4]] if match is not None else 0
    if match is None or not 1 <= window_s <= _LONGEST_S:
        raise ValueError(
            f"{text!r} is not a limit; write it as '100 per 60 s' (units: s, min, h, d; a window of 1 s to 11574 d), "
            "or 'shadow 100 per 60 s'"
        )
    return Limit(name, int(match[2]), window_s, match[1] is not None)


def read_limits(text: str, name: str) -> Limits:
    """The limits written as ``100 per 60 s, 5000 per 1 d``: one to ``MOST``, of one length one, and one shadow.

    Raises ValueError, saying what is allowed.
    """
    limits = tuple(read_limit(part, name) for part in text.split(","))
    if len(limits) > MOST:
        raise ValueError(f"{len(limits)} limits; at most {MOST} hold at once")
    seen: dict[str, Limit] = {}
    for limit in limits:  # two of one length would share a window, and each request would be counted in it twice
        if seen.setdefault(limit.windows, limit) is not limit:
            raise ValueError(f"'{seen[limit.windows]}' and '{limit}' have one length; the larger can never be reached")
    return limits


def write_limits(limits: Limits) -> str:
    """*limits* as ``read_limits`` reads them; empty for none."""
    return ", ".join(map(str, limits))


def named(limits: Iterable[Limit], name: str) -> Limits:
    """*limits* under *name*: limits of one name share their windows, so that each kind has its own."""
    return tuple(Limit(name, limit.count, limit.window_s, limit.shadow) for limit in limits)


def warnings(limits: Limits) -> tuple[str, ...]:
    """What is odd about a set of *limits*: one that refuses everything, and those that can never be reached.

    A window touches at most so many shorter ones, and one more, each of which admits no more than its count.
    """
    said = []
    for limit in limits:
        if limit.count == 0 and not limit.shadow:
            said.append(f"'{limit}' refuses every request")
        for other in limits:
            if other is limit or other.shadow or other.count == 0 or other.window_s > limit.window_s:
                continue
            most = other.count * (math.ceil(limit.window_s / other.window_s) + 1)
            if most <= limit.count:
                verb = "exceeded" if limit.shadow else "reached"
                said.append(f"'{limit}' can never be {verb}: '{other}' admits at most {most} in that time")
                break
    return tuple(said)


def refuses_all(limits: Limits) -> bool:
    """Whether nothing is ever admitted under *limits*."""
    return any(limit.count == 0 and not limit.shadow for limit in limits)


def seconds_until(moment: float, now: float) -> int:
    """Whole seconds from *now* to *moment*, rounded up, at least 1: what ``Retry-After`` says (C10)."""
    return max(1, math.ceil(moment - now))


@dataclass(slots=True)
class Window:
    """One window of one limit: the definition. Times are seconds on a clock that never goes back."""

    ends_at: float = -math.inf
    used: int = 0

    def take(self, limit: Limit, at: float) -> bool:
        """Whether there is room for a request at *at*; if so it is counted, and opens a window where none is open.

        A request that a shadow limit has no room for is admitted all the same, and is not counted in its window.
        """
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

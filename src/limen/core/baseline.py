"""What is usual for a key: its calls by the hour, against the same hours of the weeks before.

Medians and their deviations, because what was unusual before must not become the measure; the same hour of the week and
its neighbours, because people and their programs keep weeks; and a trend, because keys grow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import median

WEEK = 168
"""Hours."""
WEEKS = 8
"""How far back is looked."""
YOUNGEST_H = 2 * WEEK
"""A key that was first used later than that has no usual yet."""

_NORMAL = 1.4826  # of a normal distribution, the standard deviation over the median absolute deviation
_NOISE = 0.3  # no traffic of programs is more even than this share of it
_TREND = (1.0, 3.0)


@dataclass(frozen=True, slots=True)
class Usual:
    """How many calls an hour usually has, and by how much that varies."""

    expected: float
    spread: float
    busiest: int
    """What one in a hundred of all its hours had at least."""

    def score(self, calls: int) -> float:
        """How far *calls* is above what is usual, in spreads."""
        return (calls - self.expected) / self.spread


def usual(hours: Mapping[int, int], hour: int) -> Usual | None:
    """What is usual in the Unix hour *hour*, by the *hours* before it; None where too little is known.

    *hours*: calls by Unix hour; those that are missing had none.
    """
    first = min(hours, default=hour)
    if hour - first < YOUNGEST_H:
        return None
    totals = [_total(hours, hour - WEEK * week) for week in range(min(WEEKS, (hour - first) // WEEK))]
    weeks = [week for week, total in enumerate(totals, 1) if total]  # a silence is not what is usual
    if len(weeks) < 2:
        return None
    same = [
        max(hours.get(hour - WEEK * week + near, 0) for near in (-1, 0, 1)) for week in weeks
    ]  # the busiest of three: what is done once a week begins now a little earlier, now later
    middle = median(same)
    deviation = _NORMAL * median(abs(calls - middle) for calls in same)
    before = median(total for total in totals[1:] if total) if any(totals[1:]) else 0
    trend = min(max(totals[0] / before, _TREND[0]), _TREND[1]) if before else _TREND[0]
    expected = middle * trend
    past = sorted(hours[each] for each in hours if hour - WEEK * WEEKS <= each < hour)
    busy, busiest = median(past), past[int(0.99 * (len(past) - 1))]
    spread = max(deviation * trend, _NOISE * expected, sqrt(expected), _NOISE * busy, 1.0)
    return Usual(expected, spread, busiest)


def _total(hours: Mapping[int, int], until: int) -> int:
    return sum(hours.get(each, 0) for each in range(until - WEEK, until))


def crowd(blocks: Mapping[int, int], hour: int) -> int | None:
    """From how many blocks of addresses a key is used at most in an hour of a usual week; None where that is not known.

    *blocks*: from how many it was used in a Unix hour; those that are missing had none. The middle of the weeks' most,
    so that one bad week does not become the measure.
    """
    if hour - min(blocks, default=hour) < YOUNGEST_H:
        return None
    most: dict[int, int] = {}
    for each, count in blocks.items():
        week = (hour - 1 - each) // WEEK
        if 0 <= week < WEEKS:
            most[week] = max(count, most.get(week, 0))
    return round(median(most.values())) if len(most) > 1 else None

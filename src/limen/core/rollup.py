"""Roll-ups: readings added up by minute, hour and day. Sums alone, so that their order never matters.

A reading is counted once when it is recorded, and its status once when that is known, by whichever comes last. The same
arithmetic rebuilds the roll-ups from the readings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import log2

from limen.core import addresses

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
GRAINS = {"minute": MINUTE_S, "hour": HOUR_S, "day": DAY_S}
"""What there are roll-ups by, in seconds. A month is the sum of its days."""

WHOLE = b""
"""In place of a locator: the API as a whole, all of its known keys added up."""

STEPS = 4
"""How many buckets of latency there are in a doubling: what is said of a quantile is within 9 % of it."""

_CLASSES = 5

Which = tuple[str, bytes, int, str, str, str]
"""API, locator, Unix second at which the span begins, operation, version, code."""
Sum = tuple[str, bytes, int, str, str, str, int, int, int, int, int, int]
"""Which, how many decisions, and how many of them were answered with a status of each class, 1xx to 5xx."""
Took = tuple[str, bytes, int, str, int, int]
"""API, locator, Unix second at which the hour begins, operation, bucket of latency, and how many answers that took."""
From = tuple[bytes, int, str, int]
"""Locator, Unix second at which the hour begins, whose address (as ``addresses.caller``), and how many requests."""


def bucket(took_us: int) -> int:
    """The bucket of latency that *took_us*, in microseconds, lies in: from 0 on, ``STEPS`` a doubling."""
    return int(STEPS * log2(took_us)) if took_us > 1 else 0


def bucket_ms(number: float) -> float:
    """Where bucket *number* begins, in milliseconds."""
    return float(2.0 ** (number / STEPS)) / 1_000


class Sums:
    """What readings and statuses come to. ``decided`` and ``answered`` add to it; the rest says what it is."""

    __slots__ = ("_counts", "_places", "_times")

    def __init__(self) -> None:
        self._counts: dict[Which, list[int]] = {}
        self._times: Counter[tuple[str, bytes, int, str, int]] = Counter()
        self._places: Counter[tuple[bytes, int, str]] = Counter()

    def decided(self, which: Which, address: str = "") -> None:
        """One more decision. *which* has the Unix second of the decision itself."""
        api, locator, second, operation, version, code = which
        self._row((api, locator, second - second % MINUTE_S, operation, version, code))[0] += 1
        if address:
            self._places[locator, second - second % HOUR_S, addresses.caller(address)] += 1

    def answered(self, which: Which, status: int, took_us: int | None) -> None:
        """A decision that is counted, or will be, was answered with *status*."""
        api, locator, second, operation, version, code = which
        of_class = min(max(status // 100, 1), _CLASSES)  # an application may answer what no standard knows
        self._row((api, locator, second - second % MINUTE_S, operation, version, code))[of_class] += 1
        if took_us is not None:
            self._times[api, locator, second - second % HOUR_S, operation, bucket(took_us)] += 1

    def _row(self, which: Which) -> list[int]:
        found = self._counts.get(which)
        if found is None:
            found = self._counts[which] = [0] * (1 + _CLASSES)
        return found

    def by(self, span_s: int) -> list[Sum]:
        """The sums by spans of *span_s*, in order: of each key, and of the API as a whole."""
        totals: dict[Which, list[int]] = {}
        for (api, locator, minute, operation, version, code), counts in self._counts.items():
            at = minute - minute % span_s
            for whose in (locator, WHOLE):
                which = (api, whose, at, operation, version, code)
                if (total := totals.get(which)) is None:
                    totals[which] = counts[:]
                else:
                    for place, count in enumerate(counts):
                        total[place] += count
        return [(*which, *counts) for which, counts in sorted(totals.items())]  # type: ignore[misc]  # 6 and 6

    def times(self) -> list[Took]:
        """How long answers took, in order: of each key, and of the API as a whole."""
        totals: Counter[tuple[str, bytes, int, str, int]] = Counter()
        for (api, locator, hour, operation, number), count in self._times.items():
            totals[api, locator, hour, operation, number] += count
            totals[api, WHOLE, hour, operation, number] += count
        return [(*which, count) for which, count in sorted(totals.items())]

    def places(self) -> Iterator[From]:
        """Where requests came from, in order."""
        return ((*which, count) for which, count in sorted(self._places.items()))

"""Alerts over a made-up month: which incidents were found, and how often there was a false alarm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from limen.core.alerts import KINDS, Picture, found
from limen.core.hindsight import pictures
from tests.alerts import month

RULES = (
    "limit_near",
    "error_rate",
    "unusual_volume",
    "new_address_range",
    "silent_key_wakes",
    "many_addresses",
    "suspected_sharing",
)
FINDS = {
    "leak": {"many_addresses", "new_address_range", "suspected_sharing"},
    "errors": {"error_rate"},
    "creep": {"limit_near"},
    "wakes": {"silent_key_wakes"},
    "flood": {"unusual_volume"},
}
"""Which rules are to find an incident. What other rules say of the same hours is no false alarm."""


@dataclass
class Judged:
    """What became of a month."""

    planted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    worst: int = 0
    """The most false alarms for one key."""
    keys: int = 0

    def line(self, name: str) -> str:
        """A row of the table."""
        total = sum(self.false.values())
        caught = ", ".join(f"{kind} {self.found[kind]}/{count}" for kind, count in sorted(self.planted.items()))
        return (
            f"{name:10} {caught}; {total} false in {self.keys} key months ({total / self.keys:.3f}), worst {self.worst}"
        )


Look = Callable[[str, Picture, bool], bool]


def by_rules(kind: str, picture: Picture, firing: bool) -> bool:
    """As the program does it."""
    return found(kind, picture, KINDS[kind].defaults(), firing=firing) is not None


def naive(kind: str, picture: Picture, firing: bool) -> bool:
    """A fixed threshold where the program knows what is usual: three times the mean of the last four weeks."""
    if kind != "unusual_volume":
        return by_rules(kind, picture, firing)
    past = [calls for hour, calls in picture.hours.items() if picture.hour - 672 <= hour < picture.hour]
    calls = picture.hours.get(picture.hour, 0)
    return len(past) > 300 and calls >= 100 and calls > 3 * sum(past) / 672


def judge(seed: int, count: int, look: Look = by_rules, rules: Collection[str] = RULES) -> Judged:
    """*count* keys of *seed*, over the month; an alert is one from when it fires until it no longer does."""
    judged = Judged(keys=count)
    for key in month.keys(seed, count):
        firing: dict[str, bool] = dict.fromkeys(rules, False)
        caught, false = False, Counter[str]()
        begin = month.BEGINS + month.HOURS_BEFORE
        for seen in pictures(month.history(key), begin, begin + month.HOURS):
            hour = seen.hour
            for kind in rules:
                now = look(kind, seen, firing[kind])
                began, firing[kind] = now and not firing[kind], now
                if not began:
                    continue
                if key.incident is not None and key.incident[1] <= hour <= key.incident[2] + 168:
                    caught = caught or kind in FINDS[key.incident[0]]
                else:
                    false[kind] += 1
        if key.incident is not None:
            judged.planted[key.incident[0]] += 1
            judged.found[key.incident[0]] += caught
        judged.false += false
        judged.worst = max(judged.worst, sum(false.values()))
    return judged

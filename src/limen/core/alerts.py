"""Alerts: which rules there are, and what each finds in what is known of a key. Each finding brings its numbers.

Nothing here asks a clock or a database: a ``Picture`` has all that is known of one key, and ``found`` says what is to
be told of it. With *eased* numbers the same rule says whether an alert that fires goes on: what hovers at a threshold
is told once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from limen.core.baseline import WEEK, WEEKS, crowd, usual

DAY_S, HOUR_S = 86_400.0, 3_600.0
INFO, WARNING, CRITICAL = "info", "warning", "critical"

_EASED = 0.8
"""How much nearer to what is usual something must be for its alert to end than for it to begin."""
_SCORE = 6.0
_SHARING_H = 6
_KNOWN_H = WEEK * (WEEKS + 1)
"""For how many hours a picture knows of calls."""


@dataclass(frozen=True, slots=True)
class Window:
    """A limit of a key: how much of its fullest window of late was used."""

    name: str
    limit: int
    window_s: int
    used: int


@dataclass(frozen=True, slots=True)
class Old:
    """A deprecated version that the key called in the last week."""

    version: str
    calls: int
    sunset_at: float | None


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known of a key. Hours are Unix hours, and *hour* the last one that is over."""

    now: float
    created_at: float
    live: bool = True
    expires_at: float | None = None
    last_used_at: float | None = None
    hour: int = 0
    hours: Mapping[int, int] = field(default_factory=dict)
    """Calls by hour."""
    places: Mapping[int, frozenset[str]] = field(default_factory=dict)
    """From which blocks of addresses it was used, by hour."""
    operations: Mapping[str, float] = field(default_factory=dict)
    """When each operation was called first, as far back as is known."""
    windows: tuple[Window, ...] = ()
    answered: int = 0
    """How many calls of the last quarter of an hour were answered, and how many of these with an error."""
    failed: int = 0
    versions: tuple[Old, ...] = ()
    in_url: int = 0
    """How many requests of the last hour had it in their path."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found: how bad, in words, and in numbers. A higher *level* of the same alert is told again."""

    level: int
    severity: str
    text: str
    facts: Mapping[str, Any]


Numbers = Mapping[str, float]
Rule = Callable[[Picture, Numbers, float], Finding | None]


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a rule that may be set, and its range."""

    default: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of rule."""

    title: str
    rule: Rule
    numbers: Mapping[str, Number]

    def defaults(self) -> dict[str, float]:
        """Its numbers as they are until somebody sets them."""
        return {name: number.default for name, number in self.numbers.items()}


def found(kind: str, picture: Picture, numbers: Numbers, *, firing: bool = False) -> Finding | None:
    """What the rule finds. *firing*: an alert of it fires already, so that it takes less for it to go on."""
    of = KINDS[kind]
    return of.rule(picture, {**of.defaults(), **numbers}, _EASED if firing else 1.0)


def _limit_near(picture: Picture, numbers: Numbers, ease: float) -> Finding | None:
    worst = max(picture.windows, key=lambda window: window.used / window.limit, default=None)
    if worst is None:
        return None
    percent = 100 * worst.used / worst.limit
    levels = (numbers["percent"], 90.0, 100.0)
    level = sum(percent >= each for each in levels)
    if not level and percent < numbers["percent"] * ease:
        return None
    if not level and ease == 1.0:
        return None
    level = max(level, 1)
    return Finding(
        level,
        (INFO, WARNING, CRITICAL)[level - 1],
        f"{worst.used:,} of {worst.limit:,} requests in {worst.window_s} s were used ({percent:.0f} %).",
        {"limit": worst.limit, "window_s": worst.window_s, "used": worst.used, "percent": round(percent, 1)},
    )


def _error_rate(picture: Picture, numbers: Numbers, ease: float) -> Finding | None:
    if picture.answered < numbers["least"] * ease:
        return None
    percent = 100 * picture.failed / picture.answered
    if percent < numbers["percent"] * ease:
        return None
    return Finding(
        1,
        WARNING,
        f"{picture.failed:,} of {picture.answered:,} answers in the last 15 minutes were errors ({percent:.0f} %).",
        {"answered": picture.answered, "failed": picture.failed, "percent": round(percent, 1)},
    )


def _unusual_volume(picture: Picture, numbers: Numbers, ease: float) -> Finding | None:
    calls = picture.hours.get(picture.hour, 0)
    if calls < numbers["least"] * ease:
        return None
    known = usual(picture.hours, picture.hour)
    if known is None or known.score(calls) < _SCORE * ease:
        return None
    if calls < max(numbers["times"] * known.expected, known.busiest) * ease:
        return None
    facts = {"calls": calls, "expected": round(known.expected, 1), "score": round(known.score(calls), 1)}
    text = f"{calls:,} calls in an hour that usually has about {known.expected:,.0f}."
    return Finding(1, WARNING, text, facts)


def _new_address_range(picture: Picture, numbers: Numbers, _ease: float) -> Finding | None:
    since = picture.hour - 24
    lately = set[str]().union(*(picture.places.get(hour, ()) for hour in range(since, picture.hour + 1)))
    if not lately:
        return None
    before = set[str]().union(*(blocks for hour, blocks in picture.places.items() if hour < since))
    new = sorted(lately - before)
    if not new or len(before) > numbers["most"]:
        return None
    if len({hour // 24 for hour in picture.places if hour < since}) < numbers["days"]:
        return None  # nothing is stable yet
    text = f"It was used from {_listed(new)}, which it never was before. Usual are {_listed(sorted(before))}."
    return Finding(1, WARNING, text, {"new": new[:10], "known": len(before)})


def _new_operation(picture: Picture, numbers: Numbers, _ease: float) -> Finding | None:
    first = min(picture.operations.values(), default=picture.now)
    if picture.now - first < numbers["days"] * DAY_S:
        return None
    new = sorted(name for name, at in picture.operations.items() if picture.now - at < DAY_S)
    if not new:
        return None
    text = f"It called {_listed(new)} for the first time."
    return Finding(1, INFO, text, {"operations": new[:10], "known": len(picture.operations) - len(new)})


def _silent_key_wakes(picture: Picture, numbers: Numbers, _ease: float) -> Finding | None:
    woke = next((hour for hour in range(picture.hour - 24, picture.hour + 1) if picture.hours.get(hour)), None)
    if woke is None:
        return None
    before = max((hour for hour, calls in picture.hours.items() if calls and hour < woke), default=None)
    first = min(picture.operations.values(), default=picture.now) // HOUR_S
    if before is None and first >= picture.hour - _KNOWN_H:
        return None  # it is new
    days = int(woke - (picture.hour - _KNOWN_H if before is None else before)) // 24
    if days < numbers["days"]:
        return None
    text = f"It is used again after {'at least ' if before is None else ''}{days} days of silence."
    return Finding(1, WARNING, text, {"days": days})


def _many_addresses(picture: Picture, numbers: Numbers, ease: float) -> Finding | None:
    count = len(picture.places.get(picture.hour, ()))
    if count < numbers["least"] * ease:
        return None
    most = crowd({hour: len(blocks) for hour, blocks in picture.places.items()}, picture.hour)
    bound = max(numbers["least"], numbers["times"] * (numbers["least"] if most is None else most))
    if count < bound * ease:
        return None
    usual_are = "what is usual for it is not known yet" if most is None else f"at most {most} are usual"
    text = f"In one hour it was used from {count} networks; {usual_are}."
    return Finding(1, CRITICAL, text, {"networks": count, "usual": most})


def _suspected_sharing(picture: Picture, numbers: Numbers, ease: float) -> Finding | None:
    lately = [len(picture.places.get(picture.hour - back, ())) for back in range(24)]
    if sum(count >= numbers["least"] * ease for count in lately) < numbers["hours"] * ease:
        return None
    first = picture.hour - 23
    known = crowd({hour: len(blocks) for hour, blocks in picture.places.items() if hour < first}, first)
    if known is None:
        return None
    many = sum(count >= max(numbers["least"], 2 * known) * ease for count in lately)
    if many < numbers["hours"] * ease:
        return None
    text = f"In {many} of the last 24 hours it was used from many networks at once; at most {known} are usual."
    return Finding(1, WARNING, text, {"hours": many, "usual": known})


def _unused_key(picture: Picture, numbers: Numbers, _ease: float) -> Finding | None:
    since = picture.last_used_at if picture.last_used_at is not None else picture.created_at
    days = (picture.now - since) / DAY_S
    level = sum(days >= each for each in (numbers["days"], max(90.0, numbers["days"])))
    if not level:
        return None
    whole = int(days)
    said = "issued, and never used," if picture.last_used_at is None else "last used"
    return Finding(level, INFO, f"It was {said} {whole} days ago. What nobody needs is best revoked.", {"days": whole})


def _expiring(picture: Picture, numbers: Numbers, _ease: float) -> Finding | None:
    if picture.expires_at is None or picture.expires_at <= picture.now:
        return None
    days = (picture.expires_at - picture.now) / DAY_S
    level = sum(days <= each for each in (numbers["days"], min(7.0, numbers["days"]), min(1.0, numbers["days"])))
    if not level:
        return None
    left = f"{days:.0f} days" if days >= 2 else f"{24 * days:.0f} hours"
    severity = (INFO, WARNING, CRITICAL)[level - 1]
    return Finding(level, severity, f"It ends in {left}.", {"expires_at": picture.expires_at, "days": round(days, 1)})


def _rotation_due(picture: Picture, numbers: Numbers, _ease: float) -> Finding | None:
    days = (picture.now - picture.created_at) / DAY_S
    if not picture.live or days < numbers["days"]:
        return None
    text = f"It is {days:.0f} days old. Keys of production are best replaced every {numbers['days']:.0f} days."
    return Finding(1, INFO, text, {"days": int(days)})


def _deprecated_version(picture: Picture, _numbers: Numbers, _ease: float) -> Finding | None:
    worst = min(picture.versions, key=lambda each: each.sunset_at or float("inf"), default=None)
    if worst is None:
        return None
    days = None if worst.sunset_at is None else (worst.sunset_at - picture.now) / DAY_S
    level = 1 if days is None else 1 + sum(days <= each for each in (30, 7))
    ends = "" if days is None else f" It ends in {max(days, 0):.0f} days, and is refused from then on."
    return Finding(
        level,
        (INFO, WARNING, CRITICAL)[level - 1],
        f"It called version {worst.version}, which is deprecated, {worst.calls:,} times in the last week.{ends}",
        {"version": worst.version, "calls": worst.calls, "sunset_at": worst.sunset_at},
    )


def _key_in_url(picture: Picture, _numbers: Numbers, _ease: float) -> Finding | None:
    if not picture.in_url:
        return None
    text = f"{picture.in_url:,} requests of an hour had it in their path, where logs keep it. Send it in a header."
    return Finding(1, CRITICAL, text, {"requests": picture.in_url})


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


KINDS: Final[Mapping[str, Kind]] = {
    "limit_near": Kind("The limit is near", _limit_near, {"percent": Number(75, 10, 90)}),
    "error_rate": Kind("Many errors", _error_rate, {"percent": Number(20, 1, 100), "least": Number(50, 10, 1e6)}),
    "unusual_volume": Kind(
        "Unusually many calls", _unusual_volume, {"times": Number(4, 1.5, 100), "least": Number(100, 10, 1e9)}
    ),
    "new_address_range": Kind(
        "Used from a new network", _new_address_range, {"days": Number(14, 2, 28), "most": Number(20, 1, 1_000)}
    ),
    "new_operation": Kind("A new operation", _new_operation, {"days": Number(14, 2, 365)}),
    "silent_key_wakes": Kind("A silent key woke", _silent_key_wakes, {"days": Number(30, 2, 56)}),
    "many_addresses": Kind(
        "Used from many networks at once", _many_addresses, {"least": Number(8, 3, 1e5), "times": Number(3, 1, 100)}
    ),
    "suspected_sharing": Kind(
        "Perhaps shared", _suspected_sharing, {"least": Number(5, 2, 1e5), "hours": Number(_SHARING_H, 2, 24)}
    ),
    "unused_key": Kind("An unused key", _unused_key, {"days": Number(30, 1, 3_650)}),
    "expiring": Kind("A key ends soon", _expiring, {"days": Number(30, 1, 365)}),
    "rotation_due": Kind("A key is due for replacement", _rotation_due, {"days": Number(90, 1, 3_650)}),
    "deprecated_version": Kind("A deprecated version is called", _deprecated_version, {}),
    "key_in_url": Kind("A key was seen in an address", _key_in_url, {}),
}
"""Every kind of rule, in the order in which they are shown."""

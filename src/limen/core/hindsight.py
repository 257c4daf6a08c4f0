"""What was known of a key hour by hour: so that a rule can be asked what it would have said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from limen.core.alerts import Old, Picture, Window, found
from limen.core.baseline import WEEK, WEEKS

HOUR_S = 3_600.0
PLACES_H = 30 * 24
"""For how many hours it is known from where a key was used."""


@dataclass(frozen=True, slots=True)
class Hour:
    """What else is known of one hour: how many answers it had, with an error or not, and the windows of its limits."""

    answered: int = 0
    failed: int = 0
    windows: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """All that is known of a key, by Unix hours; what is missing was nothing."""

    created_at: float
    live: bool = True
    expires_at: float | None = None
    hours: Mapping[int, int] = field(default_factory=dict)
    places: Mapping[int, frozenset[str]] = field(default_factory=dict)
    operations: Mapping[str, float] = field(default_factory=dict)
    each: Mapping[int, Hour] = field(default_factory=dict)
    versions: Mapping[int, tuple[Old, ...]] = field(default_factory=dict)
    """Deprecated versions called in the week up to a day (Unix days)."""


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when (Unix seconds) an alert would have fired, and what it would have said at first."""

    at: float
    until: float | None
    """None: it would be firing still."""
    severity: str
    text: str


def pictures(history: History, begin: int, end: int) -> Iterator[Picture]:
    """What was known when each hour was over, from *begin* up to, and without, *end*.

    A picture is right until the next is asked for: they share what they are made of.
    """
    hours = {hour: calls for hour, calls in sorted(history.hours.items()) if begin - WEEK * (WEEKS + 1) <= hour < begin}
    places = {hour: blocks for hour, blocks in history.places.items() if begin - PLACES_H <= hour < begin}
    last = max((hour for hour in history.hours if hour < begin), default=None)
    for hour in range(begin, end):
        now = (hour + 1) * HOUR_S
        if history.hours.get(hour):
            hours[hour], last = history.hours[hour], hour
        if hour in history.places:
            places[hour] = history.places[hour]
        hours.pop(hour - WEEK * (WEEKS + 1), None)
        places.pop(hour - PLACES_H, None)
        if now <= history.created_at:
            continue
        also = history.each.get(hour, Hour())
        yield Picture(
            now=now,
            created_at=history.created_at,
            live=history.live,
            expires_at=history.expires_at,
            last_used_at=None if last is None else (last + 1) * HOUR_S,
            hour=hour,
            hours=hours,
            places=places,
            operations={name: at for name, at in history.operations.items() if at < now},
            windows=also.windows,
            answered=also.answered,
            failed=also.failed,
            versions=history.versions.get(hour // 24, ()),
        )


def spans(kind: str, numbers: Mapping[str, float], seen: Iterable[Picture], calm_h: int) -> list[Span]:
    """When the rule would have fired; over after *calm_h* hours in which it found nothing."""
    told: list[Span] = []
    calm: int | None = None
    for picture in seen:
        finding = found(kind, picture, numbers, firing=calm is not None)
        if finding is not None and calm is None:
            told.append(Span(picture.now, None, finding.severity, finding.text))
        if finding is not None:
            calm = 0
        elif calm is not None:
            calm += 1
            if calm > calm_h:
                told[-1] = Span(told[-1].at, picture.now, told[-1].severity, told[-1].text)
                calm = None
    return told

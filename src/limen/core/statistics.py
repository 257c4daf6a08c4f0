"""What roll-ups say: figures of a time, beside those of the time before; series without gaps; how long answers took.

A refusal is Limen's own and no error of the API: rates are over what was admitted, and answered with a status that is
known. How much of what was admitted that is, is told beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate

from limen.core.rollup import DAY_S, GRAINS, bucket_ms

MONTH = "month"
GRANULARITIES = (*GRAINS, MONTH)
"""By what a series is: minute, hour, day, month; months are sums of days, in UTC."""

MOST_POINTS = 1_500
"""How many points a series has at most."""

_FEW_POINTS = 200
_COARSE_FIRST = tuple(reversed(GRAINS.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How many decisions there were, what was decided, and what the API answered to those that it admitted."""

    calls: int
    admitted: int
    refused: int
    answered: int
    """Of the admitted, those whose status is known."""
    succeeded: int
    """Answered with 1xx to 3xx."""
    client_errors: int
    """Answered with 4xx."""
    server_errors: int
    """Answered with 5xx."""
    known_percent: float | None
    """How much of what was admitted has a status that is known; None: nothing was admitted."""
    success_percent: float | None
    """Succeeded, of the answered; None: no status is known."""
    error_percent: float | None
    """Client and server errors, of the answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point(Figures):
    """The figures of one span of a series, which begins at *at* (Unix seconds)."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Figures):
    """The figures of one part of all calls: those with this *value* of what was asked for."""

    value: str
    before: int | None
    """How many calls it had in the time before, which is as long; None: that is not kept any more."""
    change_percent: float | None


@dataclass(frozen=True, slots=True)
class Latency:
    """How long answers took, each figure within 9 %: half of them, nine in ten, ninety-nine in a hundred at most so."""

    answers: int
    p50_ms: float
    p90_ms: float
    p99_ms: float


def of_counts(counts: Sequence[int]) -> dict[str, int | float | None]:
    """The fields of ``Figures``: *counts* are calls, admitted, and of those the answered by class, 1xx to 5xx."""
    calls, admitted, *classes = counts
    answered, errors = sum(classes), sum(classes[3:])
    return {
        "calls": calls,
        "admitted": admitted,
        "refused": calls - admitted,
        "answered": answered,
        "succeeded": answered - errors,
        "client_errors": classes[3],
        "server_errors": classes[4],
        "known_percent": percent(answered, admitted),
        "success_percent": percent(answered - errors, answered),
        "error_percent": percent(errors, answered),
    }


def figures(counts: Sequence[int]) -> Figures:
    """The figures of *counts*."""
    return Figures(**of_counts(counts))  # type: ignore[arg-type]  # the fields, by their names


def point(at: int, counts: Sequence[int]) -> Point:
    """The figures of *counts*, of the span that begins at *at*."""
    return Point(at=float(at), **of_counts(counts))  # type: ignore[arg-type]  # as above


def part(value: str, counts: Sequence[int], before: int | None) -> Part:
    """The figures of *counts*, for *value*."""
    return Part(value=value, before=before, change_percent=change(counts[0], before), **of_counts(counts))  # type: ignore[arg-type]  # as above


def percent(some: int, of: int) -> float | None:
    """*some* in percent *of* all, to two places; None where there is nothing. All or nothing alone are 100 and 0."""
    if of == 0:
        return None
    found = round(100 * some / of, 2)
    if 0 < some < of:
        return min(max(found, 0.01), 99.99)
    return found


def change(now: int, before: int | None) -> float | None:
    """By how much *now* is more than *before*, in percent; None where there was nothing, or nobody knows."""
    return round(100 * (now - before) / before, 1) if before else None


def latency(buckets: Mapping[int, int]) -> Latency | None:
    """What is said of *buckets*: answers by bucket of ``core.rollup``. None where there are none."""
    places = sorted(buckets)
    upto = list(accumulate(buckets[place] for place in places))
    if not upto or upto[-1] == 0:
        return None

    def below(share: float) -> float:
        place = next(place for place, count in zip(places, upto, strict=True) if count >= share * upto[-1])
        return round(bucket_ms(place + 0.5), 3)  # the middle of the bucket: what lies in it is within 9 % of that

    return Latency(upto[-1], below(0.5), below(0.9), below(0.99))


def floor(at: float, grain: str) -> int:
    """Where the span of *grain* begins that *at* lies in, Unix seconds."""
    if grain != MONTH:
        return int(at // GRAINS[grain] * GRAINS[grain])
    day = datetime.fromtimestamp(at, UTC)
    return int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp())


def following(begin: int, grain: str) -> int:
    """Where the span behind the one of *begin* begins."""
    return begin + GRAINS[grain] if grain != MONTH else floor(begin + 31 * DAY_S, MONTH)


def ceiling(at: float, grain: str) -> int:
    """Where a span of *grain* begins, at *at* or next after it."""
    begin = floor(at, grain)
    return begin if begin == at else following(begin, grain)


def grid(since: int, until: int, grain: str) -> Iterator[int]:
    """Where each span of *grain* from *since* to *until* begins. Both are such places."""
    while since < until:
        yield since
        since = following(since, grain)


def how_many(since: int, until: int, grain: str) -> int:
    """How many spans that is, of months at least."""
    return (until - since) // (GRAINS[grain] if grain != MONTH else 31 * DAY_S)


def fitting(since: float, until: float) -> str:
    """The finest granularity by which a series of this time has few enough points for a chart."""
    return next((name for name, span_s in GRAINS.items() if until - since <= _FEW_POINTS * span_s), "day")


def exactness(length_s: float) -> str:
    """To what a time of this length is rounded where it is added up."""
    return "minute" if length_s <= 2 * DAY_S else "hour" if length_s <= 92 * DAY_S else "day"


def pieces(since: int, until: int, finest: str) -> Iterator[tuple[str, int, int]]:
    """The time from *since* to *until* in a few pieces of whole spans, each as long as it can be: grain, begin, end.

    Both are multiples of the *finest* grain. At most five pieces, so that a year is not added up by the minute.
    """
    return _split(since, until, tuple(each for each in _COARSE_FIRST if each[1] >= GRAINS[finest]))


def _split(since: int, until: int, grains: tuple[tuple[str, int], ...]) -> Iterator[tuple[str, int, int]]:
    if since >= until:
        return
    (grain, span_s), *finer = grains
    begin, end = -(-since // span_s) * span_s, until // span_s * span_s
    if begin >= end:
        yield from _split(since, until, tuple(finer))
        return
    yield from _split(since, begin, tuple(finer))
    yield grain, begin, end
    yield from _split(end, until, tuple(finer))

"""Figures of a time: in all, as a series, and by what they are made of (R260 to R264)."""

from __future__ import annotations

from dataclasses import dataclass

from limen.control.statistics import _rows
from limen.control.statistics.whose import Asked, Time, kept_since, time_of, whose_of
from limen.core import statistics
from limen.core.problems import ProblemError
from limen.core.rollup import GRAINS
from limen.core.statistics import GRANULARITIES, MONTH, MOST_POINTS, Figures, Latency, Part, Point
from limen.core.versions import iso_instant
from limen.db.transaction import Reader

__all__ = ["Asked", "Totals", "by", "series", "totals"]

DIMENSIONS = ("code", "operation", "version", "status", "key", "owner")
ORDERS = ("calls", "refused", "errors")


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals(Figures):
    """The figures from *since_at* to *until_at* (Unix seconds), which are whole minutes, hours or days."""

    since_at: float
    until_at: float
    before: Figures | None
    """Those of the time before, which is as long; None: that is not kept any more."""
    change_percent: float | None
    """By how much there were more calls than before."""
    latency: Latency | None
    """How long answers took, in the same time by whole hours; None: nobody knows."""
    addresses: int | None
    """From how many addresses a key, or an owner's keys, were used, by whole hours; None: of whole APIs, or gone."""
    last_used_at: float | None
    """When a key, or one of an owner's, was used last; of whole APIs, in which minute, if it is kept. None: never."""


def totals(reader: Reader, asked: Asked) -> Totals:
    """What there was in all.

    Up to 2 days are exact to the minute, up to 92 days to the hour, longer ones, and what is so long ago that minutes
    and hours are not kept any more, to the day. Raises ``key_unknown``, ``owner_unknown``, ``api_unknown``,
    ``request_malformed`` and ``usage_gone``.
    """
    whose = whose_of(reader, asked)
    time = time_of(reader, asked, whose)
    counts = _rows.total(reader.connection, whose, time.pieces)
    before = None
    if time.before is not None:
        before = statistics.figures(_rows.total(reader.connection, whose, time.before))
    begin, end = statistics.floor(time.since, "hour"), statistics.ceiling(time.until, "hour")
    of_one = (whose.place or whose.owner) and begin >= kept_since(reader, whose.apis, "reading")
    return Totals(
        since_at=float(time.since),
        until_at=float(time.until),
        before=before,
        change_percent=statistics.change(counts[0], before.calls if before is not None else None),
        latency=_latency(reader, asked, whose, begin, end),
        addresses=_rows.addresses(reader.connection, whose, begin, end) if of_one else None,
        last_used_at=_rows.last_used(reader.connection, whose),
        **statistics.of_counts(counts),  # type: ignore[arg-type]  # the fields, by their names
    )


def _latency(reader: Reader, asked: Asked, whose: _rows.Whose, begin: int, end: int) -> Latency | None:
    """None, too, where a version or a code was asked for: how long answers took is kept by operation alone."""
    if asked.version or asked.code or begin < kept_since(reader, whose.apis, "hour"):
        return None
    return statistics.latency(_rows.buckets(reader.connection, whose, begin, end))


def series(reader: Reader, asked: Asked, granularity: str = "") -> list[Point]:
    """The figures by minute, hour, day or month, each span from the first to the last; also those without a call.

    Without a *granularity*, it is one that suits a chart. At most ``MOST_POINTS``. Raises what ``totals`` does;
    ``usage_gone`` where the granularity is not kept for as long.
    """
    whose = whose_of(reader, asked)
    since, until = time_of(reader, asked, whose, gone_too=True).asked
    grain = granularity or _suiting(reader, whose, since, until)
    if grain not in GRANULARITIES:
        allowed = ", ".join(GRANULARITIES)
        raise ProblemError("request_malformed", f"granularity: found {grain[:16]!r}, allowed: {allowed}.")
    begin, end = statistics.floor(since, grain), statistics.ceiling(until, grain)
    if (count := statistics.how_many(begin, end, grain)) > MOST_POINTS:
        raise ProblemError(
            "request_malformed",
            f"By the {grain} this is {count} points, at most {MOST_POINTS}: ask for less, or more coarsely.",
        )
    stored = "day" if grain == MONTH else grain
    require_kept(reader, whose, begin, stored)
    found: dict[int, list[int]] = {}
    for row in _rows.by_span(reader.connection, whose, (stored, begin, end)):
        at, *counts = row
        total = found.setdefault(statistics.floor(at, grain), [0] * len(counts))
        total[:] = map(sum, zip(total, counts, strict=True))
    nothing = [0] * 7
    return [statistics.point(at, found.get(at, nothing)) for at in statistics.grid(begin, end, grain)]


def _suiting(reader: Reader, whose: _rows.Whose, since: float, until: float) -> str:
    names = (*GRAINS, MONTH)
    for name in names[names.index(statistics.fitting(since, until)) :]:
        stored = "day" if name == MONTH else name
        few = statistics.how_many(statistics.floor(since, name), int(until), name) <= MOST_POINTS
        if few and statistics.floor(since, name) >= kept_since(reader, whose.apis, stored):
            return name
    return MONTH


def require_kept(reader: Reader, whose: _rows.Whose, begin: int, stored: str) -> None:
    """Raises ``usage_gone`` where the roll-ups by *stored* do not go back to *begin*."""
    if begin < (kept := kept_since(reader, whose.apis, stored)):
        raise ProblemError("usage_gone", f"What was used by the {stored} is kept since {iso_instant(float(kept))}.")


def by(reader: Reader, asked: Asked, of: str, *, order: str = "calls", limit: int = 50) -> list[Part]:
    """The calls by their code, operation, version, status class, key or owner, each beside the time before.

    The most come first, by calls, by refusals, or by errors that the API answered; at most *limit*. A status class is
    one of what was admitted; ``unknown`` are those whose status nobody told. Raises what ``totals`` does.
    """
    for name, found, allowed in (("of", of, DIMENSIONS), ("order", order, ORDERS)):
        if found not in allowed:
            raise ProblemError("request_malformed", f"{name}: found {found[:16]!r}, allowed: {', '.join(allowed)}.")
    whose = whose_of(reader, asked)
    time = time_of(reader, asked, whose)
    if of == "status":
        return _by_status(reader, whose, time)[:limit]
    rows = _rows.parts(reader.connection, whose, time.pieces, of=of, by=order, limit=limit)
    values = [row[0] for row in rows]
    before = None
    if time.before is not None and values:
        before = _rows.calls_of(reader.connection, whose, time.before, of=of, values=values)
    return [statistics.part(value, counts, None if before is None else before.get(value, 0)) for value, *counts in rows]


def _by_status(reader: Reader, whose: _rows.Whose, time: Time) -> list[Part]:
    now = _classes(_rows.total(reader.connection, whose, time.pieces))
    then = None if time.before is None else _classes(_rows.total(reader.connection, whose, time.before))
    parts = []
    for place, (value, count) in enumerate(now.items()):
        if count:
            counts = [count, count, *(count if place == each else 0 for each in range(5))]
            parts.append(statistics.part(value, counts, None if then is None else then[value]))
    return sorted(parts, key=lambda part: -part.calls)


def _classes(counts: tuple[int, ...]) -> dict[str, int]:
    _, admitted, *classes = counts
    return {f"{each}xx": count for each, count in enumerate(classes, 1)} | {"unknown": admitted - sum(classes)}

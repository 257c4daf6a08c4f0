"""Numbers for a monitor, as data: told in Prometheus' text format here, or in another form elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil

from limen.core.rollup import STEPS, bucket_ms

_LOWEST, _HIGHEST = 8, 26
"""The bounds of a histogram: powers of two of a microsecond, 0.26 ms to 67 s. They are bounds of buckets too."""

BOUNDS_S = tuple(2**power / 1e6 for power in range(_LOWEST, _HIGHEST + 1))


@dataclass(frozen=True, slots=True)
class Point:
    """One number."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Spread:
    """How long things took."""

    labels: Mapping[str, str]
    counts: Sequence[int]
    """How many took at most each of ``BOUNDS_S``, and more than the one before; the last: more than all of them."""
    sum_s: float
    """Of all of them, in seconds."""


@dataclass(frozen=True, slots=True)
class Family:
    """Numbers of one name. Its points are of one sort: those of a ``histogram`` are spreads."""

    name: str
    kind: str
    """``counter``, ``gauge`` or ``histogram``."""
    said: str
    points: Sequence[Point | Spread]
    unit: str = ""
    """As UCUM has it: ``s``, ``By``, or what is counted in braces."""
    since: float | None = None
    """From which moment on a counter or histogram counts, in Unix seconds; then it begins at 0 again."""


def spread(labels: Mapping[str, str], took: Mapping[int, int]) -> Spread:
    """What took so long, by bucket of ``core.rollup``. The sum is within 9 %, as each is known by its bucket alone."""
    below: Counter[int] = Counter()
    for place, count in took.items():
        below[min(max(_LOWEST, ceil((place + 1) / STEPS)), _HIGHEST + 1)] += count
    counts = [below[power] for power in range(_LOWEST, _HIGHEST + 2)]
    total_s = round(sum(count * bucket_ms(place + 0.5) for place, count in took.items()) / 1e3, 6)
    return Spread(labels, counts, total_s)


def text(families: Sequence[Family]) -> str:
    """All of them in the text format of Prometheus, 0.0.4."""
    return "".join(f"{line}\n" for family in families for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {family.said}"
    yield f"# TYPE {family.name} {family.kind}"
    for point in family.points:
        if isinstance(point, Point):
            yield _sample(family.name, point.labels, point.value)
            continue
        total = sum(point.counts)
        for bound, count in zip(BOUNDS_S, accumulate(point.counts), strict=False):
            yield _sample(f"{family.name}_bucket", {**point.labels, "le": f"{bound:.6g}"}, count)
        yield _sample(f"{family.name}_bucket", {**point.labels, "le": "+Inf"}, total)
        yield _sample(f"{family.name}_sum", point.labels, point.sum_s)
        yield _sample(f"{family.name}_count", point.labels, total)


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    told = ",".join(f'{label}="{_escaped(content)}"' for label, content in labels.items())
    return f"{name}{{{told}}} {value:.16g}" if told else f"{name} {value:.16g}"


def _escaped(content: str) -> str:
    return content.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

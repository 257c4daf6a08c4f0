"""Timing in alternating blocks: a floor and a subject in turn, so that a machine that slows down slows both.

Many short blocks, a few milliseconds each: what else runs on the machine comes and goes more slowly than that.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import perf_counter_ns


@dataclass(frozen=True, slots=True)
class Figure:
    """A ratio of a subject to its floor: the median over the blocks, with its quartiles, and both in their own unit."""

    name: str
    ratio: float
    low: float
    high: float
    subject: float
    floor: float
    unit: str
    budget: float | None = None

    @property
    def kept(self) -> bool:
        """Whether the budget holds."""
        return self.budget is None or self.ratio <= self.budget


def compare(
    name: str,
    subject: Callable[[int], None],
    floor: Callable[[int], None],
    *,
    rounds: int,
    blocks: int = 151,
    budget: float | None = None,
) -> Figure:
    """*subject* and *floor* are called with how often to do their thing; µs each, in *blocks* pairs after a warm-up."""
    subject(rounds)
    floor(rounds)
    pairs = [(_time(subject, rounds), _time(floor, rounds)) for _ in range(blocks)]
    ratios = sorted(a / b for a, b in pairs)
    return Figure(
        name,
        statistics.median(ratios),
        ratios[len(ratios) // 4],
        ratios[3 * len(ratios) // 4],
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        "µs",
        budget,
    )


def _time(thing: Callable[[int], None], rounds: int) -> float:
    start = perf_counter_ns()
    thing(rounds)
    return (perf_counter_ns() - start) / rounds / 1_000


def in_own_process(module: str, *words: str) -> list[Figure]:
    """The figures that ``python -m MODULE WORDS…`` prints as JSON: variants in one process slow one another."""
    line = [sys.executable, "-m", module, *words]
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    return [Figure(**{key: value for key, value in row.items() if key != "kept"}) for row in json.loads(done.stdout)]


def as_rows(figures: list[Figure]) -> list[dict[str, object]]:
    """The figures as plain data."""
    return [asdict(figure) | {"kept": figure.kept} for figure in figures]

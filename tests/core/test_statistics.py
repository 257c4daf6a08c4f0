"""The arithmetic of statistics: pieces of time, spans of a series, quantiles, and shares."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.core import statistics
from limen.core.rollup import DAY_S, GRAINS, bucket

MINUTES = st.integers(0, 200_000)


@given(MINUTES, MINUTES, st.sampled_from(sorted(GRAINS)))
def test_pieces_are_the_whole_time_and_never_twice(one: int, other: int, finest: str) -> None:
    since, until = sorted(each * 60 // GRAINS[finest] * GRAINS[finest] for each in (one, other))
    found = list(statistics.pieces(since, until, finest))
    assert len(found) <= 5
    assert [begin for _, begin, _ in found] + [until] == ([since] + [end for _, _, end in found] if found else [until])
    for grain, begin, end in found:
        assert begin < end
        assert begin % GRAINS[grain] == end % GRAINS[grain] == 0
        assert GRAINS[grain] >= GRAINS[finest]
        finer = [each for each in GRAINS.values() if each > GRAINS[grain]]
        assert all(-(-begin // span) * span >= end // span * span or span == GRAINS[grain] for span in finer)


@given(st.integers(0, 4_000_000_000))
def test_months_are_those_of_the_calendar(at: int) -> None:
    begin = statistics.floor(at, "month")
    after = statistics.following(begin, "month")
    first, then = datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(after, UTC)
    assert begin <= at < after
    assert (first.day, first.hour, then.day, then.hour) == (1, 0, 1, 0)
    assert (then.year, then.month) == (first.year + first.month // 12, first.month % 12 + 1)
    assert statistics.ceiling(begin, "month") == begin
    assert statistics.ceiling(begin + 0.5, "month") == after


def test_a_grid_has_no_gaps() -> None:
    begin, end = statistics.floor(0, "month"), statistics.floor(40 * 365 * DAY_S, "month")
    months = list(statistics.grid(begin, end, "month"))
    assert len(months) == 40 * 12 - 1 or len(months) == 40 * 12
    assert all(28 <= (later - each) / DAY_S <= 31 for each, later in itertools.pairwise(months))
    assert list(statistics.grid(0, 300, "minute")) == [0, 60, 120, 180, 240]


@pytest.mark.parametrize("seed", range(4))
def test_quantiles_are_within_nine_percent(seed: int) -> None:
    rng = random.Random(seed)
    took = sorted(rng.lognormvariate(8, 2) + 10 for _ in range(2_000))
    buckets: dict[int, int] = {}
    for each in took:
        buckets[bucket(int(each))] = buckets.get(bucket(int(each)), 0) + 1
    found = statistics.latency(buckets)
    assert found is not None
    for share, said in ((0.5, found.p50_ms), (0.9, found.p90_ms), (0.99, found.p99_ms)):
        exact = took[int(share * len(took)) - 1] / 1_000
        assert said == pytest.approx(exact, rel=0.1)
    assert statistics.latency({}) is None


def test_almost_all_is_not_all() -> None:
    assert statistics.percent(1_000_000, 1_000_000) == 100
    assert statistics.percent(999_999, 1_000_000) == 99.99
    assert statistics.percent(1, 1_000_000) == 0.01
    assert statistics.percent(0, 5) == 0
    assert statistics.percent(0, 0) is None
    assert (statistics.change(5, None), statistics.change(5, 0), statistics.change(5, 10)) == (None, None, -50.0)

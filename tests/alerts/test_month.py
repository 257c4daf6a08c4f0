"""A made-up month on seeds that nothing was tuned on: every incident is found, and hardly anything else."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.alerts.judged import Judged, judge, naive

SEEDS = (7_001,)
"""The rules were tuned on seeds below 1,000."""
KEYS = 20


@pytest.fixture(scope="module")
def judged() -> list[Judged]:
    """What became of the month, by seed."""
    return [judge(seed, KEYS) for seed in SEEDS]


@pytest.mark.req("R267")
def test_every_incident_is_found(judged: list[Judged]) -> None:
    planted, found = Counter[str](), Counter[str]()
    for each in judged:
        planted += each.planted
        found += each.found
    assert set(planted) == {"leak", "errors", "creep", "wakes", "flood"}
    assert found == planted


def test_there_is_at_most_one_false_alarm_a_key_and_month(judged: list[Judged]) -> None:
    assert sum(sum(each.false.values()) for each in judged) <= sum(each.keys for each in judged)
    assert max(each.worst for each in judged) <= 1


def test_a_naive_threshold_has_many_times_as_many(judged: list[Judged]) -> None:
    ours = sum(each.false["unusual_volume"] for each in judged)
    theirs = judge(SEEDS[0], KEYS, naive, ("unusual_volume",)).false["unusual_volume"]
    assert theirs > 10 * max(1, ours)

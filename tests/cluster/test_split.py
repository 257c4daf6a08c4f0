"""Two authorities as one, and what happens while one is gone."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.cluster.outage import AGAIN_S, Outage
from limen.cluster.split import SplitWindows
from limen.core.limits import Limit
from limen.gate.counting import Answer, AuthorityBusy, AuthorityGone, Claim, Request, Return
from tests.contracts.authorities import MemoryWindows, Moved, request

SHORT, LONG = Limit("allowance", 3, 60), Limit("allowance", 2, 3_600)


class _Known(MemoryWindows):
    """An authority that may be gone."""

    def __init__(self, clock: Moved) -> None:
        super().__init__(clock)
        self.gone: type[AuthorityGone] | None = None

    def decide(self, requests: Sequence[Request], returns: Sequence[Return] = ()) -> list[Answer]:
        """As ``Authority.decide``."""
        if self.gone is not None:
            raise self.gone("out of reach")
        return super().decide(requests, returns)

    def used(self, limit: Limit, whose: bytes = b"a") -> int:
        """How much has been taken."""
        kept = self.kept.get((limit.windows, whose))
        return 0 if kept is None else kept.window.used


@pytest.fixture
def clock() -> Moved:
    """The time."""
    return Moved()


@pytest.fixture
def short(clock: Moved) -> _Known:
    """Where short windows are."""
    return _Known(clock)


@pytest.fixture
def long(clock: Moved) -> _Known:
    """Where long windows are."""
    return _Known(clock)


def test_each_limit_is_counted_where_its_window_belongs(short: _Known, long: _Known) -> None:
    split = SplitWindows(short, long, 60)
    answers = split.decide([request((LONG, b"a"), (SHORT, b"a")), request((SHORT, b"a")), request((LONG, b"a"))])
    assert [[grant.free for grant in answer.grants] for answer in answers] == [[1, 2], [1], [0]]
    assert (short.calls, long.calls) == (1, 1)
    assert (set(short.kept), set(long.kept)) == ({("allowance/60", b"a")}, {("allowance/3600", b"a")})


def test_what_a_short_limit_gave_is_given_back_where_a_long_one_refuses(short: _Known, long: _Known) -> None:
    split = SplitWindows(short, long, 60)
    both = request((SHORT, b"a"), (LONG, b"a"))
    assert [answer.granted for answer in split.decide([both] * 3)] == [True, True, False]
    assert (short.used(SHORT), long.used(LONG)) == (2, 2)
    refused = split.decide([both])[0]
    assert [(grant.units, grant.free) for grant in refused.grants] == [(0, 1), (0, 0)]
    assert short.used(SHORT) == 2


def test_where_a_short_limit_refuses_the_long_one_is_not_asked(short: _Known, long: _Known) -> None:
    split = SplitWindows(short, long, 60)
    split.decide([request((SHORT, b"a"))] * 3)
    refused = split.decide([request((LONG, b"a"), (SHORT, b"a"))])[0]
    assert (refused.granted, long.calls) == (False, 0)
    assert [(grant.units, grant.free) for grant in refused.grants] == [(0, 2), (0, 0)]


limits = st.builds(Limit, st.sampled_from(["a", "b"]), st.integers(0, 4), st.sampled_from([50, 200]), st.booleans())
requests = st.lists(st.lists(limits, min_size=1, max_size=4, unique_by=lambda limit: limit.windows), max_size=20)


@given(requests)
def test_it_agrees_with_one_authority_that_holds_everything(asked: list[list[Limit]]) -> None:
    clock = Moved()
    one, split = MemoryWindows(clock), SplitWindows(MemoryWindows(clock), MemoryWindows(clock), 60)
    for wanted in asked:
        claims = request(*((limit, b"a") for limit in wanted))
        found, expected = split.decide([claims])[0], one.decide([claims])[0]
        assert found.granted == expected.granted
        assert [grant.units for grant in found.grants] == [grant.units for grant in expected.grants]
        for claim, grant, other in zip(claims, found.grants, expected.grants, strict=True):
            assert grant.free >= claim.least or other.free == grant.free, "only what refused has no room"


@pytest.mark.parametrize("how", [AuthorityGone, AuthorityBusy])
def test_where_the_long_one_is_gone_nothing_stays_taken(short: _Known, long: _Known, how: type[AuthorityGone]) -> None:
    split = SplitWindows(short, long, 60)
    long.gone = how
    with pytest.raises(AuthorityGone) as gone:
        split.decide([request((SHORT, b"a"), (LONG, b"a"))])
    assert not isinstance(gone.value, AuthorityBusy)
    assert short.used(SHORT) == 0
    assert split.decide([request((SHORT, b"a"))])[0].granted


def test_who_was_not_asked_at_all_may_be_asked_again(short: _Known, long: _Known) -> None:
    short.gone = AuthorityBusy
    with pytest.raises(AuthorityBusy):
        SplitWindows(short, long, 60).decide([request((SHORT, b"a"), (LONG, b"a"))])
    assert long.calls == 0


# While it is gone.


def test_an_outage_is_said_once_and_so_is_its_end(
    short: _Known, clock: Moved, caplog: pytest.LogCaptureFixture
) -> None:
    outage = Outage(short, "creator", processes=lambda: 4, share=False, now=clock)
    short.gone = AuthorityGone
    for _ in range(5):
        with pytest.raises(AuthorityGone):
            outage.decide([request((SHORT, b"a"))])
        clock.advance(1)
    assert (outage.outages, outage.gone_for_s) == (1, 5.0)
    short.gone = None
    assert outage.decide([request((SHORT, b"a"))])[0].granted
    assert (outage.outages, outage.gone_for_s) == (1, 0.0)
    said = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in said] == [logging.ERROR, logging.WARNING]
    assert "creator" in said[0][1]
    assert "5.0 s" in said[1][1]


@pytest.mark.parametrize(("processes", "part"), [(1, 12), (4, 3), (5, 2), (13, 0), (0, 0)])
def test_a_process_admits_its_part_of_a_limit_and_no_more(
    short: _Known, clock: Moved, processes: int, part: int
) -> None:
    limit = Limit("allowance", 12, 60)
    outage = Outage(short, "creator", processes=lambda: processes, share=True, now=clock)
    assert outage.decide([request((limit, b"a"))])[0].granted
    short.gone = AuthorityGone
    for _ in range(2):
        granted = [outage.decide([request((limit, b"a"))])[0] for _ in range(15)]
        assert [answer.granted for answer in granted] == [True] * part + [False] * (15 - part)
        assert granted[-1].grants[0].ends_in == AGAIN_S, "the authority may be back by then"
        clock.advance(60)


def test_what_memory_gave_is_given_back_to_nobody(short: _Known, clock: Moved) -> None:
    outage = Outage(short, "creator", processes=lambda: 2, share=True, now=clock)
    first = outage.decide([request((SHORT, b"a"))])[0].grants[0]
    short.gone = AuthorityGone
    second = outage.decide([request((SHORT, b"a"))])[0].grants[0]
    assert second.units == 1
    short.gone = None
    outage.decide([], [Return(SHORT, b"a", grant.opened, 1) for grant in (second, second)])
    assert short.used(SHORT) == 1
    outage.decide([], [Return(SHORT, b"a", first.opened, 1)])
    assert short.used(SHORT) == 0


def test_memory_too_takes_from_all_limits_or_from_none(short: _Known, clock: Moved) -> None:
    outage = Outage(short, "creator", processes=lambda: 2, share=True, now=clock)
    short.gone = AuthorityGone
    wide, narrow, shadow = Limit("a", 20, 60), Limit("b", 4, 60), Limit("c", 0, 60, shadow=True)
    claims = (Claim(wide, b"a"), Claim(narrow, b"a"), Claim(shadow, b"a"))
    answers = [outage.decide([claims])[0] for _ in range(4)]
    assert [answer.granted for answer in answers] == [True, True, False, False]
    assert [grant.units for grant in answers[0].grants] == [1, 1, 0]
    left = [outage.decide([(claims[0],)])[0].granted for _ in range(9)]
    assert left == list(itertools.chain([True] * 8, [False]))

"""Counting by an authority: what takes time is gathered, what was asked for and is not answered is never spent."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier, Event, Thread
from time import sleep

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.core.limits import Limit
from limen.gate.counters import Want
from limen.gate.counting import Answer, AuthorityBusy, AuthorityGone, Claim, Request, Return
from limen.gate.sharing import WAITING, SharedCounters
from limen.gate.windows import HostWindows
from tests.contracts.authorities import MemoryWindows, Moved
from tests.gate.test_counters import Oracle, asks

NARROW, WIDE = Limit("allowance", 100, 600), Limit("allowance", 5_000, 600)


class _Slow(MemoryWindows):
    """An authority that answers when it is let go, and may be out of reach."""

    def __init__(self) -> None:
        super().__init__(Moved())
        self.goes, self.gone = Event(), False
        self.goes.set()
        self.batches: list[int] = []
        self.busy = 0

    def decide(self, requests: Sequence[Request], returns: Sequence[Return] = ()) -> list[Answer]:
        """As ``Authority.decide``."""
        self.batches.append(len(requests))
        assert self.goes.wait(30)
        if self.gone:
            raise AuthorityGone("it is out of reach")
        if self.busy:
            self.busy -= 1
            raise AuthorityBusy("it is not its turn")
        return super().decide(requests, returns)


@contextmanager
def _counters(authority: MemoryWindows) -> Iterator[SharedCounters]:
    made = SharedCounters(authority, processes=lambda: 2, clock=authority._now, drift=0.0)
    try:
        yield made
    finally:
        made.close()


def test_what_waits_while_one_call_runs_goes_into_the_next() -> None:
    slow = _Slow()
    with _counters(slow) as counters:
        slow.goes.clear()
        futures = [counters.count([(NARROW, b"a")], 1_000.0) for _ in range(120)]
        slow.goes.set()
        taken = [future.result(30) for future in futures]
    assert sum(each[0] for each in taken) == 100
    assert len(slow.batches) <= 4
    assert [each[2] for each in taken if each[0]] == list(range(99, -1, -1))


def test_a_crowd_asks_for_one_share_and_everybody_is_answered() -> None:
    slow = _Slow()
    with _counters(slow) as counters:
        slow.goes.clear()
        futures = [counters.count([(WIDE, b"a")], 1_000.0) for _ in range(200)]
        slow.goes.set()
        assert all(future.result(30)[0] for future in futures)
        held = slow.kept["allowance/600", b"a"].window.used - 200
        assert 0 <= held <= WIDE.count // 2  # how much one call grants at most; a busy machine looks like a fast caller
    assert slow.kept["allowance/600", b"a"].window.used == 200, "what was held went back when it closed"


def test_where_the_authority_is_gone_whoever_asks_is_told_so_and_what_is_held_is_spent() -> None:
    slow = _Slow()
    with _counters(slow) as counters:
        assert counters.count([(WIDE, b"a")], 1_000.0).result(30)[0]
        slow.gone = True
        assert counters.take([(WIDE, b"a")], 1_000.0) is not None
        with pytest.raises(AuthorityGone):
            counters.count([(NARROW, b"a"), (WIDE, b"a")], 1_000.0).result(30)
        assert counters.failures == 1
        spent = 0
        while counters.take([(WIDE, b"a")], 1_000.0) is not None:
            spent += 1
        assert spent == slow.kept["allowance/600", b"a"].window.used - 2, "nothing of it was lost"
        slow.gone = False
        assert counters.count([(NARROW, b"a"), (WIDE, b"a")], 1_000.0).result(30)[0]


def test_an_authority_that_fails_otherwise_is_gone_too_and_asked_again() -> None:
    slow = _Slow()
    with _counters(slow) as counters:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(slow, "_answer", lambda request: 1 // 0)
            with pytest.raises(AuthorityGone, match="ZeroDivisionError"):
                counters.count([(NARROW, b"a")], 1_000.0).result(30)
        assert counters.count([(NARROW, b"a")], 1_000.0).result(30)[0]


def test_what_could_not_be_given_back_is_given_back_later() -> None:
    slow = _Slow()
    with _counters(slow) as counters:
        assert counters.count([(WIDE, b"a")], 1_000.0).result(30)[0]
        used = slow.kept["allowance/600", b"a"].window.used
        slow.busy = 1
        counters.give_back(everything=True)
        assert slow.kept["allowance/600", b"a"].window.used == used
        counters.give_back()
        assert slow.kept["allowance/600", b"a"].window.used == 1


def test_no_more_wait_than_may() -> None:
    slow = _Slow()
    with _counters(slow) as counters:
        slow.goes.clear()
        futures = [counters.count([(NARROW, b"a")], 1_000.0) for _ in range(WAITING + 300)]
        with pytest.raises(AuthorityGone):
            futures[-1].result(30)
        slow.goes.set()
        assert futures[0].result(30)[0]


def test_who_no_longer_waits_takes_nothing() -> None:
    slow = _Slow()
    with _counters(slow) as counters:
        slow.goes.clear()
        first = counters.count([(NARROW, b"a")], 1_000.0)
        while not slow.batches:
            sleep(0.001)
        second, third = (counters.count([(NARROW, b"a")], 1_000.0) for _ in range(2))
        assert second.cancel()
        slow.goes.set()
        assert (first.result(30)[2], third.result(30)[2]) == (99, 98)


@pytest.fixture(scope="module")
def on_a_host(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], tuple[SharedCounters, Moved]]:
    """Makes counters of a host's process, and their clock."""
    folder, numbers = tmp_path_factory.mktemp("windows"), itertools.count()

    def make() -> tuple[SharedCounters, Moved]:
        clock = Moved()
        windows = HostWindows(folder, f"api{next(numbers)}", now=clock, wall=clock)
        made = SharedCounters(windows, processes=lambda: 1, at_once=windows.decide, clock=clock, drift=0.0)
        return made, clock

    return make


@pytest.mark.req("R41", "R115", "R118", "R119", "R120")
@settings(deadline=None)
@given(st.lists(asks(), max_size=40))
def test_a_process_that_counts_at_its_hosts_authority_agrees_with_the_oracle(
    on_a_host: Callable[[], tuple[SharedCounters, Moved]], requests: list[tuple[Sequence[Want], float]]
) -> None:
    (counters, clock), oracle = on_a_host(), Oracle()
    for wants, gap in requests:
        clock.advance(gap)
        expected = oracle.take(wants, clock.at)
        taken = counters.take(wants, clock.at)
        assert taken is not None
        granted, limit, remaining, ends_in, over = taken
        assert (granted, {each.windows for each in over}) == (expected[0], {each.windows for each in expected[1]})
        if granted and limit is not None:
            assert any((remaining, pytest.approx(ends_in, abs=1e-6)) == said for said in oracle.said(wants, clock.at))
        elif not granted:
            assert remaining == 0
            assert 0 < ends_in <= oracle.full_again(wants, clock.at) + 1e-6
    counters.close()


@pytest.mark.check("C058")
@pytest.mark.parametrize("limit", [Limit("allowance", 101, 600), Limit("allowance", 5_101, 600)], ids=str)
def test_of_a_crowd_at_two_processes_exactly_as_many_are_admitted_as_there_is_room_for(
    tmp_path: Path, limit: Limit
) -> None:
    both = []
    for _ in range(2):
        windows = HostWindows(tmp_path, "creator")
        both.append(SharedCounters(windows, processes=lambda: 2, at_once=windows.decide, drift=0.0))
    assert both[0].authority.decide([(Claim(limit, b"a", 5, 5),)])[0].granted
    barrier, admitted = Barrier(8), list[bool]()

    def crowd(counters: SharedCounters) -> None:
        barrier.wait()
        for _ in range(limit.count // 4):
            taken = counters.take([(limit, b"a")], counters._clock())
            if taken is None:  # it was another's turn for too long
                taken = counters.count([(limit, b"a")], counters._clock()).result(30)
            admitted.append(taken[0])

    threads = [Thread(target=crowd, args=(both[number % 2],)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in both:
        each.close()
    assert limit.count * 0.95 < sum(admitted) <= limit.count - 5

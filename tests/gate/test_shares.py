"""Shares: what several processes spend of a window from their memories is never more than it holds, and nearly all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from limen.core.limits import Limit
from limen.gate.counting import Answer, Claim, Grant, Return
from limen.gate.shares import Open, Shares
from tests.contracts.authorities import MemoryWindows, Moved
from tests.gate.network import Network

WIDE = Limit("allowance", 10_000, 60)
NARROW = Limit("allowance", 100, 60)


def _flood(network: Network, limit: Limit, *, until: float, rate: float, places: Callable[[float], int]) -> None:
    """Requests at random, *rate* a second, each at the process that *places* says for its moment."""
    at = 0.0
    while at < until:
        at += network.chance.expovariate(rate)
        network.at(at, lambda at=at: network.ask(places(at), limit, b"a"))  # type: ignore[misc]
    network.run(until)


def _saturated(limit: Limit, lost: float, seed: int) -> list[int]:
    network = Network(seed, lost=lost)
    rate = 4 * limit.count / limit.window_s
    _flood(network, limit, until=20.0, rate=rate, places=lambda _: network.chance.randrange(4))
    return network.within()


@pytest.mark.req("R41", "R115")
@pytest.mark.check("C058")
@pytest.mark.parametrize("lost", [0.0, 0.05])
@pytest.mark.parametrize("limit", [Limit("allowance", 3_000, 6), Limit("allowance", 300, 6)], ids=str)
def test_four_processes_never_spend_more_than_a_window_holds(limit: Limit, lost: float) -> None:
    """And at saturation nearly all of it, exact and in shares, with clocks that differ and answers that are lost."""
    for seed in range(3):
        within = _saturated(limit, lost, seed)
        assert len(within) == 4, seed
        assert max(within) <= limit.count, seed
        assert min(within[:-1]) >= (0.6 if lost else 0.95) * limit.count, (seed, within)


class _Naive(Shares):
    """A build whose shares last for a window's length, whenever that began. Broken."""

    def _grant(self, claim: Claim, grant: Grant, sent_at: float, received_at: float) -> int:
        return super()._grant(claim, grant._replace(ends_in=claim.limit.window_s), sent_at, received_at)


class _Late(Shares):
    """A build that counts a share's end from the moment its answer came. Broken."""

    def settle(self, ask: Open, answer: Answer, sent_at: float, received_at: float) -> Any:
        return super().settle(ask, answer, received_at, received_at)


class _Keeping(Shares):
    """A build that gives nothing back. Broken."""

    def returns(self, at: float, *, everything: bool = False) -> list[Return]:
        super().returns(at, everything=everything)
        return []


def _worst_of_a_rush(machine: type[Shares]) -> int:
    """How many a window admits at most, where a rush begins just before the window of a calm time ends."""
    limit, worst = Limit("allowance", 1_200, 6), 0
    for seed in (2, 3):
        network = Network(seed, machine=machine, delay_s=0.2)
        at = 0.0
        while at < 12.0:
            at += network.chance.expovariate(100 if at < 5.6 else 1_600)
            place = network.chance.randrange(4)
            network.at(at, lambda place=place, to=network: to.ask(place, limit, b"a"))  # type: ignore[misc]
        network.run(12.0)
        worst = max(worst, *network.within())
    return worst


@pytest.mark.check("C058")
def test_what_is_left_of_a_calm_window_is_not_spent_in_the_rush_of_the_next() -> None:
    assert _worst_of_a_rush(Shares) <= 1_200


def test_a_build_that_counts_a_share_from_when_its_answer_came_is_caught_by_a_rush() -> None:
    assert _worst_of_a_rush(_Late) > 1_200


def _moving(limit: Limit, moves: int, machine: type[Shares] = Shares) -> Network:
    """A caller who asks steadily for just as much as *limit* allows, and whose connection moves so often."""
    network = Network(moves, machine=machine)
    for number in range(limit.count):
        at = number * limit.window_s / limit.count * 0.999
        place = int(at * (moves + 1) / limit.window_s) % 4
        network.at(at, lambda place=place: network.ask(place, limit, b"a"))  # type: ignore[misc]
    network.run(limit.window_s)
    assert max(network.within()) <= limit.count
    return network


@pytest.mark.req("R115")
@pytest.mark.parametrize("moves", [1, 3, 12])
def test_a_caller_whose_connection_moves_is_admitted_all_the_same(moves: int) -> None:
    """Exact where little is allowed, else in shares that are given back."""
    assert _moving(NARROW, moves).refused == 0
    assert _moving(WIDE, moves).refused <= 0.03 * WIDE.count


def test_a_build_that_gives_nothing_back_is_caught_by_a_caller_who_moves() -> None:
    assert _moving(WIDE, 12, _Keeping).refused > 0.03 * WIDE.count


@pytest.mark.parametrize("rate", [100.0, 166.0, 400.0])
def test_at_ten_thousand_a_minute_the_authority_is_asked_five_times_in_a_hundred_at_most(rate: float) -> None:
    network = Network(7)
    _flood(network, WIDE, until=120.0, rate=rate, places=lambda _: network.chance.randrange(4))
    assert network.calls <= 0.05 * len(network.admitted)


class _Alone:
    """One machine, its authority, and a clock that both go by."""

    def __init__(self, machine: type[Shares] = Shares) -> None:
        self.clock = Moved(100.0)
        self.authority = MemoryWindows(self.clock)
        self.shares = machine(lambda: 2, drift=0.0)

    def take(self, *limits: Limit) -> Any:
        """As a request does it: from memory, or by asking."""
        wants = [(limit, b"a") for limit in limits]
        found = self.shares.take(wants, self.clock.at)
        if found is None:
            asked = self.shares.ask(wants, self.clock.at)
            assert isinstance(asked, Open)
            (answer,) = self.authority.decide([asked.asked], self.shares.returns(self.clock.at))
            found = self.shares.settle(asked, answer, self.clock.at, self.clock.at)
        return found


def _in_the_window_after(machine: type[Shares]) -> int:
    """How many are admitted in a window by one process that uses it up, and by another that holds some of the last."""
    one, other = _Alone(), _Alone(machine=machine)
    one.authority, one.clock = other.authority, other.clock
    assert one.take(WIDE)[0]
    one.clock.advance(59.9)
    assert other.take(WIDE)[0]
    one.clock.advance(0.1)
    assert other.shares.returns(one.clock.at) == [], "it is not due yet"
    admitted = sum(one.take(WIDE)[0] for _ in range(11_000))
    return admitted + sum(other.take(WIDE)[0] for _ in range(1_000))


@pytest.mark.check("C058")
def test_a_share_ends_with_its_window() -> None:
    assert _in_the_window_after(Shares) == 10_000


def test_a_build_whose_shares_do_not_end_with_their_window_is_caught() -> None:
    assert _in_the_window_after(_Naive) > 10_000


def test_remaining_says_what_is_held_and_what_was_free_when_it_was_asked() -> None:
    alone = _Alone()
    assert [alone.take(WIDE)[2] for _ in range(300)] == list(range(9_999, 9_699, -1))
    assert alone.authority.calls < 10


@pytest.mark.check("C062")
def test_a_limit_that_has_been_cut_finds_no_share_of_before() -> None:
    alone = _Alone()
    granted = alone.take(WIDE)
    assert granted[0]
    assert alone.shares.take([(WIDE, b"a")], alone.clock.at)
    calls, cut = alone.authority.calls, Limit("allowance", 1_000, 60)
    used = alone.authority.kept["allowance/60", b"a"].window.used
    taken = [alone.take(cut) for _ in range(1_000)]
    assert alone.authority.calls > calls
    assert sum(each[0] for each in taken) <= 1_000 - 2
    assert sum(each[0] for each in taken) == 1_000 - min(used, 2), "what was held went back, so that nothing is lost"


def test_a_refusal_is_remembered_until_something_can_be_free_again() -> None:
    alone, one = _Alone(), Limit("allowance", 1, 60)
    assert alone.take(one)[0]
    alone.clock.advance(10)
    assert [alone.take(one)[:4] for _ in range(50)] == [(False, one, 0, 50.0)] * 50
    assert alone.authority.calls == 2
    assert alone.take(Limit("allowance", 2, 60))[0], "a limit that has been raised is asked for again"
    alone.clock.advance(50)
    assert alone.take(one)[0]


def test_of_shares_it_is_asked_ever_less_often_whether_others_gave_back() -> None:
    alone = _Alone()
    (answer,) = alone.authority.decide([(Claim(WIDE, b"a", 10_000, 10_000),)])
    assert answer.granted
    for _ in range(590):
        assert not alone.take(WIDE)[0]
        alone.clock.advance(0.1)
    assert 5 <= alone.authority.calls <= 9
    alone.clock.advance(1.1)
    assert alone.take(WIDE)[0]


def test_what_is_not_spent_is_given_back_after_a_sixtieth_of_the_window() -> None:
    alone = _Alone()
    alone.take(WIDE)
    used = alone.authority.kept["allowance/60", b"a"].window.used
    assert used > 1
    assert alone.shares.returns(alone.clock.at + 0.99) == []
    assert alone.shares.due_at() == alone.clock.at + 1
    (given,) = alone.shares.returns(alone.clock.at + 1)
    assert given.units == used - 1
    assert alone.shares.take([(WIDE, b"a")], alone.clock.at + 1) is None
    alone.authority.decide([], [given])
    assert alone.authority.kept["allowance/60", b"a"].window.used == 1


def test_a_request_that_is_refused_spends_nothing_of_its_shares() -> None:
    alone, one = _Alone(), Limit("operation:send", 1, 60)
    assert alone.take(WIDE, one)[0]
    before = alone.take(WIDE)[2]
    assert [alone.take(WIDE, one)[:3] for _ in range(5)] == [(False, one, 0)] * 5
    assert alone.take(WIDE)[2] == before - 1


def test_what_was_set_aside_for_a_request_that_found_no_authority_is_to_be_had_again() -> None:
    alone, few = _Alone(), Limit("operation:send", 5, 60)
    first = alone.take(WIDE)[2]
    asked = alone.shares.ask([(WIDE, b"a"), (few, b"a")], alone.clock.at)
    assert isinstance(asked, Open)
    assert [claim.limit for claim in asked.asked] == [few]
    alone.shares.fail(asked)
    assert alone.take(WIDE)[2] == first - 1
    asked = alone.shares.ask([(WIDE, b"a"), (few, b"a")], alone.clock.at)
    assert isinstance(asked, Open)
    alone.clock.advance(60)
    held = alone.take(WIDE)[2]
    alone.shares.fail(asked)
    assert alone.take(WIDE)[2] == held - 1, "but not in another window"


def test_windows_that_have_ended_are_forgotten() -> None:
    alone, limit = _Alone(), Limit("allowance", 2_000, 10)
    for number in range(3_000):
        wants = [(limit, b"%d" % number)]
        asked = alone.shares.ask(wants, alone.clock.at)
        assert isinstance(asked, Open)
        (answer,) = alone.authority.decide([asked.asked])
        alone.shares.settle(asked, answer, alone.clock.at, alone.clock.at)
        alone.shares.returns(alone.clock.at)
        alone.clock.advance(0.1)
        assert len(alone.shares) <= 210


def test_a_shadow_limit_in_shares_refuses_nothing_and_is_told_when_it_has_no_room() -> None:
    alone, shadow = _Alone(), Limit("allowance", 1_000, 60, shadow=True)
    taken = [alone.take(shadow, WIDE) for _ in range(1_200)]
    assert all(each[0] and each[1] is WIDE for each in taken)
    assert [bool(each[4]) for each in taken] == [False] * 1_000 + [True] * 200
    assert alone.authority.calls < 100

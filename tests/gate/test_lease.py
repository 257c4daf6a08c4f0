"""The lease over hosts, step by step: what it does next, and until when it holds."""

from __future__ import annotations

import pytest

from limen.gate.lease import DRIFT, JUMP_S, LOOK_S, RETRY_S, ClusterLease, Do

LEASE_S = 2.0
LASTS_S = LEASE_S * (1 - 3 * DRIFT)


def registered(applied: int = 5, lease_s: float = LEASE_S) -> ClusterLease:
    """A lease of a node that has just registered."""
    lease = ClusterLease(lease_s)
    lease.looked(1_000.0, 0.0)
    assert lease.next(0.0) is Do.FORGET
    lease.forgot(applied)
    assert lease.next(0.0) is Do.REGISTER
    lease.registered("n-1")
    return lease


def held(applied: int = 5) -> ClusterLease:
    """A lease that was renewed with what was sent at 10 s."""
    lease = registered(applied)
    lease.answered(lease.asking(10.0), applied)
    return lease


def test_it_is_registered_knowing_nothing_and_is_not_held_before_a_renewal_is_answered() -> None:
    lease = registered()
    assert lease.next(0.0) is Do.RENEW
    assert not lease.holds(0.0)


@pytest.mark.req("R69")
def test_it_counts_from_the_moment_before_it_was_asked_for() -> None:
    lease = held()
    assert lease.holds(10.0)
    assert lease.holds(10.0 + LASTS_S - 0.001)
    assert not lease.holds(10.0 + LASTS_S)


def test_it_is_renewed_four_times_in_its_length_and_at_least_once_a_second() -> None:
    lease = held()
    assert lease.next(10.0) is Do.WAIT
    assert lease.wait_s(10.0) == LEASE_S / 4
    assert lease.next(10.5) is Do.RENEW
    assert ClusterLease(60.0).every_s == LOOK_S


@pytest.mark.req("R69")
def test_what_was_not_acknowledged_extends_nothing_and_is_applied_then_said_at_once() -> None:
    lease = held()
    lease.answered(lease.asking(10.5), 6)
    assert not lease.holds(10.0 + LASTS_S), "not extended"
    assert lease.holds(10.6), "and not cut short"
    assert lease.next(10.6) is Do.APPLY
    lease.applied_to(6)
    assert lease.next(10.6) is Do.RENEW
    asked = lease.asking(10.6)
    assert asked.applied == 6
    lease.answered(asked, 6)
    assert lease.holds(10.6 + LASTS_S - 0.001)


def test_a_hint_has_the_log_applied_before_the_lease_is_due() -> None:
    lease = held()
    assert lease.next(10.1) is Do.WAIT
    lease.hinted()
    assert lease.next(10.1) is Do.APPLY
    lease.applied_to(5)
    assert lease.next(10.1) is Do.RENEW


@pytest.mark.parametrize("head", [None, 4], ids=["taken for dead", "another database"])
def test_who_is_not_known_any_more_forgets_and_registers_anew(head: int | None) -> None:
    lease = held()
    lease.answered(lease.asking(10.5), head)
    assert not lease.holds(10.5)
    assert lease.node == ""
    assert lease.next(10.5) is Do.FORGET
    lease.forgot(9)
    assert lease.next(10.5) is Do.REGISTER


def test_the_answer_to_what_it_was_before_is_no_answer() -> None:
    lease = held()
    late = lease.asking(10.5)
    lease.answered(lease.asking(10.6), None)
    lease.forgot(9)
    lease.registered("n-2")
    lease.answered(late, 5)
    assert not lease.holds(10.6)
    assert lease.next(10.6) is Do.RENEW


def test_without_an_answer_it_ends_and_is_asked_for_again_and_again() -> None:
    lease = held()
    assert lease.failed(10.5)
    assert not lease.reachable
    assert lease.next(10.5) is Do.WAIT
    assert lease.wait_s(10.5) == pytest.approx(RETRY_S[0])
    for _ in range(9):
        assert not lease.failed(11.0), "that is told once"
    assert lease.wait_s(11.0) == pytest.approx(RETRY_S[1])
    assert lease.holds(11.0)
    assert not lease.holds(12.0)
    lease.answered(lease.asking(20.0), 5)
    assert lease.reachable
    assert lease.holds(20.0)
    assert lease.wait_s(20.0) == LEASE_S / 4


def test_who_waits_in_vain_to_be_registered_may_be_asked_all_the_same() -> None:
    lease = ClusterLease(LEASE_S)
    lease.forgot(5)
    lease.failed(10.0)
    assert lease.reachable
    assert lease.next(10.0) is Do.WAIT
    assert lease.next(10.0 + RETRY_S[0]) is Do.REGISTER


@pytest.mark.parametrize("jump", [JUMP_S, -JUMP_S, 3_600.0])
def test_a_machine_that_was_away_knows_nothing(jump: float) -> None:
    """Restored from a snapshot, CLOCK_BOOTTIME goes on where it was, and the wall clock is put right."""
    lease = held()
    assert not lease.looked(1_010.4, 10.2), "clocks that drift are no jump"
    assert lease.looked(1_010.4 + jump + 0.3, 10.5)
    assert not lease.holds(10.5)
    assert lease.next(10.5) is Do.FORGET
    assert not lease.looked(1_010.4 + jump + 0.4, 10.6), "it is told once"


def test_it_can_be_dropped() -> None:
    lease = held()
    lease.drop()
    assert not lease.holds(10.1)
    assert lease.next(10.1) is Do.WAIT


def test_a_lease_of_0_never_holds_and_is_looked_after_all_the_same() -> None:
    lease = registered(lease_s=0.0)
    lease.answered(lease.asking(10.0), 5)
    assert not lease.holds(10.0)
    assert lease.wait_s(10.0) == LOOK_S

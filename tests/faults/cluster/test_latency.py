"""How long a revocation takes to hold everywhere: moments where all is well, and never more than a lease and a look."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from statistics import quantiles

import pytest

from limen.gate.lease import DRIFT
from tests.faults.cluster.conftest import LEASE_S, Begin
from tests.faults.cluster.hand import drawn
from tests.faults.cluster.members import Cluster, Member
from tests.faults.cluster.runs import ASKERS, PAUSE_S
from tests.faults.processes import ANSWER_S, wait_until

ROOM_S = 1.0
"""What a round trip, and a machine that has other things to do, may add to a lease."""


class Watch:
    """Keys of one owner that every node asks for all the time, and a hand that revokes them, one after another."""

    def __init__(self, cluster: Cluster, count: int) -> None:
        self.cluster, self.number = cluster, 0
        cluster.prepare("watched", list(range(count)))
        self.texts = [drawn(seed)[1] for seed in range(count)]
        for node in cluster.nodes:
            node.do(ANSWER_S, do="begin", texts=self.texts, askers=ASKERS, pause_s=PAUSE_S)

    def revoke(self) -> float:
        """Revoke the next key: how long that took to answer, in seconds."""
        key = drawn(self.number)[0]
        self.number += 1
        answer = self.cluster.hands[0].do(ANSWER_S, verb="revoke", key=key)
        assert answer["outcome"] == "done", answer
        return float(answer["ended"] - answer["began"])

    def known(self) -> int:
        """How many processes are waited for."""
        with self.cluster.app.store.read() as connection:
            found = connection.exec_driver_sql("select count(*) from nodes where dead_at is null").scalar_one()
            return int(found)


def stop(node: Member) -> Callable[[], None]:
    """Stop it; what lets it go on."""
    node.signal(signal.SIGSTOP)
    return lambda: node.signal(signal.SIGCONT)


def cut_off(node: Member) -> Callable[[], None]:
    """Cut it off; what heals that."""
    node.ways[0].partition()
    return node.ways[0].heal


def kill(node: Member) -> Callable[[], None]:
    """Kill it; what gives birth to it again."""
    node.kill()

    def again() -> None:
        node.be_born()
        node.ready()

    return again


@pytest.mark.timeout(300)
@pytest.mark.check("C029")
def test_a_revocation_takes_a_lease_and_a_round_trip_at_most(begin: Begin) -> None:
    watch = Watch(begin(), 160)
    healthy = [watch.revoke() for _ in range(100)]
    cuts = quantiles(healthy, n=100)
    print(f"lease {LEASE_S} s; four nodes, healthy: p50 {cuts[49] * 1e3:.1f} ms, p99 {cuts[98] * 1e3:.1f} ms")
    for harm in (stop, cut_off, kill):
        took = []
        for number in range(5):
            heal = harm(watch.cluster.nodes[number % 4])
            began = time.monotonic()
            took.append(watch.revoke())
            after = watch.revoke()  # nobody waits a second time for who was silent
            assert time.monotonic() - began > LEASE_S / 2, "it was waited for"
            took.append(after)
            heal()
            wait_until(lambda: watch.known() == 4, "four nodes again")
        print(f"one node: {harm.__name__}: {', '.join(f'{each * 1e3:.0f}' for each in took)} ms")
        assert max(took) < LEASE_S * (1 + 3 * DRIFT) + ROOM_S
        assert max(took[::2]) > LEASE_S / 2

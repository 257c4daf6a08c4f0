"""Thousands of schedules of faults: no change that has answered is unknown to a node; and broken builds are caught."""

from __future__ import annotations

import pytest

from limen.gate.directory import Directory
from limen.gate.lease import DRIFT, ClusterLease, Renewal
from tests.cluster.simulation import LEASE_S, Variant, World

SCHEDULES = 500
BLOCKS = 4


class _Unguarded(Directory):
    def put(self, place: bytes, record: object, snapshot: int) -> None:
        super().put(place, record, max(snapshot, self.applied))  # type: ignore[arg-type]


class _ForTime(ClusterLease):
    """Holds for a time after each renewal, whatever has been applied; and nobody tells it."""

    def answered(self, asked: Renewal, head: int | None) -> None:
        super().answered(asked, head)
        self._until, self._behind = asked.sent_at + self.lease_s, False

    def hinted(self) -> None:
        pass


class _Told(ClusterLease):
    """Holds as long as nobody tells it that something changed."""

    def holds(self, at: float) -> bool:
        return self._forgotten

    def answered(self, asked: Renewal, head: int | None) -> None:
        super().answered(asked._replace(applied=head or 0), head)


class _SaidFirst(ClusterLease):
    """Says that it has applied what it has only heard of."""

    said = False

    def answered(self, asked: Renewal, head: int | None) -> None:
        super().answered(asked, head)
        if self._behind and head is not None:
            self._applied, self._behind, self._due, self.said = head, False, asked.sent_at, True
        elif self.said:
            self._behind, self.said = True, False


class _Unacknowledged(ClusterLease):
    """Goes on with its lease while it has not said to have applied what there is."""

    def answered(self, asked: Renewal, head: int | None) -> None:
        super().answered(asked, head)
        if head is not None and asked.node == self.node:
            self._until = max(self._until, asked.sent_at + self.lease_s * (1 - 3 * DRIFT))


BROKEN = {
    "a time to live alone": Variant(lease=_ForTime, waits=False),
    "being told alone": Variant(lease=_Told, waits=False),
    "acknowledged before it is applied": Variant(lease=_SaidFirst),
    "no fill guard": Variant(directory=_Unguarded),
    "a lease from the receipt on": Variant(from_receipt=True),
    "extended while unacknowledged": Variant(lease=_Unacknowledged),
}


@pytest.mark.req("R69")
@pytest.mark.check("C028", "C029")
@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_schedule_of_faults_lets_a_change_that_has_answered_go_unseen(block: int) -> None:
    waits, asks = [], 0
    for seed in range(block * SCHEDULES, (block + 1) * SCHEDULES):
        world = World(seed, Variant()).run()
        assert not world.violations, f"seed {seed}: {world.violations}"
        waits += world.waits_s
        asks += world.admitted
    assert asks > 20 * SCHEDULES, "most asks are answered, whatever happens"
    assert max(waits) <= LEASE_S * (1 + 3 * DRIFT) * (1 + DRIFT) + 0.001


@pytest.mark.check("C028")
@pytest.mark.parametrize("variant", BROKEN.values(), ids=BROKEN)
def test_a_build_that_is_broken_is_caught(variant: Variant) -> None:
    assert any(World(seed, variant).run().violations for seed in range(SCHEDULES))

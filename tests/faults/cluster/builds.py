"""Builds of the members of a cluster: the product, and broken ones that the checker must catch.

Each is a function that changes this process before the product is opened in it. The product knows nothing of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from limen.app import App
from limen.cluster import Cluster, boottime
from limen.cluster.node import Node
from limen.core.record import Record
from limen.db.leases import State
from limen.gate.counters import MemoryCounters
from limen.gate.directory import Directory
from limen.gate.lease import ClusterLease, Do, Renewal


def sound() -> None:
    """The product as it is."""


def _nobody_waits() -> None:
    """Whoever changes something answers once it is committed."""
    Cluster.settle = lambda self, change, committed_at, *, waits: True  # type: ignore[method-assign]


def ttl_only() -> None:
    """What is known holds for as long as a lease, and nobody waits for that. Broken."""
    _nobody_waits()
    Node.hint = lambda self: None  # type: ignore[method-assign]
    made = ClusterLease.__init__

    def seldom(self: ClusterLease, lease_s: float) -> None:
        made(self, lease_s)
        self.every_s = lease_s

    ClusterLease.__init__ = seldom  # type: ignore[method-assign]


def push_only() -> None:
    """What is known holds until something else is heard, and nobody waits for that. Broken."""
    _nobody_waits()
    made = ClusterLease.__init__

    def never(self: ClusterLease, lease_s: float) -> None:
        made(self, lease_s)
        self.every_s = 3_600.0

    ClusterLease.__init__ = never  # type: ignore[method-assign]
    ClusterLease.holds = lambda self, at: self._until > -math.inf  # type: ignore[method-assign]


def acknowledged_before_applied() -> None:
    """A node says that it has applied what it has read, and applies it then. Broken."""
    do_it = Node._do

    def early(self: Node, do: Do) -> None:
        if do is Do.APPLY:
            logs = [cold._store.changes(cold._gate.directory.applied) for cold in self._gates.values()]
            head = min(log.head for log in logs)
            self._leases.renew(self.lease.node, State(head, tuple(self._gates)), now=0.0)
        do_it(self, do)

    Node._do = early  # type: ignore[method-assign]


def counted_from_receipt() -> None:
    """A lease begins when the answer comes, not when it was asked for. Broken."""
    answered = ClusterLease.answered

    def late(self: ClusterLease, asked: Renewal, head: int | None) -> None:
        answered(self, asked._replace(sent_at=boottime()), head)

    ClusterLease.answered = late  # type: ignore[method-assign]


def nothing_new_waits_for_nobody() -> None:
    """A change that finds nothing to do answers at once, though the one before it may hold nowhere yet. Broken."""
    awaited = Cluster.awaited

    def hasty(self: Cluster, tx: Any) -> Any:
        found = awaited(self, tx)
        return found if tx.changed else found._replace(lease_s=0.0)

    Cluster.awaited = hasty  # type: ignore[method-assign]


def no_fill_guard() -> None:
    """The directory takes what was read before a change that it has applied. Broken."""
    put = Directory.put

    def unguarded(self: Directory, place: bytes, record: Record | None, snapshot: int) -> None:
        put(self, place, record, max(snapshot, self.applied))

    Directory.put = unguarded  # type: ignore[method-assign]


def counting_alone() -> None:
    """Every process counts for itself. Broken, wherever there is another."""
    gate = App.gate

    def apart(self: App, api: str, **how: Any) -> Any:
        house = gate(self, api, **how)
        house.gate.counters = MemoryCounters()
        return house

    App.gate = apart  # type: ignore[method-assign]


BROKEN = (
    ttl_only,
    push_only,
    acknowledged_before_applied,
    no_fill_guard,
    counted_from_receipt,
    nothing_new_waits_for_nobody,
)
BUILDS: dict[str, Callable[[], None]] = {build.__name__: build for build in (sound, counting_alone, *BROKEN)}

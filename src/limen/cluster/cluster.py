"""What one process has to do with the others: the connections for it, its node, and the wait for theirs."""

from __future__ import annotations

from functools import cached_property, partial

from limen.cluster.authorities import Authorities
from limen.cluster.barrier import Finisher, wait
from limen.cluster.node import Node
from limen.cluster.undertaker import Undertaker
from limen.db.engine import Store, open_engine
from limen.db.leases import Awaited, Leases, awaited
from limen.db.transaction import Reader
from limen.gate.lease import ClusterLease

READ_S = 2.0
"""How long the database may take to answer a gate: a row, a log. Threads of a gate never stand still for longer."""

CONNECT_S = 2
"""How long it may take to connect to it, for gates and nodes: the least that libpq knows."""

RENEWAL_S = (0.5, 2.0)
"""How long it may take to answer a renewal: half a lease, so that its end is known before it comes, but not less and
not more than this."""


class Cluster:
    """One process of an installation on PostgreSQL. It is a node only once it has a gate."""

    def __init__(self, url: str, lease_s: float, store: Store, *, valkey_url: str = "", share: bool = False) -> None:
        """*store*: that of the process, whose waits are long. *valkey_url*, *share*: as ``Authorities``."""
        self._url, self._lease_s, self._store = url, lease_s, store
        self._valkey_url, self._share = valkey_url, share
        self._waits, self._finisher = Leases(store.engine), Finisher()
        self._node: Node | None = None

    @cached_property
    def reads(self) -> Store:
        """The database for gates: short waits, and connections that nobody else uses up."""
        return Store(open_engine(self._url, answer_s=READ_S, connect_s=CONNECT_S, pool=6), None)

    @cached_property
    def authorities(self) -> Authorities:
        """Where this process counts."""
        return Authorities(self._url, self._valkey_url, share=self._share, processes=lambda: self.node.nodes)

    @cached_property
    def undertaker(self) -> Undertaker:
        """Who looks for nodes that ended without a word."""
        return Undertaker(self._waits)

    @property
    def node(self) -> Node:
        """This process as a node; it becomes one when a gate joins it."""
        if self._node is None:
            answer_s = min(max(self._lease_s / 2, RENEWAL_S[0]), RENEWAL_S[1])
            engine = open_engine(self._url, answer_s=answer_s, connect_s=CONNECT_S, pool=2)
            self._node = Node(self._lease_s, Leases(engine), lost=self._lost, outages=self._outages)
        return self._node

    @property
    def lease(self) -> ClusterLease:
        """The lease that every gate of this process answers by."""
        return self.node.lease

    def _outages(self) -> tuple[int, float]:
        return self.authorities.outages() if "authorities" in self.__dict__ else (0, 0.0)

    def _lost(self) -> None:
        """The database stopped answering: no connection from before is to be tried once it is back."""
        self.reads.engine.dispose()
        self._store.engine.dispose()

    def awaited(self, reader: Reader) -> Awaited:
        """What there is to wait for once *reader*, if it writes, is committed: the newest change that there is then."""
        return awaited(reader.connection)

    def settle(self, change: Awaited, committed_at: float, *, waits: bool) -> bool:
        """Apply *change* here, and return when it holds everywhere; whether it does.

        Without *waits* it may not yet, and is waited for in a thread. Takes a lease and a round trip at most.
        """
        own = "" if self._node is None else self._node.applied()
        if not change.lease_s:
            return True
        rest = partial(wait, self._waits, change, committed_at, but=own)
        if not waits:
            self._finisher.finish(rest)
            return False
        rest()
        return True

    def leave(self) -> None:
        """Be no node any more; to be called before the gates close."""
        self._finisher.close()
        if self._node is not None:
            self._node.leave()

    def close(self) -> None:
        """Let go of where gates read and count; to be called when they are closed: they give back what they hold."""
        if "authorities" in self.__dict__:
            self.authorities.close()
        if "reads" in self.__dict__:
            self.reads.engine.dispose()

    def abandon(self) -> None:
        """In a forked child: let go of what is the parent's."""
        if "authorities" in self.__dict__:
            self.authorities.abandon()
        if self._node is not None:
            self._node.abandon()
            self._node = None  # so that closing this App here has nobody leave
        self._finisher = Finisher()
        if "reads" in self.__dict__:
            self.reads.engine.dispose(close=False)

"""Nodes that ended without a word: found before a change has to wait for them, and their rows cleared away."""

from __future__ import annotations

import logging
from time import time

from limen.cluster.barrier import boottime
from limen.db.leases import Leases
from limen.gate.lease import DRIFT

_log = logging.getLogger("limen.cluster")

GRACE_S = 5.0
"""How much longer than its lease a node may be silent: it may only be slow."""

KEPT_S = 86_400.0
"""How long the row of a dead node stays, for people to look at."""


class Undertaker:
    """Looks at the nodes now and then. What it goes by is its own clock, and that a row has not changed meanwhile.

    Every renewal changes its row. So a row that is the same after a lease and more is that of a node that holds none.
    """

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._seen: dict[str, tuple[float, float]] = {}  # node to when it last renewed, and when that was first seen

    def round(self) -> None:
        """Look once. Raises ``StoreDown``."""
        alive, at = self._leases.alive(), boottime()
        seen = {}
        for node, (lease_s, renewed_at) in alive.items():
            before = self._seen.get(node)
            seen[node] = (renewed_at, at) if before is None or before[0] != renewed_at else before
            silent_s = at - seen[node][1]
            if silent_s > lease_s * (1 + 3 * DRIFT) + GRACE_S and self._leases.bury_unless_renewed(
                node, renewed_at, now=time()
            ):
                _log.warning("node %s has been silent for %.0f s, and is taken for dead", node, silent_s)
        self._seen = seen
        self._leases.purge(time() - KEPT_S)

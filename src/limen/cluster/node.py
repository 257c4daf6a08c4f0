"""This process as a node: it registers, keeps its lease, and applies what others changed, in every gate it has."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Callable
from threading import Event, Lock, Thread
from time import time
from typing import TYPE_CHECKING

from limen.cluster.barrier import boottime
from limen.core.problems import StoreDown
from limen.db.leases import Joining, Leases, State
from limen.gate.lease import ClusterLease, Do

if TYPE_CHECKING:
    from limen.db.hints import Hints
    from limen.gate.cold import Cold

_log = logging.getLogger("limen.cluster")

STEPS = 16
"""How much is done at a time before others have their turn: a busy log is applied and said again and again."""

HEARD_S = 1.0
"""How long one wait for a hint takes at most, and the pause after the connection for them died."""


class Node:
    """One process among those that decide, from its first gate on until ``leave``; none before that.

    A thread renews the lease, and another listens for hints. The lease of a node that cannot renew it ends by itself.
    """

    def __init__(
        self,
        lease_s: float,
        leases: Leases,
        *,
        lost: Callable[[], None] = lambda: None,
        outages: Callable[[], tuple[int, float]] = lambda: (0, 0.0),
    ) -> None:
        """*leases*: for this alone, with short waits. *lost* is called when the database stops answering.

        *outages*: what is told of those of what counts, as ``Authorities.outages``.
        """
        self.lease = ClusterLease(lease_s)
        self.nodes = 1
        """How many there are, this one too, as of the last renewal."""
        self._leases, self._lost, self._outages = leases, lost, outages
        self._gates: dict[str, Cold] = {}
        self._turn = Lock()  # who has it drives the lease
        self._wake, self._hinted, self._closing = Event(), Event(), Event()
        self._threads: list[Thread] = []
        self._hints: Hints | None = None

    def join(self, api: str, cold: Cold) -> None:
        """The gate of *api* answers under this node's lease from now on. Raises StoreDown where it cannot catch up.

        It knows nothing yet, or what it has read since it was made: whatever changed between is applied to it first.
        """
        with self._turn:
            self._gates[api] = cold  # first: a change that is applied here now finds it, or is found by it
            try:
                cold.apply()
            except BaseException:
                del self._gates[api]
                raise
            self._advance()
            if not self._threads:
                works = ((self._keep, "limen-node"), (self._listen, "limen-hints"))
                self._threads = [Thread(target=work, name=name, daemon=True) for work, name in works]
                for thread in self._threads:
                    thread.start()

    def hint(self) -> None:
        """Something changed: it is looked at now, not when the lease is due."""
        self._hinted.set()
        self._wake.set()

    def applied(self) -> str:
        """Apply what changed in every gate, now: the node that has done so, or ``""`` where that cannot be said."""
        node, gates = self.lease.node, list(self._gates.values())
        try:
            for cold in gates:
                cold.apply()
        except StoreDown:  # it is waited for, as any other
            return ""
        finally:
            self.hint()
        return node

    def _keep(self) -> None:
        while not self._closing.is_set():
            try:
                with self._turn:
                    self.lease.looked(time(), boottime())
                    if self._hinted.is_set():
                        self._hinted.clear()
                        self.lease.hinted()
                    self._advance()
            except Exception:  # a fault of ours: the lease ends, and it is tried again
                _log.exception("the lease could not be renewed")
                self.lease.failed(boottime())
            self._wake.wait(min(self.lease.wait_s(boottime()), self.lease.every_s))
            self._wake.clear()

    def _advance(self) -> None:
        """Do what is to be done now."""
        for _ in range(STEPS):
            do = self.lease.next(boottime())
            if do is Do.WAIT or self._closing.is_set():
                return
            try:
                self._do(do)
            except StoreDown as error:
                if self.lease.failed(boottime()):
                    _log.warning("no lease for now, what is known holds until the last one ends: %s", error)
                    self._lost()

    def _do(self, do: Do) -> None:
        lease, gates = self.lease, self._gates.values()
        if do is Do.FORGET:
            lease.forgot(min(cold.forget() for cold in gates))
        elif do is Do.REGISTER:
            name = secrets.token_hex(8)
            who = Joining(name, socket.gethostname(), os.getpid(), tuple(self._gates), lease.lease_s, lease.applied)
            self._leases.register(who, time())
            lease.registered(name)
        elif do is Do.APPLY:
            lease.applied_to(min(cold.apply() for cold in gates))
        else:
            asked, unreachable = lease.asking(boottime()), not lease.reachable
            state = State(asked.applied, tuple(self._gates), *self._outages())
            found = self._leases.renew(asked.node, state, now=time())
            lease.answered(asked, None if found is None else found.head)
            if found is None:
                _log.warning("this process was taken for dead; it forgets what it knows, and registers anew")
            else:
                self.nodes = found.nodes
            if unreachable:
                _log.warning("the database answers again")

    def _listen(self) -> None:
        """Be told of changes as they are committed, as far as the network lets it; without that, nothing is wrong."""
        while not self._closing.is_set():
            try:
                self._hints = self._leases.hints()
                self.hint()  # for what came between
                while not self._closing.is_set():
                    if self._hints.heard(HEARD_S):
                        self.hint()
            except Exception as error:  # whatever it is: a hint that is lost costs time alone
                _log.debug("no hints for now: %s", error)
            hints, self._hints = self._hints, None
            if hints is not None:
                hints.close()
            self._closing.wait(HEARD_S)

    def leave(self) -> None:
        """Hold no lease, apply nothing more, and let nobody wait for this process."""
        self._closing.set()
        self.lease.drop()
        self._wake.set()
        if (hints := self._hints) is not None:
            hints.call()
        for thread in self._threads:
            thread.join(2 * HEARD_S)
        with self._turn:
            self.lease.drop()  # a renewal may have been under way
            self._closing.set()
            try:
                if self.lease.node:
                    self._leases.leave(self.lease.node)
            except StoreDown:
                _log.info("the database does not answer; somebody will wait for this process in vain, once")
        self._leases.close()

    def abandon(self) -> None:
        """In a forked child: it is no node, and touches nothing of its parent's, which goes on to be one."""
        self._closing.set()
        self.lease.drop()
        self._leases.abandon()

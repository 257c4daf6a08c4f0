"""May this process answer from what it knows? The revocation promise lives here (ADR 0005, ADR 0020).

On one host every process that decides or changes something maps the same eight bytes: the *epoch*. It is odd while a
change commits and has moved to the next even number before the change is answered for. So a process whose last look
at the change log was at the present, even epoch has missed nothing that has answered.

Over hosts there are no such bytes. There a process is a *node*, known to the database; it holds a lease for some time,
and whoever changes something waits until every node has applied the change, or can hold no lease any more.

No clock, no IO: moments are arguments, in seconds of CLOCK_BOOTTIME, which goes on while a machine sleeps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum, auto
from typing import NamedTuple, Protocol

DRIFT = 0.01
"""By how much a second of one host's clock may differ from another's, and from a true one: 1 %. Quartz stays below a
hundredth of that. Three times this is taken off a lease, and added to the wait for one."""

JUMP_S = 1.0
"""By how much the wall clock must have jumped against CLOCK_BOOTTIME for a machine to count as one that was restored
from a snapshot, and so may have been away for any time."""

LOOK_S = 1.0
"""How often a node asks at least, however long its lease is."""

RETRY_S = (0.05, 0.25)
"""How soon a node asks again that has had no answer: at first, and at most. It doubles from one to the other."""


class Lease(Protocol):
    """The right to answer from memory. ``holds`` is read on every check."""

    reachable: bool
    """Whether it makes sense to ask the store now. False: it did not answer a moment ago, and is being tried."""

    def holds(self, at: float) -> bool:
        """Whether an ask that began at *at* may be answered from memory."""
        ...

    def epoch(self) -> int:
        """What is to be read before the change log is, and handed to ``renew`` once what it said is applied."""
        ...

    def renew(self, epoch: int) -> None:
        """One gate has applied the change log, which was read after *epoch* was."""
        ...

    def drop(self) -> None:
        """Hold nothing until it is renewed."""
        ...


class HostLease:
    """The right to answer from memory, by the epoch: for processes on one host. ``holds`` costs 0.1 µs."""

    __slots__ = ("_applied", "_cell", "reachable")

    def __init__(self, cell: Sequence[int]) -> None:
        """*cell*: whatever holds the epoch at index 0, such as a memory map cast to unsigned 64 bits."""
        self._cell = cell
        self._applied = -1  # no epoch: nothing is known yet
        self.reachable = True

    def holds(self, at: float) -> bool:  # noqa: ARG002 - the epoch is the same for every ask
        """Whether every change that had answered by now has been applied here; *at* makes no difference."""
        return self._cell[0] == self._applied

    def epoch(self) -> int:
        """The epoch, to be read before the change log is."""
        return self._cell[0]

    def renew(self, epoch: int) -> None:
        """Hold the lease from now on, until the epoch moves; not at all when *epoch* is odd: a change is on its way."""
        self._applied = -1 if epoch & 1 else epoch

    def drop(self) -> None:
        """Hold nothing until the next ``renew``."""
        self._applied = -1


class Do(Enum):
    """What a node is to do next."""

    FORGET = auto()
    """Drop what every gate of the process knows; then ``forgot``."""
    REGISTER = auto()
    """Become a node, under the lock of those that change something; then ``registered``."""
    APPLY = auto()
    """Read the change log and apply it in every gate of the process; then ``applied_to``."""
    RENEW = auto()
    """Send a ``Renewal``; then ``answered``."""
    WAIT = auto()
    """Nothing, for ``wait_s`` or until something happens."""


class Renewal(NamedTuple):
    """What a node says when it asks for its lease."""

    node: str
    applied: int
    """The change up to which every gate of the process is right: said only once it is so."""
    sent_at: float
    """The moment before it was sent. From here the lease counts: how long the answer takes, nobody knows."""


class ClusterLease:
    """One process's lease over hosts, for all of its gates, and what its node is to do next. Sans IO.

    Whoever drives it asks ``next``, does that, and says how it went: one step at a time, in one thread at a time. What
    failed is said with ``failed``. ``holds`` and ``drop`` may be called by any thread.

    With a lease of 0 it never holds: every check reads the change log first, and nobody waits for this node.
    """

    __slots__ = (
        "_ahead", "_applied", "_behind", "_due", "_fails", "_forgotten", "_until",
        "every_s", "lease_s", "node", "reachable",
    )  # fmt: skip

    def __init__(self, lease_s: float) -> None:
        self.lease_s = lease_s
        self.every_s = min(lease_s / 4, LOOK_S) if lease_s else LOOK_S
        """How often it is renewed."""
        self.node = ""
        """Under which id the database knows this process; empty: it does not."""
        self.reachable = True
        self._until = -math.inf
        self._applied = 0
        self._behind, self._forgotten = False, False
        self._due = -math.inf
        self._fails = 0
        self._ahead: float | None = None  # of the wall clock over CLOCK_BOOTTIME, when they were last looked at

    def holds(self, at: float) -> bool:
        """Whether an ask that began at *at* may be answered from memory.

        Every change that had answered by *at* has then been applied in every gate of the process.
        """
        return at < self._until

    def left_s(self, at: float) -> float:
        """For how long from *at* on that holds, if nothing is heard."""
        return max(0.0, self._until - at)

    def epoch(self) -> int:
        """Nothing: what one gate has applied extends no lease, which is that of all gates of the process."""
        return 0

    def renew(self, epoch: int) -> None:
        """Nothing, likewise. A lease is extended by ``answered`` alone."""

    def drop(self) -> None:
        """Hold nothing until the next renewal is answered."""
        self._until = -math.inf

    def next(self, at: float) -> Do:
        """What to do now, at *at*."""
        if self._fails and at < self._due:
            return Do.WAIT
        if not self._forgotten:
            return Do.FORGET
        if not self.node:
            return Do.REGISTER
        if self._behind:
            return Do.APPLY
        return Do.RENEW if at >= self._due else Do.WAIT

    def wait_s(self, at: float) -> float:
        """For how long ``next`` will say to wait, if nothing happens."""
        return max(0.0, self._due - at) if self.next(at) is Do.WAIT else 0.0

    def forgot(self, head: int) -> None:
        """Every gate of the process knows nothing, and is right up to change *head*."""
        self._until, self._forgotten, self._behind, self._applied = -math.inf, True, False, head

    def applied_to(self, head: int) -> None:
        """Every gate of the process has applied every change up to *head*; a renewal says so at once."""
        self._applied, self._behind, self._due = head, False, -math.inf

    def registered(self, node: str) -> None:
        """The database knows this process as *node*, with what it had applied: from now on it is waited for."""
        self.node, self._due = node, -math.inf

    @property
    def applied(self) -> int:
        """The change up to which every gate of the process is right."""
        return self._applied

    def asking(self, at: float) -> Renewal:
        """What to say now. *at* is read before it is sent."""
        return Renewal(self.node, self._applied, at)

    def answered(self, asked: Renewal, head: int | None) -> None:
        """The database said that *head* is the newest change, in the snapshot that took note of *asked*.

        None: it knows of no such node, or took it for dead. A head before what has been applied here: it is another
        database by now, put back from a backup. In both cases this process knows nothing, and registers anew.

        The lease goes on only if there was nothing that this node had not said to have applied: or a node whose
        answers arrive, and whose requests do not, would go on with it for as long as others wait.
        """
        if asked.node != self.node:
            return  # the answer to what this process was before
        self._fails, self.reachable = 0, True
        if head is None or head < asked.applied:
            self._lost()
        elif head > asked.applied:
            self._behind = True
        elif self.lease_s:
            self._until = max(self._until, asked.sent_at + self.lease_s * (1 - 3 * DRIFT))
        self._due = asked.sent_at + self.every_s

    def failed(self, at: float) -> bool:
        """What was to be done was not, or not in time; whether that is the first time in a row.

        What is held is held until it ends. Who waits in vain to be registered has read the database a moment ago: it
        answers, and somebody has the lock of those that write.
        """
        if self.node or not self._forgotten:
            self.reachable = False
        self._due = at + min(RETRY_S[0] * 2**self._fails, RETRY_S[1])
        self._fails = min(self._fails + 1, 8)
        return self._fails == 1

    def hinted(self) -> None:
        """Something has changed, somebody says. It is looked at now, not when it is due."""
        self._behind = True

    def looked(self, wall: float, at: float) -> bool:
        """Look at both clocks: whether they have come apart, and so this machine may have been away.

        Then nothing is held, and nothing known. A wall clock that was set is taken for that too: it costs a new start.
        """
        ahead, before = wall - at, self._ahead
        self._ahead = ahead
        if before is None or abs(ahead - before) < JUMP_S:
            return False
        self._lost()
        return True

    def _lost(self) -> None:
        self._until, self.node, self._forgotten, self._fails = -math.inf, "", False, 0

"""A cluster in virtual time: real leases, directories and barriers on a database, a network and clocks that are models.

A schedule is made from a seed: nodes that decide, others that change keys and ask for them, and faults. Whoever asks
sees some version of a key; a violation is an ask that began when a change had answered, and saw what was before it.

What a process does is a generator, which yields what it waits for. It follows ``cluster.node``, ``cluster.barrier``
and ``gate.cold``, step by step.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from limen.cluster.barrier import Barrier
from limen.core.keys import ID_CHARS
from limen.db.leases import Awaited
from limen.gate.cold import TRIES
from limen.gate.directory import Directory
from limen.gate.lease import DRIFT, ClusterLease, Do

LEASE_S = 1.0
HORIZON_S = 4.0
ANSWER_S = 0.6
"""How long a node waits for an answer."""

KEYS = [bytes([65 + number]) * (ID_CHARS + 40) for number in range(3)]
OWNER = {key: f"o-{number % 2}" for number, key in enumerate(KEYS)}
Process = Generator[Any, Any, Any]


def place_of(key: bytes) -> bytes:
    """Where a directory holds *key*."""
    return key[:ID_CHARS]


@dataclass(frozen=True)
class Variant:
    """The product, or a build that is broken on purpose."""

    lease: type[ClusterLease] = ClusterLease
    directory: type[Directory] = Directory
    waits: bool = True
    """Whether who changes something waits for the nodes."""
    from_receipt: bool = False
    """Whether a lease counts from the moment at which the answer came."""


@dataclass
class Network:
    """What becomes of a message on its way: late, or lost."""

    rng: random.Random
    cuts: list[tuple[float, float, int, bool]] = field(default_factory=list)
    """From when to when, which node, and whether it is the way to the database."""

    def delay(self, now: float, node: int, up: bool) -> float | None:
        """How long it takes; None: it does not arrive."""
        if any(start <= now < end and (which, way) == (node, up) for start, end, which, way in self.cuts):
            return None
        kind = self.rng.random()
        if kind < 0.01:
            return None
        return self.rng.uniform(0.0005, 0.005 if kind < 0.8 else 0.1 if kind < 0.95 else 0.5)


class Database:
    """One primary: a row and a version for each key, the change log and its head, the nodes, the lock of writers."""

    def __init__(self) -> None:
        self.head = 0
        self.versions = dict.fromkeys(KEYS, 0)
        self.log: list[tuple[str, bytes | str]] = []
        self.nodes: dict[str, SimpleNamespace] = {}
        self.free_at = 0.0

    def change(self, key: bytes, whole_owner: bool) -> None:
        """One change is committed: of a key, or of all keys of its owner."""
        for each in KEYS if whole_owner else [key]:
            if OWNER[each] == OWNER[key]:
                self.versions[each] += 1
        self.head += 1
        self.log.append(("owner", OWNER[key]) if whole_owner else ("key", place_of(key)))

    def awaited(self) -> float:
        """The longest lease."""
        return max((node.lease_s for node in self.nodes.values() if not node.dead), default=0.0)

    def since(self, seq: int) -> tuple[int, list[bytes], list[str]]:
        """The log behind *seq*."""
        told = self.log[seq:]
        return self.head, [w for k, w in told if k == "key"], [w for k, w in told if k == "owner"]  # type: ignore[misc]

    def load(self, key: bytes) -> tuple[Any, int]:
        """The record of *key* and the head, in one snapshot."""
        owner = SimpleNamespace(owner_id=OWNER[key])
        made = SimpleNamespace(pepper=1, digest=key, owner=owner, snapshot=0, version=self.versions[key])
        return made, self.head

    def renew(self, node: str, applied: int) -> int | None:
        """Take note of what *node* has applied; the head."""
        row = self.nodes.get(node)
        if row is None or row.dead:
            return None
        row.applied = max(row.applied, applied)
        return self.head

    def silent(self, seq: int) -> list[Any]:
        """Who is alive and has not applied *seq*."""
        return [row for row in self.nodes.values() if not row.dead and row.applied < seq]


class Gate:
    """One gate: a directory, and a lock for who catches up."""

    def __init__(self, directory: type[Directory]) -> None:
        self.directory = directory({1: lambda text: text}, bound=100, unknown_bound=100)
        self.busy = False


class Node:
    """One process with two gates, on a clock of its own."""

    def __init__(self, number: int, world: World) -> None:
        rng = world.rng
        self.number, self.rate, self.offset = number, 1 + rng.uniform(-DRIFT, DRIFT), rng.uniform(0, 1_000)
        self.lease = world.variant.lease(LEASE_S)
        self.gates = [Gate(world.variant.directory) for _ in range(2)]
        self.hinted, self.registrations = False, 0
        self.wake: Callable[[], None] | None = None
        self.pauses: list[tuple[float, float]] = []


class World:
    """One schedule, run to its end by ``run``. ``violations``: what was seen and must not have been."""

    def __init__(self, seed: int, variant: Variant, nodes: int = 3) -> None:
        self.rng, self.variant, self.now = random.Random(seed), variant, 0.0
        self.network, self.database = Network(self.rng), Database()
        self.nodes = [Node(number, self) for number in range(nodes)]
        self.answered = dict.fromkeys(KEYS, 0)  # the newest version of each key whose change has answered
        self.violations: list[str] = []
        self.waits_s: list[float] = []
        self.admitted = 0
        self.slow_logs: list[tuple[float, float, int]] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._faults()

    def _faults(self) -> None:
        rng = self.rng
        last = HORIZON_S - 1.5
        for node in self.nodes:
            if rng.random() < 0.3:
                start = rng.uniform(0.3, last)
                self.slow_logs.append((start, start + rng.uniform(0.5, 2.0), node.number))
            for _ in range(rng.choice((0, 0, 0, 0, 1, 2))):
                start = rng.uniform(0.3, last)
                node.pauses.append((start, start + rng.uniform(0.1, 2.5 * LEASE_S)))
            for up in (True, False):
                if rng.random() < 0.15:
                    start = rng.uniform(0.3, last)
                    self.network.cuts.append((start, start + rng.uniform(0.2, 2.0), node.number, up))

    def at(self, when: float, do: Callable[[], None]) -> None:
        """Have *do* done at *when*."""
        self._count += 1
        heapq.heappush(self._events, (when, self._count, do))

    def run(self) -> World:
        """Everything that happens until the end."""
        for node in self.nodes:
            self.start(self.keep(node), node)
        for _ in range(5):
            self.at(self.rng.uniform(0.3, HORIZON_S - 1.2), lambda: self.start(self.change(), None))
        for _ in range(50):
            node, key, gate = self.rng.choice(self.nodes), self.rng.choice(KEYS), self.rng.randrange(2)
            begin = lambda n=node, k=key, g=gate: self.start(self.ask(n, k, n.gates[g]), n)  # noqa: E731
            self.at(self.rng.uniform(0.1, HORIZON_S), begin)
        while self._events and self._events[0][0] < HORIZON_S + 1:
            self.now, _, do = heapq.heappop(self._events)
            do()
        return self

    def start(self, process: Process, node: Node | None) -> None:
        """Begin *process* on *node*, which may be paused; None: on no node."""
        self._resume(process, node, None)

    def _resume(self, process: Process, node: Node | None, told: Any) -> None:
        for start, end in node.pauses if node is not None else ():
            if start <= self.now < end:
                self.at(end, lambda: self._resume(process, node, told))
                return
        try:
            wanted = process.send(told)
        except StopIteration:
            return
        kind, *rest = wanted
        getattr(self, f"_on_{kind}")(process, node, *rest)

    def _on_sleep(self, process: Process, node: Node | None, seconds: float) -> None:
        self.at(self.now + seconds, lambda: self._resume(process, node, None))

    def _on_nap(self, process: Process, node: Node, seconds: float) -> None:
        """Sleep until a hint comes: as long as *seconds* at most."""

        def wake() -> None:
            if node.wake is wake:
                node.wake = None
                self._resume(process, node, None)

        node.wake = wake
        self.at(self.now + (0.0 if node.hinted else seconds), wake)

    def _on_lock(self, process: Process, node: Node, gate: Gate) -> None:
        if gate.busy:
            self.at(self.now + 0.003, lambda: self._on_lock(process, node, gate))
            return
        gate.busy = True
        self._resume(process, node, None)

    def _on_query(self, process: Process, node: Node, work: Callable[[], Any], locked_s: float | None = None) -> None:
        """Ask the database; None after ANSWER_S. *locked_s*: under the lock of writers, for so long."""
        open_ = [True]

        def settle(told: Any) -> None:
            if open_[0]:
                open_[0] = False
                self._resume(process, node, told)

        def back(told: Any) -> None:
            late = self.network.delay(self.now, node.number if node else -1, up=False)
            if late is not None:
                self.at(self.now + late, lambda: settle(told))

        def there() -> None:
            if locked_s is not None and self.database.free_at > self.now:
                self.at(self.database.free_at, there)
                return
            if locked_s:
                self.database.free_at = self.now + locked_s
            back((work(),))

        late = self.network.delay(self.now, node.number if node else -1, up=True)
        if late is not None:
            self.at(self.now + late, there)
        self.at(self.now + ANSWER_S, lambda: settle(None))

    def boottime(self, node: Node) -> float:
        """What the clock of *node* shows."""
        return node.offset + self.now * node.rate

    def keep(self, node: Node) -> Process:
        """As ``Node._keep``."""
        lease = node.lease
        while True:
            if node.hinted:
                node.hinted = False
                lease.hinted()
            while (do := lease.next(self.boottime(node))) is not Do.WAIT:
                done = yield from self._do(node, do)
                if not done:
                    lease.failed(self.boottime(node))
            yield "nap", min(lease.wait_s(self.boottime(node)), lease.every_s) / node.rate

    def _do(self, node: Node, do: Do) -> Process:
        lease, database = node.lease, self.database
        if do in (Do.FORGET, Do.APPLY):
            heads = []
            for gate in node.gates:
                head = yield from self.apply(node, gate, everything=do is Do.FORGET)
                if head is None:
                    return False
                heads.append(head)
            (lease.forgot if do is Do.FORGET else lease.applied_to)(min(heads))
        elif do is Do.REGISTER:
            node.registrations += 1
            name = f"{node.number}.{node.registrations}"
            row = SimpleNamespace(lease_s=LEASE_S, applied=lease.applied, dead=False)
            if (yield "query", lambda: database.nodes.update({name: row}), 0.0) is None:
                return False
            lease.registered(name)
        else:
            asked = lease.asking(self.boottime(node))
            told = yield "query", lambda: database.renew(asked.node, asked.applied)
            if told is None:
                return False
            if self.variant.from_receipt:
                asked = asked._replace(sent_at=self.boottime(node))
            lease.answered(asked, told[0])
        return True

    def apply(self, node: Node, gate: Gate, *, everything: bool = False) -> Process:
        """As ``Cold._apply``: up to which change, or None."""
        yield "lock", gate
        told = None
        if any(start <= self.now < end and which == node.number for start, end, which in self.slow_logs):
            yield "sleep", ANSWER_S  # renewals are answered, and this is not
        else:
            told = yield "query", lambda: self.database.since(gate.directory.applied)
        if told is not None:
            head, places, owners = told[0]
            if everything:
                gate.directory.clear(head)
            else:
                gate.directory.forget(places=places, owners=owners, head=head)
        gate.busy = False
        return None if told is None else told[0][0]

    def ask(self, node: Node, key: bytes, gate: Gate) -> Process:
        """As ``Cold.decide``: what a version an ask for *key* sees, from memory or not."""
        least, at = self.answered[key], self.boottime(node)
        record = gate.directory.find(key, place_of(key)) if node.lease.holds(at) else None
        for _ in range(TRIES):
            if record is not None:
                break
            holds = node.lease.holds(self.boottime(node))
            if not holds and (not node.lease.reachable or (yield from self.apply(node, gate)) is None):
                return
            record = gate.directory.find(key, place_of(key))
            if record is None:
                told = yield "query", lambda: self.database.load(key)
                if told is None:
                    return
                gate.directory.put(place_of(key), *told[0])
        if record is None:
            return
        self.admitted += 1
        seen: Any = record
        if seen.version < least:
            self.violations.append(f"at {self.now:.3f} node {node.number} saw {seen.version}, not {least}")
        yield "sleep", 0.0

    def change(self) -> Process:
        """As ``App.change`` and ``cluster.barrier.wait``: done by a process without gates, on a clock of its own."""
        rng, database = self.rng, self.database
        rate, key, owner = 1 + rng.uniform(-DRIFT, DRIFT), rng.choice(KEYS), rng.random() < 0.3
        while database.free_at > self.now:
            yield "sleep", database.free_at - self.now
        database.free_at = self.now + 0.004
        lease_s = database.awaited()
        yield "sleep", 0.003
        database.change(key, owner)
        seq = database.head
        made = {each: database.versions[each] for each in KEYS if owner or each == key}
        self._hint()
        yield "sleep", rng.uniform(0, 0.003)
        begun = self.now
        barrier = Barrier(Awaited(seq, lease_s), self.now * rate)
        answers = rng.random() > 0.1  # or else it is cut off from the database after its commit
        while self.variant.waits and not barrier.over:
            if answers:
                barrier.told(len(database.silent(seq)), self.now * rate)
            if not barrier.over:
                barrier.passed(self.now * rate)
                pause = barrier.pause_s if answers else barrier.left_s
                yield "sleep", max(pause(self.now * rate) / rate, 1e-6)
        if barrier.silent and answers:
            for row in database.silent(seq):
                row.dead = True
        self.waits_s.append(self.now - begun)
        for each, version in made.items():
            if OWNER[each] == OWNER[key]:
                self.answered[each] = max(self.answered[each], version)

    def _hint(self) -> None:
        for node in self.nodes:
            late = self.network.delay(self.now, node.number, up=False)
            if late is not None and self.rng.random() < 0.7:
                self.at(self.now + late, lambda n=node: self._heard(n))

    def _heard(self, node: Node) -> None:
        node.hinted = True
        if node.wake is not None:
            node.wake()

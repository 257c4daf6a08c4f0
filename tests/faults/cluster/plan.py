"""What is to happen in one schedule, all of it drawn from a seed: changes, faults, and when. Nothing is done here."""

from __future__ import annotations

import random
from dataclasses import dataclass

OWNERS = 3
TEXTS = 5
"""How many texts each owner's keys may have; the first is issued before the schedule begins."""

NODES, HANDS = 4, 2
KILLS = 0.08

LEASES = 4.0
"""How long a schedule takes, in leases."""

_VERBS = {
    "deactivate": 5,
    "reactivate": 5,
    "revoke": 4,
    "regenerate": 3,
    "issue": 3,
    "suspend": 2,
    "restore": 2,
    "cut": 1,
    "raise": 1,
    "delete": 1,
}
OF_OWNERS = ("suspend", "restore", "cut", "raise")


@dataclass(frozen=True, slots=True)
class Order:
    """A change that a hand is to make at *at* seconds, or once it has made the one before."""

    at: float
    hand: int
    owner: int
    verb: str
    text: int = -1
    """Of all texts of the schedule; for ``issue`` the one that is made."""
    successor: int = -1
    killed_after: float | None = None
    """The hand is killed so many seconds after it was told; then the other one does the same at once."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong from *at* seconds on, for *lasts* seconds."""

    at: float
    lasts: float
    kind: str
    members: tuple[str, ...]
    """Whom it befalls; empty: the server, or everybody."""
    amount: float = 0.0
    """Of a delay, of a clock: in seconds."""


FAULTS = (
    *("stop", "stop", "kill", "hold up", "hold down", "lose up", "lose down", "partition", "partition", "delay"),
    *("reset", "refuse", "restart", "wall clock", "server clock", "slow loads", "slow loads", "slow renewals"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """One schedule."""

    seed: int
    lasts: float
    orders: tuple[Order, ...]
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        faults = ", ".join(f"{f.kind} {'/'.join(f.members)} at {f.at:.2f} for {f.lasts:.2f}" for f in self.faults)
        return f"seed {self.seed}: {len(self.orders)} changes; {faults or 'no faults'}"


def text_of(owner: int, number: int) -> int:
    """The place of an owner's text among all of a schedule."""
    return owner * TEXTS + number


def _orders(chance: random.Random, lease_s: float, hands: int, kills: float) -> list[Order]:
    """A handful of changes of each owner; most of what is asked for is possible when it is asked for."""
    orders, lasts = [], LEASES * lease_s
    for owner in range(OWNERS):
        made, ended = [0], set[int]()
        for at in sorted(chance.uniform(0.02, 0.85) * lasts for _ in range(chance.randint(3, 7))):
            verb = chance.choices(list(_VERBS), list(_VERBS.values()))[0]
            alive = [text for text in made if text not in ended]
            if verb not in OF_OWNERS and verb != "issue" and not alive:
                verb = "issue"
            fresh = len(made)
            if fresh == TEXTS and verb in ("issue", "regenerate"):
                verb = "suspend" if not alive else "deactivate"
            text = successor = -1
            if verb == "issue":
                text = text_of(owner, fresh)
                made.append(fresh)
            elif verb not in OF_OWNERS:
                chosen = chance.choice(alive)
                text = text_of(owner, chosen)
                if verb == "regenerate":
                    successor = text_of(owner, fresh)
                    made.append(fresh)
                if verb in ("revoke", "delete", "regenerate"):
                    ended.add(chosen)
            killed = None
            if chance.random() < kills:
                killed = chance.choice([chance.uniform(0, 0.04), chance.uniform(0, lease_s)])
            orders.append(Order(at, chance.randrange(hands), owner, verb, text, successor, killed))
    return sorted(orders, key=lambda order: order.at)


def _fault(chance: random.Random, kind: str, lease_s: float, members: list[str]) -> Fault:
    at = chance.uniform(0.05, 0.6) * LEASES * lease_s
    nodes = [name for name in members if name.startswith("node")]
    whom: tuple[str, ...] = (chance.choice(members if chance.random() < 0.3 else nodes),)
    if kind in ("partition", "delay", "reset") and chance.random() < 0.4:
        whom = tuple(members)
    long, amount = lease_s * chance.uniform(0.5, 2.2), 0.0
    match kind:
        case "delay":
            amount = lease_s * chance.uniform(0.05, 0.6)
        case "slow loads" | "slow renewals":
            amount = lease_s * chance.uniform(0.2, 1.5)
            whom = tuple(nodes) if chance.random() < 0.4 else (chance.choice(nodes),)
        case "wall clock":
            amount = chance.choice([-3600.0, 3600.0])
        case "server clock":
            amount, whom = chance.choice([-3600.0, 3600.0]), ()
        case "restart":
            long, whom = lease_s * chance.uniform(0, 1), ()
        case "kill":
            long = lease_s * chance.uniform(0, 0.5)
    return Fault(at, long, kind, whom, amount)


def faults(chance: random.Random, kinds: tuple[str, ...], lease_s: float, members: list[str]) -> list[Fault]:
    """One to three faults of these *kinds*, for a schedule of ``LEASES`` leases."""
    return [_fault(chance, chance.choice(kinds), lease_s, members) for _ in range(chance.choice([1, 1, 2, 2, 3]))]


def plan(seed: int, lease_s: float, *, kinds: tuple[str, ...] = FAULTS, kills: float = KILLS) -> Plan:
    """The schedule of *seed*, with faults of these *kinds*. *lease_s*: faults last about as long as a lease.

    *kills*: at how large a part of its changes a hand is killed.
    """
    chance, lasts = random.Random(seed), LEASES * lease_s
    members = [f"node{number}" for number in range(NODES)] + [f"hand{number}" for number in range(HANDS)]
    orders = _orders(chance, lease_s, HANDS, kills)
    wrong = faults(chance, kinds, lease_s, members)
    return Plan(seed, lasts, tuple(orders), tuple(sorted(wrong, key=lambda fault: fault.at)))


def abandoned(seed: int, lease_s: float) -> Plan:
    """A schedule in which a change is committed and nobody waits for it, while a node hears of nothing.

    The hand that made it is killed, and the other one is told to make it at once.
    """
    chance = random.Random(seed)
    held = Fault(lease_s, 2 * lease_s, "hold down", (f"node{chance.randrange(NODES)}",))
    killed = chance.uniform(0.1, 0.6) * lease_s
    order = Order(chance.uniform(1.0, 1.2) * lease_s, 0, 0, "deactivate", text_of(0, 0), killed_after=killed)
    return Plan(seed, LEASES * lease_s, (order,), (held,))

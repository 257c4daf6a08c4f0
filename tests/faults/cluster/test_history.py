"""The checker itself: what it must let pass, and what it must not. Histories written by hand, and made at random."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest

from tests.faults.cluster.history import ADMITTED, FENCE, REFUSED, UNKNOWN, Change, Seen, State, after, unexplained

ISSUED = State(keys=((0, "active"),))


def seen(began: float, ended: float, result: int, *, text: int = 0, node: int = 0) -> Seen:
    return Seen(text, node, began, ended, result)


REVOKED = Change("revoke", 0, began=1, ended=2)
LOST = Change("revoke", 0, began=1)
ASLEEP = Change("deactivate", 0, began=1, ended=2)
AWAKE = Change("reactivate", 0, began=3, ended=4)
AT_ONCE = [Change("deactivate", 0, began=1, ended=4), Change("reactivate", 0, began=1, ended=4)]


@pytest.mark.parametrize(
    ("changes", "verifications"),
    [
        ([REVOKED], [seen(0, 0.5, ADMITTED), seen(2.1, 3, REFUSED), seen(2.1, 3, UNKNOWN)]),
        ([REVOKED], [seen(1.2, 1.3, REFUSED, node=1), seen(1.4, 1.5, ADMITTED)]),  # one knows of it, one not yet
        ([REVOKED], [seen(1.9, 9, ADMITTED)]),  # it began before the answer, and slept
        ([LOST], [seen(5, 6, REFUSED), seen(7, 8, ADMITTED)]),  # nobody knows what came of it
        ([ASLEEP, AWAKE], [seen(2.1, 2.9, REFUSED), seen(3.5, 3.6, REFUSED), seen(3.5, 3.6, ADMITTED)]),
        ([LOST, Change(FENCE, began=3, ended=4)], [seen(5, 6, REFUSED), seen(7, 8, REFUSED)]),
        ([Change("issue", 1, began=1)], [seen(2, 3, REFUSED, text=1), seen(4, 5, ADMITTED, text=1)]),
        (AT_ONCE, [seen(5, 6, REFUSED)]),
        (AT_ONCE, [seen(5, 6, ADMITTED)]),
        ([LOST, Change("cut", began=2, ended=3), Change("raise", began=4, ended=5)], [seen(6, 7, ADMITTED)]),
    ],
)  # fmt: skip
def test_what_may_be_is_explained(changes: list[Change], verifications: list[Seen]) -> None:
    assert unexplained(ISSUED, changes, verifications) == []


WRONG = [
    ([REVOKED], [seen(2.1, 3, ADMITTED)]),
    ([], [seen(1, 2, REFUSED)]),
    ([REVOKED], [seen(0.1, 0.9, REFUSED)]),  # before anybody asked for it
    ([Change("issue", 1, began=1, ended=2)], [seen(3, 4, REFUSED, text=1)]),
    ([Change("issue", 1, began=1, ended=2)], [seen(0.1, 0.5, ADMITTED, text=1)]),
    ([ASLEEP, AWAKE], [seen(4.1, 5, REFUSED)]),
    ([ASLEEP, AWAKE], [seen(2.1, 2.9, ADMITTED)]),
    ([Change("suspend", began=1, ended=2)], [seen(3, 4, ADMITTED)]),
    ([Change("cut", began=1, ended=2)], [seen(3, 4, ADMITTED)]),
    ([Change("regenerate", 0, 1, 1, 2)], [seen(3, 4, ADMITTED)]),
    ([Change("regenerate", 0, 1, 1, 2)], [seen(3, 4, REFUSED, text=1)]),
    ([LOST, Change(FENCE, began=3, ended=4)], [seen(5, 6, REFUSED), seen(7, 8, ADMITTED, node=1)]),
    # Either came last, but not each for one node.
    (AT_ONCE, [seen(5, 6, REFUSED), seen(5, 6, ADMITTED, node=1)]),
    # A revocation that nobody heard of is for good, once a later change has been seen on top of it.
    ([LOST, Change("revoke", 0, began=2, ended=3)], [seen(4, 5, ADMITTED)]),
]


@pytest.mark.parametrize(("changes", "verifications"), WRONG)
def test_what_may_not_be_is_not(changes: list[Change], verifications: list[Seen]) -> None:
    left = unexplained(ISSUED, changes, verifications)
    assert left
    assert set(left) <= set(verifications)


def test_a_change_that_says_that_it_was_made_was_possible() -> None:
    reactivated = Change("reactivate", 0, began=3, ended=4)
    assert unexplained(ISSUED, [REVOKED, reactivated], [seen(5, 6, REFUSED)]) != []


def made_up(chance: random.Random) -> tuple[list[Change], list[Seen], list[State]]:
    """A history of a perfect cluster: changes one after another, and verifications that go by a state in their time."""
    changes, states, at = list[Change](), [ISSUED], 0.0
    while len(changes) < 8:
        verb = chance.choice(["deactivate", "reactivate", "revoke", "suspend", "restore", "cut", "raise", "regenerate"])
        text = -1 if verb in ("suspend", "restore", "cut", "raise") else chance.randrange(3)
        change = Change(verb, text, text + 1, at + 0.1, at + 0.9 if chance.random() < 0.8 else math.inf)
        new = after(states[-1], change)
        if new is not None:
            changes.append(change)
            states.append(new)
            at += 1
    found = []
    for _ in range(40):
        began = chance.uniform(0, 8)
        ended = began + chance.uniform(0, 1.5)
        text, known = chance.randrange(4), chance.randint(int(began), min(8, int(ended)))
        if began % 1 > 0.5 and known == int(began) and known < 8:
            known += 1  # it takes effect in the middle
        found.append(seen(began, ended, ADMITTED if states[known].admits(text) else REFUSED, text=text))
    return changes, found, states


def test_whatever_a_perfect_cluster_does_is_explained_and_one_lie_is_not() -> None:
    caught = 0
    for seed in range(300):
        changes, found, states = made_up(random.Random(seed))
        assert unexplained(ISSUED, changes, found) == [], seed
        if all(change.ended < math.inf for change in changes):
            quiet = 0.95  # between two changes there is one truth only
            lie = ADMITTED if not states[1].admits(0) else REFUSED
            assert unexplained(ISSUED, changes, [*found, seen(quiet, quiet + 0.05, lie)]) != [], seed
            caught += 1
    assert caught > 20
    assert all(one.ended <= next_.began for one, next_ in pairwise(changes) if one.ended < math.inf)

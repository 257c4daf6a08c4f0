"""A limit is a limit over processes and hosts, whatever goes wrong: 1,000 callers of one key at four gates."""

from __future__ import annotations

import random
import time
from itertools import count as numbers

import pytest

from limen.control import keys, owners
from limen.core.limits import Limit
from tests.faults.cluster.conftest import Begin
from tests.faults.cluster.members import Cluster, Gone
from tests.faults.cluster.node import API
from tests.faults.cluster.plan import FAULTS, LEASES, Fault, faults
from tests.faults.cluster.runs import Runner
from tests.faults.crowd import Answered, excess
from tests.faults.processes import START_S

WINDOW_S, LEASE_S = 2, 0.5
EXACT, SHARED = 300, 3_000
CALLERS = 1_000
PAUSE_S = 0.15
"""How long a caller that was refused waits before it asks again."""

HARM = tuple(kind for kind in FAULTS if not kind.startswith("slow"))
_owners = numbers()


def crowded(cluster: Cluster, count: int, seconds: float, *wrong: Fault) -> list[Answered]:
    """What *CALLERS* at all nodes together had admitted in *seconds*, under a new limit of *count* a window."""
    owner, runner = f"crowd-{next(_owners)}", Runner(cluster)

    def one(tx):
        owners.create(tx, owners.NewOwner("organisation", owner=owner))
        owners.set_plan(tx, owner, API, plan="", limits=(Limit("allowance", count, WINDOW_S),))
        return keys.issue(tx, keys.NewKey(API, owner, "a key")).text

    text = cluster.act(one)
    for node in cluster.nodes:
        for ledger in node.ledgers:
            ledger.clear()
        callers = CALLERS // len(cluster.nodes)
        node.tell(do="spend", text=text, callers=callers, seconds=seconds, pause_s=PAUSE_S)
    lines = {node.name: node.line for node in cluster.nodes}
    runner.suffer(wrong, time.monotonic(), LEASES * LEASE_S)
    told = []
    for node in cluster.nodes:
        if node.line is lines[node.name] and node.lives_now():
            try:
                told.append(node.answer(seconds + START_S)["answer"])
            except Gone:
                told.append("killed")
    runner.heal()
    seen = [
        Answered(each.began, each.ended, number, 200)
        for number, node in enumerate(cluster.nodes)
        for ledger in node.ledgers
        for each in ledger.read(number)
    ]
    over = excess(seen, count, WINDOW_S)
    print(f"{count} per {WINDOW_S} s: {len(seen)} admitted in {seconds} s, {over} over; refused: {told}")
    return seen


where = pytest.mark.parametrize("valkey", [False, True], ids=["postgresql", "valkey"])


@where
@pytest.mark.timeout(400)
@pytest.mark.req("R41", "R115")
@pytest.mark.check("C056", "C057")
@pytest.mark.parametrize("count", [EXACT, SHARED], ids=["exact", "shares"])
def test_no_window_admits_more_than_the_limit_whatever_goes_wrong(begin: Begin, valkey: bool, count: int) -> None:
    cluster = begin(lease_s=LEASE_S, valkey=valkey)
    seen = crowded(cluster, count, 2.4 * WINDOW_S)
    assert excess(seen, count, WINDOW_S) == 0
    whole = [each for each in seen if each.ended < min(other.started for other in seen) + 2 * WINDOW_S]
    assert len(whole) >= 0.95 * 2 * count
    assert {each.place for each in seen} == set(range(4)), "no process is left out"
    for seed in range(3):
        chance = random.Random(seed)
        kinds = (*HARM, "empty", "empty", "empty") if valkey else HARM
        wrong = faults(chance, kinds, LEASE_S, list(cluster.members))
        print(
            f"seed {seed}:", ", ".join(f"{f.kind} {'/'.join(f.members)} at {f.at:.2f} for {f.lasts:.2f}" for f in wrong)
        )
        seen = crowded(cluster, count, 2 * WINDOW_S, *wrong)
        assert excess(seen, count, WINDOW_S) == 0, f"seed {seed}"


@pytest.mark.timeout(200)
def test_processes_that_count_alone_are_caught(begin: Begin) -> None:
    cluster = begin("counting_alone", lease_s=LEASE_S)
    assert excess(crowded(cluster, EXACT, 1.2 * WINDOW_S), EXACT, WINDOW_S) > EXACT

"""Revoked means revoked, over processes and hosts, whatever goes wrong: no order of the changes is needed to excuse it.

Each schedule is drawn from a seed: changes by two processes against four gates, on a PostgreSQL behind a way that can
be cut for each of them. The same schedules are run against broken builds, which they must catch.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from tests.faults.cluster.builds import BROKEN
from tests.faults.cluster.conftest import LEASE_S, Begin
from tests.faults.cluster.members import Cluster
from tests.faults.cluster.plan import Plan, abandoned, plan
from tests.faults.cluster.runs import Run, Runner, admitted, unanswered

START_SOLE = 40_000
"""The first seed of what runs in CI: 200 of them, in four tests that may run at once."""

EACH = 50

Drawn = Callable[[int, float], Plan]
"""Makes the schedule of a seed, for a lease of so many seconds."""


def until_wrong(cluster: Cluster, seeds: Sequence[int], lease_s: float, drawn: Drawn = plan) -> list[Run]:
    """What happened in the schedules of *seeds*, up to and with the first in which something is not explained."""
    runner, runs = Runner(cluster), list[Run]()
    runner.prepare(list(seeds))
    for seed in seeds:
        runs.append(runner.run(drawn(seed, lease_s)))
        if runs[-1].wrong:
            break
    return runs


def summary(runs: Sequence[Run]) -> str:
    """What was done in *runs*, for whoever reads the log."""
    seen = [each for run in runs for each in run.seen]
    outcomes = [made.outcome for run in runs for made in run.made]
    counted = ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in ("done", "refused", "unknown"))
    return (
        f"seeds {runs[0].plan.seed} to {runs[-1].plan.seed}: {len(runs)} schedules, {len(outcomes)} changes "
        f"({counted}), {len(seen)} verifications ({admitted(seen)} admitted, {unanswered(seen)} not answered)"
    )


def hold(cluster: Cluster, seeds: Sequence[int], lease_s: float) -> list[Run]:
    """Run the schedules of *seeds*: in none of them is anything wrong, and in them a lot happened.

    How much is a matter of the machine: one that is busy with six clusters makes a third of the changes.
    """
    runs = until_wrong(cluster, seeds, lease_s)
    print(summary(runs))
    assert not runs[-1].wrong, runs[-1].report()
    assert [(run.plan.seed, run.silent) for run in runs if run.silent] == [], "no answer after all faults were over"
    assert sum(made.outcome == "done" for run in runs for made in run.made) > len(runs)
    assert admitted([each for run in runs for each in run.seen]) > 20 * len(runs)
    return runs


@pytest.mark.timeout(600)
@pytest.mark.req("R48", "R68", "R69")
@pytest.mark.check("C027", "C031", "C032")
@pytest.mark.parametrize("first", range(START_SOLE, START_SOLE + 4 * EACH, EACH))
def test_what_has_answered_holds_in_every_process_whatever_goes_wrong(begin: Begin, first: int) -> None:
    hold(begin(), range(first, first + EACH), LEASE_S)


FALLS_FOR: dict[str, Drawn] = {
    "no_fill_guard": partial(plan, kinds=("slow loads",)),
    "counted_from_receipt": partial(plan, kinds=("slow renewals",)),
    "acknowledged_before_applied": partial(plan, kinds=("slow renewals", "delay", "stop")),
    "nothing_new_waits_for_nobody": abandoned,
}
"""What a build falls for, where that is not what goes wrong most of the time."""

WITHIN = 80
"""Within how many schedules each of them is caught. Seen: 1 to 16."""


@pytest.mark.timeout(600)
@pytest.mark.check("C028")
@pytest.mark.parametrize("build", [build.__name__ for build in BROKEN])
def test_a_build_that_breaks_the_promise_is_caught(begin: Begin, build: str) -> None:
    runs = until_wrong(begin(build), range(3_000, 3_000 + WITHIN), LEASE_S, FALLS_FOR.get(build, plan))
    print(f"{build}: {'caught' if runs[-1].wrong else 'not caught'}; {summary(runs)}")
    assert runs[-1].wrong


@pytest.mark.soak
def test_many_schedules(begin: Begin) -> None:
    first = random.randrange(1 << 30)
    for batch in range(0, 4_800, 200):
        hold(begin(), range(first + batch, first + batch + 200), LEASE_S)


@pytest.mark.soak
def test_many_schedules_with_the_lease_that_is_usual(begin: Begin) -> None:
    first = random.randrange(1 << 30)
    hold(begin(lease_s=2.0), range(first, first + 200), 2.0)

"""Revoked means revoked: no admission begins after the change has answered, in whatever process it was made.

The same rounds are run against broken builds of the gate, which they must catch.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from threading import Timer

import pytest

from limen.core.keys import mint
from tests.faults.conftest import Install
from tests.faults.contest import API, Arena, Outcome, late, verify
from tests.faults.installation import GATE, cli
from tests.faults.processes import ANSWER_S, START_S, environment

BUILDS = "tests.faults.builds:"
SOON_S = 5.0
"""A revocation that waited for a process that does not answer would take for ever; a busy machine takes a while."""


def arena(install: Install, factory: str, seed: int) -> Arena:
    """A gate that holds few records, so that they can be pushed out, and has threads for many loads at once."""
    slow = factory != GATE
    return Arena(install(records="100", loads="16"), factory, seed, askers=8 if slow else 4)


def rounds_until_late(install: Install, factory: str, seed: int, *, count: int) -> tuple[int, int]:
    """After how many rounds the first admission was late, and how many of that round were; all of *count* if none."""
    where = arena(install, factory, seed)
    for number in range(1, count + 1):
        if found := late([where.revocation(slow=True)]):
            return number, found
    return count, 0


@pytest.mark.req("R48", "R68", "R69")
@pytest.mark.check("C027", "C031")
def test_no_admission_begins_after_a_revocation_has_answered(install: Install) -> None:
    where = arena(install, GATE, 2621)
    warm = [where.revocation() for _ in range(160)]
    cold = [where.revocation(cold=True) for _ in range(40)]
    asked = sum(len(outcome.seen) for outcome in warm + cold)
    admitted = sum(each.admitted for outcome in warm + cold for each in outcome.seen)
    print(f"seed 2621: {len(warm)} warm and {len(cold)} cold rounds, {asked} verifications, {admitted} admitted")
    assert late(warm) == 0
    assert late(cold) == 0
    assert admitted > 200


@pytest.mark.check("C027")
def test_nor_does_one_where_loads_are_slow(install: Install) -> None:
    where = arena(install, f"{BUILDS}slow_loads", 2622)
    rounds = [where.revocation(slow=True) for _ in range(30)]
    print(f"seed 2622: {len(rounds)} rounds, {sum(len(outcome.seen) for outcome in rounds)} verifications")
    assert late(rounds) == 0


@pytest.mark.check("C028")
@pytest.mark.parametrize("build", ["joined_loads", "no_fill_guard", "no_epoch"])
def test_a_build_that_breaks_the_promise_is_caught(install: Install, build: str) -> None:
    number, found = rounds_until_late(install, BUILDS + build, 2623, count=60)
    print(f"seed 2623: {build}: {found} late admissions in round {number}")
    assert found > 0


@pytest.mark.req("R69")
@pytest.mark.check("C027")
def test_the_command_line_revokes_as_immediately(install: Install) -> None:
    where = arena(install, GATE, 2624)

    def by_command(key: str) -> Callable[[], float]:
        def change() -> float:
            line = cli("keys", "revoke", key, "--reason", "a test", "--yes")
            settings = environment(where.installation.environment)
            done = subprocess.run(line, env=settings, capture_output=True, timeout=START_S, check=False)
            assert done.returncode == 0, done.stderr
            return time.monotonic()

        return change

    rounds = []
    for _ in range(5):
        key, text = where.issue()
        rounds.append(where.contest(verify(text), by_command(key), spread_s=0.01, wait_s=0))
    assert late(rounds) == 0
    assert all(outcome.before() for outcome in rounds)


Case = tuple[str, bytes, Callable[[], float], bool]


def changes(where: Arena) -> Iterator[Case]:
    """Each change that a gate must know of at once: its name, what is asked, the change, and what holds after it."""
    plain = where.owner

    def key(owner: str = plain) -> tuple[str, bytes]:
        made, text = where.issue(owner, "read:experiences", "write:experiences")
        return made, verify(text)

    for verb in ("deactivate", "delete", "regenerate", "expire"):
        made, sent = key()
        yield verb, sent, where.order(verb, made), False
        if verb == "deactivate":
            yield "reactivate", sent, where.order("reactivate", made), True
    owner = where.new_owner()
    _, sent = key(owner)
    yield "suspend", sent, where.order("suspend", owner), False
    yield "restore", sent, where.order("restore", owner), True
    yield "own limit cut", sent, where.order("own_limit", owner, API, 1), False
    yield "own limit raised", sent, where.order("own_limit", owner, API, 1_000_000), True
    owner = where.new_owner("pro")
    _, sent = key(owner)
    for _ in range(101):
        where.ask(where.lines[-1], sent)
    yield "plan cut", sent, where.order("plan", owner, API, "free"), False
    made, text = where.issue(plain, "read:experiences", "write:experiences")
    writing = verify(text, "POST")
    yield "read-only on", writing, where.order("switch", API, "read_only", True), False
    yield "read-only off", writing, where.order("switch", API, "read_only", False), True
    seed = where.chance.randrange(1 << 30)
    unborn = verify(mint("sk_live_", random.Random(seed).randbytes)[1])
    yield "issue", unborn, where.order("issue_drawn", API, plain, seed), True
    owner = where.new_owner()
    _, sent = key(owner)
    yield "disallow", sent, where.order("disallow", owner, API), False
    yield "allow", sent, where.order("allow", owner, API), True


@pytest.mark.req("R99", "R162", "R220", "R221", "R222")
@pytest.mark.check("C031", "C062")
def test_every_other_change_holds_as_immediately(install: Install) -> None:
    where = arena(install, GATE, 2625)
    where.hand.do("switch", API, "allowlist", True)
    seen: dict[str, int] = {}
    for _ in range(3):
        for name, sent, change, admitted in changes(where):
            wait_s = where.chance.uniform(0.005, 0.03)
            outcome = where.contest(sent, change, spread_s=0.004, wait_s=wait_s, answered=1)
            assert outcome.wrong(admitted=admitted) == [], name
            assert any(each.admitted != admitted for each in outcome.before()), name
            seen[name] = seen.get(name, 0) + len(outcome.seen)
    print(f"seed 2625: three rounds each of {', '.join(seen)}; {sum(seen.values())} verifications")


@pytest.mark.check("C027", "C029")
def test_a_gate_that_is_stopped_delays_no_revocation_and_knows_of_it_when_it_goes_on(install: Install) -> None:
    where = arena(install, GATE, 2628)
    group = where.server.child.process.pid
    for _ in range(5):
        key, text = where.issue()
        began = time.monotonic()

        def while_stopped(key: str = key) -> float:
            os.killpg(group, signal.SIGSTOP)
            try:
                return where.order("revoke", key)()
            finally:
                Timer(0.1, os.killpg, (group, signal.SIGCONT)).start()

        outcome = where.contest(verify(text), while_stopped, spread_s=0.004, wait_s=0.01, answered=1)
        assert outcome.returned - began < SOON_S
        assert late([outcome]) == 0


@pytest.mark.check("C027", "C030")
@pytest.mark.parametrize(("where_it_dies", "state"), [("before", "active"), ("after", "revoked")])
def test_a_writer_that_dies_at_its_commit_leaves_gates_that_answer(
    install: Install, where_it_dies: str, state: str
) -> None:
    where = arena(install, GATE, 2626)
    key, text = where.issue()
    epoch = where.installation.app.store.epoch.cell
    writer = where.installation.hand()
    stalled = writer.do("revoke", key, stalls=where_it_dies)
    assert stalled == {"stalled": True}
    for _ in range(2):  # while it hangs there, and when it is dead
        asked = [where.ask(where.lines[0], verify(text)) for _ in range(20)]
        assert {each.admitted for each in asked} == {state == "active"}
        assert max(each.ended - each.started for each in asked) < ANSWER_S / 3
        assert epoch[0] % 2 == 1
        writer.kill()
    assert where.installation.state(key) == state
    where.issue()  # the next writer mends the epoch
    assert epoch[0] % 2 == 0
    assert where.ask(where.lines[0], verify(text)).admitted == (state == "active")
    assert late([where.contest(verify(text), where.order("revoke", key), spread_s=0, wait_s=0)]) == 0


@pytest.mark.check("C027", "C030")
def test_a_writer_that_dies_anywhere_has_revoked_wholly_or_not_at_all(install: Install) -> None:
    where = arena(install, GATE, 2627)
    killer = where.installation.hand()  # it forks, so it opens nothing itself
    states: list[str] = []
    for _ in range(12):
        key, text = where.issue()
        finished = killer.do("revoke", key, killed_after_ms=where.chance.uniform(0, 25))["finished"]
        states.append(where.installation.state(key))
        assert states[-1] == "revoked" or not finished
        assert where.ask(where.lines[0], verify(text)).admitted == (states[-1] == "active")
    where.issue()
    assert where.installation.app.store.epoch.cell[0] % 2 == 0
    print(f"seed 2627: {len(states)} writers killed, {states.count('revoked')} had revoked")


@pytest.mark.soak
def test_many_rounds(install: Install) -> None:
    where = arena(install, GATE, random.randrange(1 << 30))
    rounds: list[Outcome] = [where.revocation(cold=number % 4 == 3) for number in range(5_000)]
    assert late(rounds) == 0

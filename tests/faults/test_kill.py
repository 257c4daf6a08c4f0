"""Nothing admitted goes unrecorded: kill -9 under load, of the gate, of the Guard, of the drain."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial
from threading import Timer

import pytest

from tests.faults.conftest import Install
from tests.faults.installation import GATE, VERSION, Installation, Recorded
from tests.faults.processes import Hand
from tests.faults.wire import Answer, Load, request

CONNECTIONS = 24
LATE_GATE, GUARDED, LATE_GUARD = (f"tests.faults.builds:{name}" for name in ("late_journal", "guarded", "late_guarded"))
both = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
STATUSES = (200, 404, 201, 500, 200, 409, 200)
"""What the guarded API answers, in turn."""


class Rounds:
    """Rounds on one installation: a server under load is killed, the next one starts, what is left is drained."""

    def __init__(self, installation: Installation, factory: str, seed: int, tag: str = "") -> None:
        """*tag*: tells what is asked here from what is asked of other hosts."""
        self.installation, self.factory, self.chance, self.tag = installation, factory, random.Random(seed), tag
        text = installation.key(installation.owner(f"u1{tag}"), "read:chat").text
        self.headers = [("x-fanvue-api-key", text), ("x-fanvue-api-version", VERSION)]
        self.behind_guard = factory in (GUARDED, LATE_GUARD)
        self.number = self.received = self.torn = 0
        self.began = 0.0
        self.server = installation.serve(factory)

    def call(self, number: int) -> tuple[str, str]:
        """The call of a number: most are admitted, one in eight lacks a scope; each has a path of its own."""
        status = STATUSES[number % len(STATUSES)]
        path = f"/chats/{self.tag}{self.number}-{status}-{number}"
        return ("POST", f"{path}/message") if number % 8 == 7 else ("GET", f"{path}/messages")

    def ask(self, number: int) -> bytes:
        """The request of a number."""
        method, path = self.call(number)
        if self.behind_guard:
            return request(method, path, self.headers)
        told = [("x-forwarded-method", method), ("x-forwarded-uri", path)]
        return request("GET", "/gate/auth/creator", [*told, *self.headers])

    def round(self, hand: Hand | None) -> Load:
        """One round; what was answered. *hand*: drains while the load runs, and is killed at it too."""
        self.number += 1
        self.began = time.time() - 1
        server, load = self.server.ready(), Load(self.ask)
        if hand is not None:
            hand.tell("drain", again=True, entries=200, killed_after_ms=self.chance.uniform(50, 400))
        killing = Timer(self.chance.uniform(0.1, 0.5), server.kill)
        killing.start()
        load.run(server.port, CONNECTIONS, 20)
        killing.join()
        if hand is not None:
            hand.answer()
        left = self.installation.segments()
        self.server = self.installation.serve(self.factory)  # while what the other left is drained
        self.installation.drain_all(left)
        self.received += len(load.answers)
        self.torn += len(load.broken)
        return load

    def lost(self, load: Load) -> list[str]:
        """The paths whose answers were received, and that are not in the readings exactly once and as answered."""
        found = self.installation.recorded(f"/chats/{self.tag}{self.number}-", self.began)
        assert [path for path, each in found.items() if len(each) > 1] == [], "recorded twice"
        return [
            path
            for (_, path), answer in ((self.call(number), answer) for number, answer in load.answers.items())
            if not self.tells(found.get(path, []), path, answer)
        ]

    def tells(self, recorded: list[Recorded], path: str, answer: Answer) -> bool:
        """Whether *recorded* says what the client was told, under the id that it was told."""
        if len(recorded) != 1:
            return False
        reading, code, status = recorded[0]
        if path.endswith("/message"):
            assert answer.status == 403
            return code == "scope_missing"
        if self.behind_guard:
            assert f"-{answer.status}-" in path, answer
            return (code, status) == ("ok", answer.status)
        assert answer.status == 200
        return (code, reading) == ("ok", answer.header("limen-reading"))


def rounds_of(
    install: Callable[..., Installation], factory: str, count: int, seed: int, *, until_lost: bool = False
) -> tuple[Rounds, int]:
    """*count* rounds, in every third of which a drain is killed too; and how many answers were lost in them."""
    rounds = Rounds(install(segment_bytes="65536", drain_ms="20"), factory, seed)
    hand, lost, losing = rounds.installation.hand(), 0, 0
    for number in range(count):
        found = rounds.lost(rounds.round(hand if number % 3 == 1 else None))
        lost, losing = lost + len(found), losing + bool(found)
        if found and until_lost:
            break
    print(
        f"seed {seed}: {rounds.number} rounds, {rounds.received} answers received, {lost} lost in {losing} rounds, "
        f"{rounds.torn} torn"
    )
    return rounds, lost


@pytest.mark.req("R71")
@pytest.mark.check("C064")
@both
def test_every_answer_that_was_received_is_in_the_readings_once(install: Install, kind: str) -> None:
    count = 20 if kind == "sqlite" else 8  # there a round takes three times as long
    rounds, lost = rounds_of(partial(install, kind=kind), GATE, count, 2611)
    assert lost == 0
    assert rounds.received > count * CONNECTIONS


def test_a_gate_that_writes_its_journal_once_a_turn_of_the_loop_is_caught(install: Install) -> None:
    assert rounds_of(install, LATE_GATE, 20, 2612, until_lost=True)[1] > 0


@pytest.mark.req("R264")
@pytest.mark.check("C064")
@both
def test_the_status_of_every_answer_that_passed_a_guard_is_recorded(install: Install, kind: str) -> None:
    rounds, lost = rounds_of(partial(install, kind=kind), GUARDED, 10, 2613)
    assert lost == 0
    assert rounds.received > 10 * CONNECTIONS


def test_a_guard_that_writes_its_journal_once_a_turn_of_the_loop_is_caught(install: Install) -> None:
    assert rounds_of(install, LATE_GUARD, 20, 2614, until_lost=True)[1] > 0


@pytest.mark.soak
@pytest.mark.parametrize("factory", [GATE, GUARDED])
@both
def test_many_rounds(install: Install, factory: str, kind: str) -> None:
    assert rounds_of(partial(install, kind=kind), factory, 300, random.randrange(1 << 30))[1] == 0


class Backlog:
    """What a server under load left when it was killed: a few thousand decisions in several segments."""

    def __init__(self, install: Install, kind: str) -> None:
        self.rounds = Rounds(install(kind=kind, segment_bytes="65536"), GATE, 2615)
        self.rounds.number = 1
        server, self.load = self.rounds.server.ready(), Load(self.rounds.ask)
        killing = Timer(1.5, server.kill)
        killing.start()
        self.load.run(server.port, CONNECTIONS, 20)
        killing.join()
        self.installation = self.rounds.installation
        self.hand = self.installation.hand()

    def drain_dying(self, point: str, batch: int, **how: str) -> None:
        """A drain that dies at *point* of its transaction number *batch*."""
        answer = self.hand.do("drain", dies_at=point, batch=batch, entries=100, **how)
        assert not answer["finished"], point


@pytest.mark.check("C064")
@both
def test_a_drain_that_dies_anywhere_loses_nothing_and_records_nothing_twice(install: Install, kind: str) -> None:
    backlog = Backlog(install, kind)
    assert len(backlog.installation.segments()) >= 3
    for point in ("before", "written", "committed", "segment gone"):
        for batch in (1, 2):
            backlog.drain_dying(point, batch)
    backlog.installation.drain_all(backlog.installation.segments())
    assert backlog.installation.segments() == []
    assert backlog.rounds.lost(backlog.load) == []
    print(f"{len(backlog.load.answers)} answers received, drained by 9 drains of which 8 died")


@both
def test_a_drain_that_moves_its_mark_apart_from_what_it_records_is_caught(install: Install, kind: str) -> None:
    backlog = Backlog(install, kind)
    backlog.drain_dying("committed", 3, broken="mark_first")
    backlog.installation.drain_all(backlog.installation.segments())
    assert backlog.rounds.lost(backlog.load) != []

"""The database goes away under a gate: what it knows holds for a lease, then nothing is admitted, until it is back."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

import pytest

from tests.faults.contest import API, verify
from tests.faults.installation import Installation
from tests.faults.wire import Answer, Line
from tools.servers.postgres import Postgres

LEASE_S = 2.0
BACK_S = 1.0
"""Within what time after its return everything is as before. Seen: 0.1 to 0.3 s."""


class Heard(NamedTuple):
    """One answer of the door."""

    began: float
    ended: float
    answer: Answer


class Asker(Thread):
    """Asks one thing again and again until ``stop``."""

    def __init__(self, line: Line, sent: bytes) -> None:
        super().__init__()
        self.line, self.sent, self.ending, self.heard = line, sent, Event(), list[Heard]()
        self.start()

    def run(self) -> None:
        """Ask."""
        while not self.ending.wait(0.002):
            began = time.monotonic()
            answer = self.line.ask(self.sent)
            self.heard.append(Heard(began, time.monotonic(), answer))

    def stop(self) -> list[Heard]:
        """Ask no more; what was heard."""
        self.ending.set()
        self.join(30)
        assert not self.is_alive()
        return self.heard


@pytest.fixture
def server() -> Iterator[Postgres]:
    """A PostgreSQL that a test may stop."""
    made = Postgres()
    yield made.start()
    made.remove()


def installation(folder: Path, server: Postgres, **settings: str) -> Installation:
    """An installation in a new database of *server*."""
    files = {"state": str(folder / "state"), "pepper_file": str(folder / "pepper")}
    return Installation(folder, database_url=server.url(server.create()), **files, **settings)


@pytest.mark.timeout(180)
@pytest.mark.req("R48")
def test_without_the_database_keys_hold_for_a_lease_and_then_nothing_is_admitted(
    tmp_path: Path, server: Postgres
) -> None:
    made = installation(tmp_path / "i", server, lease_ms=str(round(LEASE_S * 1_000)))
    try:
        owner = made.owner("o1", api=API)
        warm, cold = (made.key(owner, "read:experiences", api=API).text for _ in range(2))
        serving = made.serve().ready()
        backs = []
        for number in range(3):
            assert serving.line().ask(verify(warm)).status == 200
            asker = Asker(serving.line(), verify(warm))
            time.sleep(random.Random(number).uniform(0.1, 0.4))
            going = time.monotonic()
            server.stop()
            gone = time.monotonic()
            if number == 0:  # nobody has asked for it before
                refused = serving.line().ask(verify(cold))
                assert refused.status == 503
            time.sleep(LEASE_S + 1.0)
            returning = time.monotonic()
            server.start()
            back = time.monotonic()
            time.sleep(BACK_S + 2.0)
            heard = asker.stop()
            backs.append(judge(heard, (going, gone), (returning, back)))
        print(f"admitted again {', '.join(f'{each:.2f}' for each in backs)} s after the database was back")
        assert sorted(backs)[1] < BACK_S, "twice of three times: another process may have had the machine"
    finally:
        made.close()


def judge(heard: list[Heard], stop: tuple[float, float], start: tuple[float, float]) -> float:
    """*heard* is as promised, for a database that went and came back; how long after that all was as before.

    *stop*, *start*: when each began and was done. What the database does between the two is nobody's business.
    """
    assert {each.answer.status for each in heard} == {200, 503}
    assert all(each.answer.status == 200 for each in heard if each.ended < stop[0])
    lease_ends = stop[1] + LEASE_S
    assert any(each.answer.status == 200 for each in heard if stop[1] < each.began < lease_ends)
    without = [each for each in heard if each.began > lease_ends and each.ended < start[0]]
    assert {each.answer.status for each in without} == {503}
    refused = [each for each in heard if each.answer.status == 503]
    assert all(int(each.answer.header("retry-after")) >= 1 for each in refused)
    return max(each.ended for each in refused) - start[1]

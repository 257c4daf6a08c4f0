"""Nothing admitted goes unrecorded over hosts: gates and workers of two of them are killed, on one database."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import Table, func, select

from limen.db.tables import journal_marks, readings, usage_days, usage_hours, usage_minutes
from tests.faults.conftest import Install
from tests.faults.installation import GATE
from tests.faults.test_kill import CONNECTIONS, LATE_GATE, Rounds

HOSTS = ("a", "b")


class Hosts:
    """Two hosts of one installation on PostgreSQL, each with rounds of its own, at the same time."""

    def __init__(self, install: Install, factory: str, seed: int) -> None:
        small = {"segment_bytes": "65536", "drain_ms": "20"}
        first = install(kind="postgresql", **small)
        made = (first, install(beside=first, **small))
        self.rounds = [
            Rounds(host, factory, seed + number, tag)
            for number, (host, tag) in enumerate(zip(made, HOSTS, strict=True))
        ]
        self.seed, self.lost = seed, 0

    def run(self, count: int, *, until_lost: bool = False) -> int:
        """*count* rounds on each host, in every second of which a worker is killed too; how many answers were lost."""
        with ThreadPoolExecutor(len(self.rounds)) as pool:
            for done in list(pool.map(partial(self._rounds, count=count, until_lost=until_lost), self.rounds)):
                self.lost += done
        received = [each.received for each in self.rounds]
        print(f"seed {self.seed}: {count} rounds a host, {received} answers received, {self.lost} lost")
        return self.lost

    def _rounds(self, rounds: Rounds, *, count: int, until_lost: bool) -> int:
        hand, lost = rounds.installation.hand(), 0
        for number in range(count):
            lost += len(rounds.lost(rounds.round(hand if number % 2 else None)))
            if lost and until_lost:
                break
        return lost

    def count(self, table: Table) -> int:
        """How many decisions a roll-up of the API as a whole has counted; of the readings, how many there are."""
        counted = func.count() if table is readings else func.sum(table.c.calls)
        asked = select(counted).select_from(table).where(table.c.api == "creator")
        if table is not readings:
            asked = asked.where(table.c.locator == b"")
        with self.rounds[0].installation.app.reading() as reader:
            return int(reader.connection.execute(asked).scalar_one())

    def marks(self) -> set[str]:
        """The segments that somebody is in the middle of, by the database."""
        with self.rounds[0].installation.app.reading() as reader:
            return set(reader.connection.execute(select(journal_marks.c.segment)).scalars())


def held(hosts: Hosts, count: int) -> None:
    """Every answer is recorded once and counted once, whoever was killed."""
    assert hosts.run(count) == 0
    for rounds in hosts.rounds:
        assert rounds.received > count * CONNECTIONS
        rounds.server.close()
        rounds.installation.drain_all(rounds.installation.segments())
    recorded = hosts.count(readings)
    assert recorded >= sum(rounds.received for rounds in hosts.rounds)
    assert [hosts.count(table) for table in (usage_minutes, usage_hours, usage_days)] == [recorded] * 3
    assert len(hosts.marks()) <= count  # of workers killed behind a segment's end, and before its mark's


@pytest.mark.req("R71")
@pytest.mark.check("C064")
def test_every_answer_of_two_hosts_is_in_the_readings_once(install: Install) -> None:
    held(Hosts(install, GATE, 2620), 4)


def test_hosts_whose_gates_write_their_journals_late_are_caught(install: Install) -> None:
    assert Hosts(install, LATE_GATE, 2621).run(8, until_lost=True) > 0


@pytest.mark.soak
def test_many_rounds_of_two_hosts(install: Install) -> None:
    held(Hosts(install, GATE, random.randrange(1 << 30)), 150)

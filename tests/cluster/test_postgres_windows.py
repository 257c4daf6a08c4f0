"""Counting in PostgreSQL: beside writers, in batches that overlap, with a server that stands still; what is cleared."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from threading import Thread

import psycopg
import pytest

from limen.cluster.barrier import boottime
from limen.cluster.postgresql import Counting, PostgresWindows
from limen.core.limits import Limit
from limen.core.people import Actor
from limen.db import windows
from limen.db.engine import Store, open_engine
from limen.db.postgresql import WRITERS
from limen.db.transaction import Tx
from limen.db.windows import WindowTable
from limen.gate.counting import Answer, AuthorityBusy, AuthorityGone, Claim, Return
from tests.contracts.servers import migrated
from tools.servers.postgres import Postgres

LIMIT = Limit("allowance", 3, 60)


@pytest.fixture
def url(postgres: Postgres) -> str:
    """A new database."""
    return migrated(postgres)


@pytest.fixture
def counting(url: str) -> Iterator[Counting]:
    """A process that counts in it."""
    made = Counting(WindowTable(url))
    yield made
    made.close()


def _take(authority: PostgresWindows, limit: Limit = LIMIT, whose: bytes = b"a") -> Answer:
    return authority.decide([(Claim(limit, whose),)])[0]


def test_whoever_changes_something_holds_up_nobody_who_counts(url: str, counting: Counting) -> None:
    authority = counting.of("creator")
    assert _take(authority).granted
    with psycopg.connect(url) as writer:
        writer.execute("select pg_advisory_xact_lock(%s)", (WRITERS,))
        began = boottime()
        assert _take(authority).granted
        assert boottime() - began < 0.9


def test_batches_that_overlap_in_any_order_wait_for_each_other_and_never_in_a_circle(counting: Counting) -> None:
    """New windows too: rows that are not there yet are made in the same order in which others are locked."""
    names = [Limit(name, 1_000_000, 60) for name in ("a", "b", "c")]
    granted: list[int] = []

    def loop(seed: int) -> None:
        chance, authority = random.Random(seed), counting.of("creator")
        for _ in range(30):
            batch = [
                tuple(Claim(limit, b"%d" % chance.randrange(150)) for limit in chance.sample(names, 3))
                for _ in range(12)
            ]
            granted.append(sum(answer.granted for answer in authority.decide(batch)))

    threads = [Thread(target=loop, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == 6 * 30 * 12


def test_a_server_that_stands_still_is_waited_for_a_second_and_what_it_did_is_lost(
    url: str, counting: Counting
) -> None:
    authority = counting.of("creator")
    assert _take(authority).granted
    with psycopg.connect(url, autocommit=True) as hand:
        pids = [
            pid
            for (pid,) in hand.execute(
                "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() "
                "and query like '%limen_count%'"
            )
        ]
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    began = boottime()
    try:
        with pytest.raises(AuthorityGone) as gone:
            _take(authority)
        assert not isinstance(gone.value, AuthorityBusy)
        assert 0.9 < boottime() - began < 2.5
        with pytest.raises(AuthorityBusy):
            _take(authority)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    time.sleep(0.5)
    assert _take(authority).grants[0].free in (0, 1), "counted or not, but never given out twice"


def test_where_there_is_no_connection_nothing_was_asked(url: str) -> None:
    name = url.rpartition("/")[2]
    lost = Counting(WindowTable(url.replace(f"/{name}", "/no_such_database")))
    with pytest.raises(AuthorityBusy):
        _take(lost.of("creator"))
    lost.close()


def test_windows_that_ended_are_cleared_and_others_are_not(url: str, counting: Counting) -> None:
    authority = counting.of("creator")
    for whose in (b"long ago", b"just now", b"open"):
        assert _take(authority, whose=whose).granted
    with psycopg.connect(url, autocommit=True) as hand:
        hand.execute("update window_clock set seen = extract(epoch from clock_timestamp())")
        for whose, ago in ((b"long ago", 200), (b"just now", 70)):
            hand.execute("update windows set ends_at = ends_at - %s where whose = %s", (ago, whose))
        store = Store(open_engine(url), None)
        with store.write(lambda connection: Tx(connection, 0.0, Actor("worker", "chores"), os.urandom, 1, bytes)) as tx:
            assert windows.clear(tx) == 1
        store.engine.dispose()
        left = {bytes(whose) for (whose,) in hand.execute("select whose from windows")}
    assert left == {b"just now", b"open"}
    assert _take(authority, whose=b"open").grants[0].free == 1
    assert _take(authority, whose=b"long ago").grants[0].free == 2


def test_what_was_opened_again_after_it_was_cleared_takes_nothing_back_of_before(url: str, counting: Counting) -> None:
    authority = counting.of("creator")
    early = _take(authority).grants[0]
    with psycopg.connect(url, autocommit=True) as hand:
        hand.execute("delete from windows")
    assert _take(authority).grants[0].free == 2
    authority.decide((), [Return(LIMIT, b"a", early.opened, 1)])
    assert _take(authority).grants[0].free == 1

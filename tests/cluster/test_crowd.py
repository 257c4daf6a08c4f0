"""A limit is a limit over processes of several hosts: a crowd on one key, faults of the servers, builds that leak."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from tests.cluster.caller import Told, line
from tests.contracts.servers import migrated
from tests.faults.crowd import Answered, excess, shortfall
from tests.faults.pulse import Pulse
from tools.servers.postgres import Postgres
from tools.servers.valkey import Valkey

WINDOW_S, PROCESSES, TRIES = 2, 4, 3
"""How often it is tried at most: again where the machine stood still, as a server seems to be gone then."""

SLOWLY_S = 0.1
"""Between two calls of each of 32 callers: a fault comes before the limit is reached, when half a window has gone."""

EXACT, SHARES = 300, 1_200
LEAKS, EARLY_S = 100, 0.2
"""A limit that a crowd reaches on a slow machine too, and when a fault comes before it does on a fast one."""

WHERE = ("postgresql", "valkey")

both = pytest.mark.parametrize("where", WHERE)
Fault = Callable[[], None]


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server that the test may kill."""
    server = Postgres()
    try:
        yield server.start()
    finally:
        server.remove()


@pytest.fixture
def own_valkey() -> Iterator[Valkey]:
    """A server that the test may kill or empty."""
    server = Valkey()
    try:
        yield server.start()
    finally:
        server.remove()


class Crowd:
    """Four processes that count against one limit."""

    def __init__(self, database_url: str, valkey_url: str = "", *, pause_s: float = 0.0, **told: Any) -> None:
        how = {"build": "sound", "count": EXACT, **told}
        self.told = Told(
            database_url=database_url, valkey_url=valkey_url, window_s=WINDOW_S, pause_s=pause_s, seconds=0, **how
        )
        self.seen: list[Answered] = []
        self.calls = 0

    def run(self, seconds: float, *faults: tuple[float, Fault]) -> int:
        """Call for *seconds*, with *faults* at their moments; by how many more than the limit a window admitted."""
        told = replace(self.told, seconds=seconds)
        environment, pipe = {**os.environ, "PYTHONPATH": "src:."}, subprocess.PIPE
        children = [
            subprocess.Popen(line(told), stdin=pipe, stdout=pipe, env=environment) for _ in range(told.processes)
        ]
        try:
            for child in children:
                assert child.stdout is not None
                assert child.stdout.readline() == b"ready\n"
            starts_at = time.monotonic() + 0.1
            for child in children:
                assert child.stdin is not None
                child.stdin.write(f"{starts_at}\n".encode())
                child.stdin.flush()
            for at, fault in faults:
                time.sleep(max(0.0, starts_at + at - time.monotonic()))
                fault()
            for place, child in enumerate(children):
                said = json.loads(child.communicate(timeout=60)[0])
                self.calls += said["calls"]
                self.seen += [Answered(started, ended, place, status) for started, ended, status in said["seen"]]
        finally:
            for child in children:
                child.kill()
                child.communicate()
        found = excess(self.seen, told.count, told.window_s)
        print(f"{told.count} per {told.window_s} s: {self.statuses()} in {seconds} s, {self.calls} calls, {found} over")
        return found

    def short(self) -> int:
        """How far from the limit a window was, at most, when it refused."""
        return shortfall(self.seen, self.told.count, self.told.window_s)

    def lasted(self) -> float:
        """For how many seconds, since the first was let through, others were."""
        began = [each.started for each in self.seen if each.status == 200]
        return max(began) - min(began)

    def statuses(self) -> dict[int, int]:
        """How often each status was answered."""
        found = [each.status for each in self.seen]
        return {status: found.count(status) for status in sorted(set(found))}

    def admitted(self) -> int:
        """How many were let through."""
        return sum(each.status == 200 for each in self.seen)


@both
@pytest.mark.req("R41", "R115")
@pytest.mark.check("C058")
@pytest.mark.parametrize("count", [EXACT, SHARES], ids=["exact", "shares"])
def test_a_crowd_is_admitted_as_often_as_the_limit_says(
    postgres: Postgres, own_valkey: Valkey, where: str, count: int
) -> None:
    for _ in range(TRIES):
        crowd = Crowd(migrated(postgres), own_valkey.url if where == "valkey" else "", count=count)
        with Pulse() as pulse:
            assert crowd.run(1.5 * WINDOW_S) == 0
        if not pulse.stood_still:
            break
    assert crowd.statuses().keys() == {200, 429}
    assert crowd.lasted() > WINDOW_S
    assert crowd.short() <= 0.05 * count
    assert {each.place for each in crowd.seen if each.status == 200} == set(range(PROCESSES))


def _restarted(server: Postgres, how: signal.Signals) -> Fault:
    def restart() -> None:
        server.stop(how)
        server.start()

    return restart


def _stopped(server: Postgres | Valkey, seconds: float) -> Fault:
    def stop() -> None:
        pids = [server.pid, *_children(server.pid)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    return stop


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.check("C058")
def test_postgresql_that_is_killed_or_stopped_forgets_nothing_that_was_counted(own_postgres: Postgres) -> None:
    crowd = Crowd(migrated(own_postgres), pause_s=SLOWLY_S)
    faults = ((0.6, _restarted(own_postgres, signal.SIGQUIT)), (2.7, _stopped(own_postgres, 0.5)))
    assert crowd.run(3 * WINDOW_S, *faults) == 0
    assert crowd.lasted() > 2 * WINDOW_S, "it is counted again as soon as it is back"


@pytest.mark.check("C058")
def test_valkey_that_is_killed_emptied_or_stopped_gives_nothing_twice(postgres: Postgres, own_valkey: Valkey) -> None:
    def restart() -> None:
        own_valkey.stop()
        own_valkey.start()

    def empty() -> None:
        with redis.Redis.from_url(own_valkey.url) as client:
            client.flushall()

    crowd = Crowd(migrated(postgres), own_valkey.url, pause_s=SLOWLY_S)
    assert crowd.run(5 * WINDOW_S, (0.6, _stopped(own_valkey, 0.8)), (2.7, restart), (6.0, empty)) == 0
    assert crowd.lasted() > 4 * WINDOW_S


JUMPING = """
    create schema fake;
    create table fake.ahead (by interval);
    insert into fake.ahead values ('0');
    create function fake.clock_timestamp() returns timestamptz language sql volatile as
        'select pg_catalog.clock_timestamp() + by from fake.ahead';
"""


def _jumping(url: str) -> Callable[[str], Fault]:
    """The wall clock of the database of *url* can be set from now on."""
    name = url.rpartition("/")[2]
    with psycopg.connect(url, autocommit=True) as hand:
        hand.execute(JUMPING)
        hand.execute(f"alter database {name} set search_path = fake, pg_catalog, public")

    def set_by(text: str) -> Fault:
        def do() -> None:
            with psycopg.connect(url, autocommit=True) as hand:
                hand.execute("update fake.ahead set by = by + %s", (text,))

        return do

    return set_by


_BELIEVES = """
    alter function limen_count rename to limen_count_soundly;
    do $$ begin
        execute replace(replace(
            replace(pg_get_functiondef('limen_count_soundly'::regproc), 'limen_count_soundly', 'limen_count'),
            e'begin\n    select c.shift',
            e'begin\n    earliest := extract(epoch from clock_timestamp()); latest := earliest;\n    select c.shift'),
            'if held_ends[place] > latest + claim_length[at] then', 'if false then');
    end $$
"""
"""It goes by the wall clock, and what is open for too long stays open."""


def test_a_wall_clock_that_is_set_cuts_no_window_short_and_makes_none_long(postgres: Postgres) -> None:
    url = migrated(postgres)
    set_by = _jumping(url)
    crowd = Crowd(url, pause_s=SLOWLY_S)
    assert crowd.run(3 * WINDOW_S, (0.6, set_by("1 hour")), (2.6, set_by("-2 hours"))) == 0
    assert crowd.lasted() > 2 * WINDOW_S
    assert crowd.short() <= 0.05 * EXACT


def test_a_build_that_believes_the_wall_clock_is_caught(postgres: Postgres) -> None:
    url = migrated(postgres)
    set_by = _jumping(url)
    with psycopg.connect(url, autocommit=True) as hand:
        hand.execute(_BELIEVES)
    crowd = Crowd(url, pause_s=SLOWLY_S, count=LEAKS)
    assert crowd.run(1.2 * WINDOW_S, (EARLY_S, set_by("1 hour"))) > 0
    slow = Crowd(url, pause_s=SLOWLY_S, count=LEAKS)
    slow.run(2 * WINDOW_S, (EARLY_S, set_by("-1 hour")))
    assert slow.short() == LEAKS, "its window does not end"


@pytest.mark.parametrize(
    ("build", "where"), [("apart", "postgresql"), ("checking", "postgresql"), ("checking", "valkey")]
)
def test_a_build_that_leaks_is_caught(postgres: Postgres, own_valkey: Valkey, where: str, build: str) -> None:
    crowd = Crowd(migrated(postgres), own_valkey.url if where == "valkey" else "", build=build, count=LEAKS)
    assert crowd.run(1.2 * WINDOW_S) > 0


def test_a_build_that_takes_an_emptied_valkey_for_a_new_one_is_caught(postgres: Postgres, own_valkey: Valkey) -> None:
    crowd = Crowd(migrated(postgres), own_valkey.url, build="forgetful", pause_s=SLOWLY_S, count=LEAKS)

    def empty() -> None:
        with redis.Redis.from_url(own_valkey.url) as client:
            client.flushall()

    assert crowd.run(1.2 * WINDOW_S, (EARLY_S, empty)) > 0


def test_a_build_whose_windows_do_not_survive_a_crash_is_caught(own_postgres: Postgres) -> None:
    url = migrated(own_postgres)
    with psycopg.connect(url, autocommit=True) as hand:
        hand.execute("alter table windows set unlogged")
    crowd = Crowd(url, pause_s=SLOWLY_S, count=LEAKS)
    assert crowd.run(2 * WINDOW_S, (EARLY_S, _restarted(own_postgres, signal.SIGQUIT))) > 0


def test_while_what_counts_is_gone_each_process_may_admit_its_part(own_postgres: Postgres) -> None:
    """At most as much again as the limit, whatever it had granted before."""
    crowd, gone = Crowd(migrated(own_postgres), build="sharing", pause_s=SLOWLY_S), list[float]()

    def stop() -> None:
        own_postgres.stop()
        gone.append(time.monotonic())

    assert crowd.run(1.5 * WINDOW_S, (0.6, stop)) <= EXACT
    assert 503 not in crowd.statuses()
    assert any(each.status == 200 and each.started > gone[0] for each in crowd.seen)

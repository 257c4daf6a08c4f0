"""Roll-ups: what they say is what the readings come to, in whatever order journals and outcomes were drained."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from limen.control import keys, owners, recording
from limen.core.rollup import DAY_S, GRAINS, HOUR_S, MINUTE_S, bucket, bucket_ms
from limen.core.usage import Decided, Outcome
from limen.db import partitions
from limen.drain import CHORES, Rota

if TYPE_CHECKING:
    from limen.app import App
    from tests.control.desk import Desk

A, B = b"locator of a", b"locator of b"
WHICH = "api, locator, at, operation, version, code"
COUNTED = "calls, s1, s2, s3, s4, s5"


def _decided(number: int, at: float, locator: bytes = A, code: str = "ok", address: str = "192.0.2.1") -> Decided:
    return Decided(number, at, locator, code, "GET", "getSelf", "2025-06-26", "/users/me", address)


class Journal:
    """Entries that are recorded as if they had been drained from segments of one process."""

    def __init__(self, desk: Desk, incarnation: int = 7) -> None:
        self.desk, self.incarnation, self.segments = desk, incarnation, 0

    def drained(self, *entries: Any) -> None:
        """A segment with *entries* is drained."""
        self.segments += 1
        name = f"{self.incarnation:012x}-{self.segments:06d}.seg"
        self.desk.act(recording.record, name, 64, api="creator", incarnation=self.incarnation, entries=entries)


def _table(desk: Desk, grain: str) -> dict[tuple[Any, ...], tuple[int, ...]]:
    found = desk.rows(f"select {WHICH}, {COUNTED} from usage_{grain}s")
    return {(row[0], bytes(row[1]), *row[2:6]): tuple(row[6:]) for row in found}


def _expected(desk: Desk, grain: str) -> dict[tuple[Any, ...], tuple[int, ...]]:
    """The same from the readings, one by one, by other arithmetic than the program's."""
    expected: dict[tuple[Any, ...], list[int]] = {}
    for api, locator, at, operation, version, code, status in desk.rows(
        "select api, locator, at, operation, version, code, status from readings"
    ):
        begins = int(at // GRAINS[grain]) * GRAINS[grain]
        for whose in (bytes(locator), b""):
            counts = expected.setdefault((api, whose, begins, operation, version, code), [0] * 6)
            counts[0] += 1
            if status is not None:
                counts[int(str(status)[0])] += 1
    return {which: tuple(counts) for which, counts in expected.items()}


@pytest.mark.req("R264")
@pytest.mark.parametrize("seed", range(6))
def test_in_whatever_order_journals_are_drained_they_are_what_the_readings_come_to(
    desk: Desk, creator: App, seed: int
) -> None:
    chance = random.Random(seed)
    begins = desk.now - desk.now % DAY_S - 3 * HOUR_S
    entries: dict[int, list[Any]] = {7: [], 8: []}
    for incarnation in (7, 8):
        for number in range(1, 120):
            at, place = begins + chance.uniform(0, 6 * HOUR_S), chance.choice((A, B))
            code, address = chance.choice(("ok", "ok", "scope_missing")), f"192.0.2.{chance.randrange(4)}"
            entries[incarnation].append(_decided(number, at, place, code, address))
            for _ in range(chance.choice((0, 1, 1, 1, 2))):  # some are told twice, and some to another process
                status, took_us = chance.choice((200, 201, 304, 404, 500)), chance.choice((None, 900))
                entries[chance.choice((7, 8))].append(Outcome(incarnation, number, status, at + 1, took_us))
    segments = []
    for incarnation, written in entries.items():
        chance.shuffle(written)
        segments += [(incarnation, written[first : first + 50]) for first in range(0, len(written), 50)]
    chance.shuffle(segments)
    journals = {incarnation: Journal(desk, incarnation) for incarnation in (7, 8)}
    for incarnation, part in segments:
        journals[incarnation].drained(*part)
        if chance.random() < 0.3:
            desk.act(recording.settle)
    desk.act(recording.settle)
    for grain in GRAINS:
        assert _table(desk, grain) == _expected(desk, grain)
    assert desk.rows("select count(*) from outcomes") == [(0,)]
    statuses = desk.rows("select count(*) from readings where status is not null")
    assert statuses == desk.rows(
        "select cast(sum(s2 + s3 + s4 + s5) as integer) from usage_days where length(locator) = 0"
    )


def test_what_is_recorded_again_is_counted_once(desk: Desk, creator: App) -> None:
    """A database was put back, and the journal's marks with it."""
    journal = Journal(desk)
    entries = [_decided(1, desk.now), Outcome(7, 1, 200, desk.now), _decided(2, desk.now)]
    journal.drained(*entries)
    journal.drained(*entries, Outcome(7, 2, 404, desk.now))
    assert desk.rows("select calls, s2, s4 from usage_days where length(locator) = 0") == [(2, 1, 1)]


def test_an_outcome_that_no_reading_follows_goes_after_a_day(desk: Desk, creator: App) -> None:
    Journal(desk).drained(Outcome(6, 1, 200, desk.now))
    desk.act(recording.settle)
    assert desk.rows("select count(*) from outcomes") == [(1,)]
    desk.now += 86_401
    desk.act(recording.settle)
    assert desk.rows("select count(*) from outcomes") == [(0,)]


@pytest.mark.req("R264")
def test_an_outcome_that_is_told_days_later_is_recorded_all_the_same(desk: Desk, creator: App) -> None:
    """As from a log that was put away."""
    began = desk.now
    Journal(desk).drained(_decided(1, began), _decided(2, began))
    desk.now += 3 * DAY_S
    Journal(desk, 8).drained(Outcome(7, 1, 204, desk.now), Outcome(7, 2, 404, desk.now, 1_000))
    desk.act(recording.settle)
    assert desk.rows("select status, took_us from readings order by number") == [(204, None), (404, 1_000)]
    assert desk.rows("select s2, s4 from usage_days where length(locator) = 0") == [(1, 1)]
    assert desk.rows("select count(*) from outcomes") == [(0,)]
    assert desk.ask(recording.wrong, int(began // DAY_S)) == 0


def test_the_worker_settles_what_came_early(desk: Desk, creator: App) -> None:
    early, late = Journal(desk, 8), Journal(desk, 7)
    early.drained(Outcome(7, 1, 503, desk.now, 1_000))
    late.drained(_decided(1, desk.now))
    assert desk.rows("select status from readings") == [(None,)]
    (chore,) = (each for each in CHORES if each.name == "outcomes")
    Rota((chore,)).do(desk.app)
    assert desk.rows("select status, took_us from readings") == [(503, 1_000)]
    assert desk.rows("select s5 from usage_hours where length(locator) > 0") == [(1,)]


def test_rebuilt_they_are_the_same_and_what_a_hand_has_changed_is_right_again(desk: Desk, creator: App) -> None:
    journal = Journal(desk)
    at = desk.now - desk.now % DAY_S
    journal.drained(*(_decided(n, at + n * 700, address=f"2001:db8::{n}") for n in range(1, 100)))
    journal.drained(*(Outcome(7, n, 200 + n, at + n * 700 + 1, 10 * n) for n in range(1, 90)))
    tables = ("usage_minutes", "usage_hours", "usage_days", "usage_times", "usage_addresses")
    before = {name: sorted(desk.rows(f"select * from {name}"), key=repr) for name in tables}
    day = int(at // DAY_S)
    desk.act(lambda tx: tx.connection.exec_driver_sql("update usage_hours set calls = calls + 1"))
    desk.act(lambda tx: tx.connection.exec_driver_sql("delete from usage_times"))
    assert sorted(desk.rows("select * from usage_hours"), key=repr) != before["usage_hours"]
    desk.act(recording.rebuild, day)
    desk.act(recording.rebuild, day)
    assert {name: sorted(desk.rows(f"select * from {name}"), key=repr) for name in tables} == before


def test_where_requests_came_from_is_counted_by_the_hour(desk: Desk, creator: App) -> None:
    hour = desk.now - desk.now % HOUR_S
    addresses = ("192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "")
    Journal(desk).drained(*(_decided(n, hour + n, address=each) for n, each in enumerate(addresses, 1)))
    found = desk.rows("select at, address, calls from usage_addresses order by address")
    assert found == [(hour, "192.0.2.1", 2), (hour, "192.0.2.2", 1), (hour, "2001:db8::/64", 2)]


def test_buckets_of_latency_are_narrow_and_in_order() -> None:
    for took_us in (0, 1, 2, 3, 10, 999, 1_000, 123_456, 60_000_000, 2**32 - 2):
        number = bucket(took_us)
        assert bucket_ms(number) <= max(took_us, 1) / 1_000 * 1.000001
        assert max(took_us, 1) / 1_000 < bucket_ms(number + 1) * 1.000001
        assert bucket_ms(number + 1) / bucket_ms(number) < 1.19


# -- what goes, and when -------------------------------------------------------------------------------------------


def _counts(desk: Desk) -> dict[str, int]:
    names = ("readings", "usage_minutes", "usage_hours", "usage_days", "usage_addresses")
    return {name: desk.rows(f"select count(*) from {name} where length(locator) > 0")[0][0] for name in names}


@pytest.mark.req("R71")
def test_each_grain_is_kept_as_long_as_the_profile_says(desk: Desk, creator: App) -> None:
    now = desk.now
    owner = desk.act(owners.create, owners.NewOwner("user", owner="u-1")).owner
    desk.act(keys.issue, keys.NewKey("creator", owner, "a key", scopes=("read:self",)))
    (locator,) = desk.rows("select locator from keys")[0]
    ages = (0, 6, 8, 29, 32, 399, 402, 3_000)
    Journal(desk).drained(*(_decided(n, now - age * DAY_S, bytes(locator)) for n, age in enumerate(ages, 1)))
    desk.act(partitions.prepare)
    while desk.act(recording.purge, limit=2):
        pass
    found = _counts(desk)
    assert (found["readings"], found["usage_minutes"], found["usage_hours"], found["usage_days"]) == (4, 2, 6, 8)
    assert found["usage_addresses"] == 4


@pytest.mark.req("R71")
def test_on_postgresql_whole_days_go_with_their_partitions(desk: Desk, creator: App) -> None:
    if creator.settings.on_one_host:
        pytest.skip("SQLite has one table")
    first = desk.now
    Journal(desk).drained(*(_decided(n, first - n * DAY_S) for n in range(1, 6)))
    desk.act(partitions.prepare)
    held = desk.rows("select count(*) from pg_inherits where inhparent = 'readings'::regclass")[0][0]
    desk.now += 40 * DAY_S
    assert not desk.act(recording.purge)
    assert desk.rows("select count(*) from readings") == [(0,)]
    assert desk.rows("select count(*) from pg_inherits where inhparent = 'readings'::regclass")[0][0] < held


@pytest.mark.req("R73")
def test_of_an_owner_who_was_erased_nothing_stays_but_what_all_did_together(desk: Desk, creator: App) -> None:
    owner = desk.act(owners.create, owners.NewOwner("user", owner="u-1")).owner
    desk.act(keys.issue, keys.NewKey("creator", owner, "a key", scopes=("read:self",)))
    (place,) = desk.rows("select locator from keys")[0]
    Journal(desk).drained(
        *(_decided(n, desk.now - n * MINUTE_S, bytes(place)) for n in range(1, 20)), _decided(20, desk.now, B)
    )
    desk.act(owners.erase, owner)
    while desk.act(recording.purge, limit=5):
        pass
    assert set(_counts(desk).values()) == {1}
    assert desk.rows("select cast(sum(calls) as integer) from usage_days where length(locator) = 0") == [(20,)]
    last = int(desk.now - MINUTE_S) // DAY_S
    assert desk.ask(recording.whole_since) == (last + 1) * DAY_S, "made anew, that day would lack what all did together"


def test_what_is_wrong_is_counted_and_made_right(desk: Desk, creator: App) -> None:
    Journal(desk).drained(_decided(1, desk.now), Outcome(7, 1, 200, desk.now, 5), _decided(2, desk.now, B))
    day = int(desk.now // DAY_S)
    assert desk.ask(recording.wrong, day) == 0
    desk.act(lambda tx: tx.connection.exec_driver_sql("update usage_hours set calls = calls + 1"))
    desk.act(lambda tx: tx.connection.exec_driver_sql("delete from usage_addresses"))
    assert desk.ask(recording.wrong, day) == 2 * 3 + 2
    desk.act(recording.rebuild, day)
    assert desk.ask(recording.wrong, day) == 0
    assert desk.ask(recording.whole_since) == (day - 29) * DAY_S

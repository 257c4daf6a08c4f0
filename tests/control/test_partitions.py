"""Readings by day: on PostgreSQL each day has a partition, and what came before it was made is moved into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from limen.control import recording, usage
from limen.core.usage import Decided
from limen.db import partitions
from limen.drain import work

if TYPE_CHECKING:
    from limen.app import App
    from tests.control.desk import Desk

DAY_S = partitions.DAY_S


def _days(desk: Desk) -> set[int]:
    with desk.app.reading() as reader:
        return partitions.partitions(reader.connection)


def _read(desk: Desk, *moments: float, segment: str = "a", first: int = 1) -> None:
    """Readings of these moments are recorded."""
    entries = [
        Decided(number, at, b"locator", "ok", "GET", "getSelf", "2025-06-26", "/users/me")
        for number, at in enumerate(moments, first)
    ]
    desk.act(recording.record, segment, 64 + first, api="creator", incarnation=7, entries=entries)


def _lie(desk: Desk) -> dict[str, int]:
    """How many readings lie in which partition."""
    return dict(desk.rows("select tableoid::regclass::text, count(*) from readings group by 1"))


def test_a_reading_finds_its_place_before_and_after_its_day_has_a_partition(desk: Desk, creator: App) -> None:
    _read(desk, desk.now, desk.now - 30 * DAY_S)
    made = desk.act(partitions.prepare)
    _read(desk, desk.now + 1, desk.now - 2 * DAY_S, segment="b", first=3)
    assert [each.at for each in desk.ask(usage.listed)] == [
        desk.now + 1,
        desk.now,
        desk.now - 2 * DAY_S,
        desk.now - 30 * DAY_S,
    ]
    if creator.settings.on_one_host:
        assert made == 0
        return
    today = int(desk.now // DAY_S)
    assert made == len(_days(desk)) == 10
    assert {today - 7, today, today + 2} <= _days(desk)
    lies = _lie(desk)
    assert lies.pop("readings_other") == 1
    assert sorted(lies.values()) == [1, 2]
    assert desk.act(partitions.prepare) == 0


def test_a_reading_that_is_recorded_twice_is_there_once(desk: Desk, creator: App) -> None:
    _read(desk, desk.now)
    desk.act(partitions.prepare)
    _read(desk, desk.now, segment="b")
    assert len(desk.ask(usage.listed)) == 1


def test_the_worker_makes_them(desk: Desk, creator: App) -> None:
    if creator.settings.on_one_host:
        pytest.skip("SQLite has one table")
    assert not work(creator).failures
    assert len(_days(desk)) == 10


def test_a_partition_is_made_while_readings_come(desk: Desk, creator: App) -> None:
    """Whoever records meanwhile waits, and its reading is in the new partition."""
    if creator.settings.on_one_host:
        pytest.skip("SQLite has one table")
    with psycopg.connect(creator.settings.database_url) as other:
        other.execute(
            "insert into readings (incarnation, number, at, api, locator, method, operation, version, path, code)"
            " values (9, 1, %s, 'creator', 'l', 'GET', '', '', '/', 'ok')",
            (desk.now,),
        )
        from threading import Thread

        thread = Thread(target=desk.act, args=(partitions.prepare,))
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        other.commit()
        thread.join(10)
    assert not thread.is_alive()
    assert "readings_other" not in _lie(desk)

"""From the journals into the readings: every entry exactly once, whoever drains, and wherever it is killed."""

from __future__ import annotations

import fcntl
import itertools
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event

from limen.app import App
from limen.control import keys, usage
from limen.core.problems import StoreDown
from limen.drain import Drainer, drain
from limen.gate import journal
from tests.control.desk import Desk
from tests.db.children import Child, Starter, in_child
from tests.db.dump import place_of, rows
from tests.db.hand import hand_at, missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from limen.control.keys import Issued
    from limen.settings import Settings

COUNT = 7


@pytest.fixture
def issued(owner: str, new_key: Callable[..., Issued]) -> Issued:
    """A key of ``creator``."""
    return new_key("creator", owner)


@pytest.fixture
def written(desk: Desk, issued: Issued) -> Iterator[Settings]:
    """An installation that no process has open, with ``COUNT`` decisions on one key in its journal."""
    for _ in range(COUNT):
        desk.now += 1
        assert desk.verdict(issued.text) == "ok"
    desk.app.close()
    yield desk.app.settings
    assert _segments(desk.app.settings) == []


def _segments(settings: Settings) -> list[Path]:
    return sorted((settings.state_folder / "journal").glob("*/*.seg"))


def _count(settings: Settings, table: str = "readings") -> int:
    found: int = rows(place_of(settings), f"select count(*) from {table}")[0][0]
    return found


@contextmanager
def _opened(settings: Settings) -> Iterator[App]:
    app = App.open(settings)
    try:
        yield app
    finally:
        app.close()


@contextmanager
def _in_use(path: Path) -> Iterator[None]:
    """As long as a process that writes it lives, it holds the lock of its segment."""
    file = os.open(path, os.O_RDWR)
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(file)


# -- what is recorded ------------------------------------------------------------------------------------------------


@pytest.mark.req("R26", "R71", "R264")
def test_a_decision_is_one_reading_with_key_method_path_and_moment(desk: Desk, issued: Issued) -> None:
    moments = []
    for version, call in (("2025-06-26", "GET /users/me"), ("2025-06-26", "POST /chats"), ("2020-01-01", "GET /chats")):
        desk.now += 1.5
        moments.append(desk.now)
        desk.verdict(issued.text, version=version, call=call)
    writer = desk.app.gate("creator").gate.journal
    writer.outcome(1, 204, desk.now)
    assert drain(desk.app) == 4
    third, second, first = desk.ask(usage.listed)
    assert first == usage.Reading(
        reading=writer.reading_id(1),
        at=moments[0],
        api="creator",
        key=issued.key.key,
        method="GET",
        path="/users/me",
        operation="getCurrentUser",
        version="2025-06-26",
        code="ok",
        status=204,
    )
    assert (second.method, second.path, second.code, second.status) == ("POST", "/chats", "scope_missing", None)
    assert (third.at, third.code, third.version) == (moments[2], "version_unknown", "")


@pytest.mark.req("R72")
def test_readings_are_found_by_key_and_by_moment(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> None:
    first = new_key("creator", owner)
    desk.verdict(first.text)
    second = new_key("creator", owner)
    for _ in range(3):
        desk.now += 1
        desk.verdict(second.text)
    drain(desk.app)
    assert [found.key for found in desk.ask(usage.listed)] == [second.key.key] * 3 + [first.key.key]
    assert len(desk.ask(usage.listed, key=first.key.key)) == 1
    assert len(desk.ask(usage.listed, key=second.key.key, since=desk.now - 1)) == 2
    assert len(desk.ask(usage.listed, limit=2)) == 2


@pytest.mark.req("R219")
def test_the_last_use_of_a_key_is_the_latest(desk: Desk, issued: Issued) -> None:
    assert desk.ask(keys.require, issued.key.key).last_used_at is None
    start = desk.now
    for after_s in (5, 9, 2):
        desk.now = start + after_s
        desk.verdict(issued.text)
        drain(desk.app)
    assert desk.ask(keys.require, issued.key.key).last_used_at == start + 9


def test_draining_wakes_no_gate(desk: Desk, issued: Issued) -> None:
    desk.verdict(issued.text)
    epoch = desk.epoch
    assert drain(desk.app) == 1
    assert desk.epoch == epoch


@pytest.mark.req("R264")
def test_of_two_outcomes_the_first_stands(desk: Desk, issued: Issued) -> None:
    desk.verdict(issued.text)
    writer = desk.app.gate("creator").gate.journal
    for number, status in enumerate((201, 500, 404)):
        writer.outcome(1, status, desk.now)
        if number == 1:
            drain(desk.app)
    drain(desk.app)
    assert [found.status for found in desk.ask(usage.listed)] == [201]
    assert desk.rows("select calls, s2, s5, s4 from usage_days where length(locator) = 0") == [(1, 1, 0, 0)]


def test_an_outcome_of_no_reading_that_there_can_be_stops_nothing(desk: Desk, issued: Issued) -> None:
    """A peer may send any number; a database has a highest one."""
    writer = desk.app.gate("creator").gate.journal
    for number in (2**63, 2**64 - 1):
        assert writer.outcome(number, 200, desk.now)
    assert writer.outcome(2**63 - 1, 200, desk.now)
    desk.verdict(issued.text)
    assert drain(desk.app) == 4
    assert _count(desk.app.settings) == 1
    assert desk.rows("select number from outcomes") == [(2**63 - 1,)]


@pytest.mark.req("R100")
def test_counts_of_strangers_add_up(desk: Desk, issued: Issued) -> None:
    strangers = desk.app.gate("creator").gate.strangers
    desk.now = desk.now // 60 * 60
    for minute, times in ((0, 3), (0, 2), (1, 4)):
        for _ in range(times):
            strangers.count("credential_malformed", "", "192.0.2.9", desk.now + minute * 60)
        strangers.count("credential_invalid", "fvak_", "2001:db8::1", desk.now + minute * 60)
        strangers.flush()
        drain(desk.app)
    first = int(desk.now // 60)
    found = desk.rows("select minute, api, code, prefix, block, count from refusals order by minute, code desc")
    assert found == [
        (first, "creator", "credential_malformed", "", "192.0.2.0/24", 5),
        (first, "creator", "credential_invalid", "fvak_", "2001:db8::/48", 2),
        (first + 1, "creator", "credential_malformed", "", "192.0.2.0/24", 4),
        (first + 1, "creator", "credential_invalid", "fvak_", "2001:db8::/48", 1),
    ]
    assert _count(desk.app.settings) == 0


# -- exactly once ----------------------------------------------------------------------------------------------------


def test_what_was_drained_is_not_drained_again(desk: Desk, issued: Issued) -> None:
    for number in range(1, 4):
        desk.verdict(issued.text)
        assert drain(desk.app) == 1
        assert drain(desk.app) == 0
        assert _count(desk.app.settings) == number


@pytest.mark.check("C064")
def test_a_journal_that_is_finished_goes_once_it_is_drained(written: Settings) -> None:
    assert len(_segments(written)) == 1
    with _opened(written) as app:
        assert drain(app) == COUNT
        assert drain(app) == 0
    assert (_count(written), _count(written, "journal_marks")) == (COUNT, 0)


@pytest.mark.check("C064")
def test_a_segment_that_stayed_after_it_was_drained_is_not_drained_again(written: Settings) -> None:
    (segment,) = _segments(written)
    with _opened(written) as app:
        with _in_use(segment):
            assert drain(app) == COUNT
            assert segment.exists()
        assert _count(written, "journal_marks") == 1
        assert drain(app) == 0
    assert (_count(written), _count(written, "journal_marks")) == (COUNT, 0)


@pytest.mark.check("C064")
@pytest.mark.parametrize(
    "moment", ["in the middle", "in the commit", "before the segment goes", "before its mark goes"]
)
def test_who_is_killed_while_draining_counts_nothing_twice_and_loses_nothing(written: Settings, moment: str) -> None:
    def die(*_: object) -> None:
        os._exit(9)

    def at(words: str) -> Callable[..., None]:
        def listen(connection, cursor, statement, parameters, context, executemany) -> None:
            if words in statement:
                os._exit(9)

        return listen

    def work() -> None:
        app = App.open(written)
        if moment == "in the middle":
            event.listen(app.store.engine, "before_cursor_execute", at("insert into usage_minutes"))
        elif moment == "in the commit":
            event.listen(app.store.engine, "commit", lambda connection: os._exit(9))
        elif moment == "before its mark goes":
            event.listen(app.store.engine, "before_cursor_execute", at("DELETE FROM journal_marks"))
        else:
            sys.addaudithook(lambda name, args: name == "os.remove" and str(args[0]).endswith(".seg") and die())
        drain(app)

    assert in_child(work) == 9
    assert len(_segments(written)) == (moment != "before its mark goes")
    with _opened(written) as app:
        drain(app)
        assert drain(app) == 0
    assert _count(written) == COUNT
    assert rows(place_of(written), "select count(distinct at), count(distinct number) from readings") == [
        (COUNT, COUNT)
    ]


@pytest.mark.check("C064")
def test_a_drain_that_fails_between_two_batches_goes_on_where_it_was(
    written: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limen.drain.journals.BATCH", 3)
    calls = itertools.count()

    def fail(connection, cursor, statement, parameters, context, executemany) -> None:
        if "INSERT INTO journal_marks" in statement and next(calls) == 1:
            raise RuntimeError("a bug")

    with _opened(written) as app:
        event.listen(app.store.engine, "before_cursor_execute", fail)
        with pytest.raises(RuntimeError, match="a bug"):
            drain(app)
        assert (_count(written), len(_segments(written))) == (3, 1)
        assert drain(app) == COUNT - 3
    assert _count(written) == COUNT


def test_while_the_database_is_down_the_journal_keeps_what_it_has(written: Settings) -> None:
    with _opened(written) as app:
        with missing(place_of(app), "journal_marks"):
            with pytest.raises(StoreDown):
                drain(app)
            assert len(_segments(written)) == 1
        assert drain(app) == COUNT


@pytest.mark.check("C064")
def test_many_who_drain_at_once_count_nothing_twice(desk: Desk, issued: Issued) -> None:
    """In threads of the process that writes, while it writes."""
    rounds, total = 40, 0
    with ThreadPoolExecutor(4) as pool:
        drains = []
        for _ in range(rounds):
            desk.verdict(issued.text)
            drains.append(pool.submit(drain, desk.app))
        total = sum(found.result() for found in drains)
    total += drain(desk.app)
    assert total == _count(desk.app.settings) == rounds


@pytest.mark.check("C064")
def test_many_processes_that_drain_count_nothing_twice(written: Settings, tmp_path: Path) -> None:
    start = Starter()

    def work(number: int) -> None:
        app = App.open(written)
        start.wait()
        (tmp_path / f"drained-{number}").write_text(str(drain(app)))

    children = [Child(lambda number=number: work(number)) for number in range(4)]
    start.open()
    assert [child.wait() for child in children] == [0] * 4
    start.close()
    counts = [int(path.read_text()) for path in tmp_path.glob("drained-*")]
    assert sorted(counts) == [0, 0, 0, COUNT]
    assert _count(written) == COUNT


# -- what a segment can hold -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["body", "sum", "length"])
def test_an_entry_that_is_not_whole_is_no_entry(written: Settings, part: str) -> None:
    """As power loss leaves it: parts of it were on the disk, and others not."""
    (segment,) = _segments(written)
    content = bytearray(segment.read_bytes())
    behinds = [journal.HEADER.size, *(behind for _, _, behind in journal.entries(bytes(content), 0))]
    start, end = behinds[-2:]
    at = {"body": end - 1, "sum": start + 8, "length": start + 12}[part]
    content[at] ^= 0x41
    segment.write_bytes(content)
    with _opened(written) as app:
        assert drain(app) == COUNT - 1
    assert _count(written) == COUNT - 1


def test_an_entry_that_becomes_whole_later_is_drained_then(written: Settings) -> None:
    (segment,) = _segments(written)
    whole = segment.read_bytes()
    behinds = [journal.HEADER.size, *(behind for _, _, behind in journal.entries(whole, 0))]
    torn = bytearray(whole)
    torn[behinds[-2] + journal.FRAME.size : behinds[-1]] = bytes(behinds[-1] - behinds[-2] - journal.FRAME.size)
    with _opened(written) as app:
        with _in_use(segment):
            segment.write_bytes(torn)
            assert drain(app) == COUNT - 1
            segment.write_bytes(whole)
            assert drain(app) == 1
        assert drain(app) == 0
    assert _count(written) == COUNT


@pytest.mark.parametrize("size", [0, 10, 64, 4096])
def test_a_segment_that_was_never_written_to_just_goes(written: Settings, size: int) -> None:
    (segment,) = _segments(written)
    (segment.parent / "000000000000-000001.seg").write_bytes(bytes(size))
    with _opened(written) as app:
        assert drain(app) == COUNT
    assert _count(written) == COUNT


def test_a_key_that_is_not_there_is_recorded_all_the_same(written: Settings) -> None:
    """A journal outlives a database that was put back to an earlier state."""
    with _opened(written) as app:
        with hand_at(place_of(app)) as hand:
            hand.unbind()
            hand.execute("delete from keys")
        assert drain(app) == COUNT
        with app.reading() as reader:
            assert {found.key for found in usage.listed(reader)} == {""}


def test_many_segments_are_drained_in_one_go(desk: Desk, issued: Issued) -> None:
    desk.app.close()
    app = App.open(replace(desk.app.settings, segment_bytes=65_536, segments=64))
    small = Desk(app)
    for _ in range(2_000):
        small.verdict(issued.text)
    assert len(_segments(app.settings)) > 2
    assert drain(app) == 2_000
    app.close()
    with _opened(desk.app.settings) as again:
        drain(again)
    assert _segments(app.settings) == []
    assert rows(place_of(app), "select count(*), min(number), max(number) from readings") == [(2_000, 1, 2_000)]


# -- in a thread of its own ------------------------------------------------------------------------------------------


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_drainer_drains_until_it_is_stopped_and_says_what_fails(desk: Desk, issued: Issued) -> None:
    desk.app.close()
    app = App.open(replace(desk.app.settings, drain_ms=10))
    writer = Desk(app)
    drainer = Drainer(app)
    writer.verdict(issued.text)
    _until(lambda: _count(app.settings) == 1)
    with missing(place_of(app), "journal_marks"):
        _until(lambda: "journal_marks" in drainer.failure)
        writer.verdict(issued.text)
    _until(lambda: drainer.failure == "" and _count(app.settings) == 2)
    drainer.stop()
    writer.verdict(issued.text)
    assert _count(app.settings) == 2
    app.close()

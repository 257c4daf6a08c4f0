"""The chain under whoever writes meanwhile, and whoever dies: no row is left out, and none is linked twice."""

from __future__ import annotations

import itertools
import os
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event

from limen.app import App
from limen.control import audit, owners
from limen.drain import Drainer, work
from tests.db.children import Child, Starter, in_child
from tests.db.dump import place_of, rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.settings import Settings

COUNT = 12


def _some(app: App, count: int, name: str = "u") -> None:
    for number in range(count):
        app.act(owners.create, owners.NewOwner("user", f"Name {number}", f"{name}-{number}"))


@pytest.fixture
def closed(installation: App) -> Settings:
    """An installation that no process has open, with ``COUNT`` rows that wait for their links."""
    _some(installation, COUNT)
    installation.close()
    return replace(installation.settings, drain_ms=10)


def _whole(settings: Settings, count: int) -> None:
    """The chain is whole, over *count* rows: none left out, none twice."""
    found = rows(
        place_of(settings), "select count(*), count(distinct id), min(position), max(position) from audit_links"
    )
    assert found == [(count, count, 1, count)]
    app = App.open(settings)
    try:
        with app.reading() as reader:
            assert audit.verify(reader).whole
    finally:
        app.close()


@pytest.mark.check("C122")
def test_while_many_write_the_chain_grows_and_is_whole(closed: Settings) -> None:
    """Three processes write, two lay."""
    start, each = Starter(), 40

    def write(number: int) -> None:
        app = App.open(closed)
        start.wait()
        _some(app, each, f"w{number}")
        app.close()

    def lay() -> None:
        app = App.open(closed)
        drainer = Drainer(app)
        start.wait()
        _until(lambda: _links(closed) == 3 * each + COUNT)
        drainer.stop()
        assert drainer.failure == ""

    children = [Child(lay), Child(lay), *(Child(lambda number=number: write(number)) for number in range(3))]
    start.open()
    assert [child.wait() for child in children] == [0] * 5
    start.close()
    _whole(closed, 3 * each + COUNT)
    assert rows(place_of(closed), "select count(*) from audit where verb = 'audit.lay'") == [(0,)]


def _links(settings: Settings) -> int:
    found: int = rows(place_of(settings), "select count(*) from audit_links")[0][0]
    return found


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.check("C122")
def test_a_worker_killed_while_it_lays_leaves_no_gap_and_lays_nothing_twice(closed: Settings) -> None:
    """Killed before each statement in turn, and in the commit."""
    events = ("before_cursor_execute", "after_cursor_execute")

    def lay(at: int) -> None:
        app = App.open(closed)
        count = itertools.count()
        for name in events:
            event.listen(app.store.engine, name, lambda *_: next(count) == at and os._exit(9), named=False)
        if at < 0:
            event.listen(app.store.engine, "commit", lambda connection: os._exit(9))
        app.act(audit.lay, 5)
        app.close()

    for at in itertools.count(-1):
        status = in_child(lambda at=at: lay(at))
        if status == 0:
            break
        assert (status, _links(closed)) == (9, 0)
    assert at >= 4
    assert _links(closed) == 5
    app = App.open(closed)
    assert not work(app).failures
    app.close()
    _whole(closed, COUNT)


def test_a_worker_killed_at_any_moment_is_gone_on_from(closed: Settings) -> None:
    written = COUNT

    def lay() -> None:
        app = App.open(closed)
        Drainer(app)
        while True:
            _some(app, 1, f"{os.getpid()}-{time.monotonic_ns()}")

    for after_s in (0.2, 0.3, 0.4):
        child = Child(lay)
        time.sleep(after_s)
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    app = App.open(closed)
    _until(lambda: not work(app).failures and _caught_up(closed))  # the killed one's session may hold its turn still
    app.close()
    written = rows(place_of(closed), "select count(*) from audit")[0][0]
    assert written > COUNT
    _whole(closed, written)


def _caught_up(settings: Settings) -> bool:
    """Whether every row of the audit is in the chain."""
    waiting = "select (select count(*) from audit) - (select count(*) from audit_links)"
    return bool(rows(place_of(settings), waiting) == [(0,)])


def test_a_change_is_linked_within_a_second_while_a_worker_runs(installation: App) -> None:
    """By the settings that there are without any."""
    drainer = Drainer(installation)
    try:
        took = []
        for number in range(3):
            installation.act(owners.create, owners.NewOwner("user", owner=f"u-{number}"))
            began = time.monotonic()
            _until(lambda number=number: _links(installation.settings) == number + 1)
            took.append(time.monotonic() - began)
    finally:
        drainer.stop()
    assert max(took) < 1.0, took

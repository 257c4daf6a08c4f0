"""The chores beside the drain: each is done, one that fails stands in nobody's way, and none is done twice at once."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from limen.app import App
from limen.control import audit, expiry, keys, owners
from limen.core.problems import StoreDown
from limen.db import changes
from limen.drain import CHORES, LOCK, Chore, Drainer, Rota, drain, work
from limen.gate.journal import Journal
from tests.control.desk import Desk
from tests.control.listing import Plans
from tests.db.hand import missing

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.control.keys import Issued

DAY_S = 86_400.0


def _links(desk: Desk) -> int:
    found: int = desk.rows("select count(*) from audit_links")[0][0]
    return found


def _word(app: App) -> str:
    """What the last round left for the check-up."""
    return (app.settings.state_folder / "journal" / LOCK).read_text()


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# -- each of them ----------------------------------------------------------------------------------------------------


def test_keys_that_ended_by_their_date_are_marked(
    desk: Desk, organisation: App, firm: str, new_key: Callable[..., Issued]
) -> None:
    ends_at = desk.now + 60
    past = [new_key("organisation", firm, expires_at=ends_at).key.key for _ in range(3)]
    desk.act(keys.deactivate, past[0])
    kept = [new_key("organisation", firm).key.key, new_key("organisation", firm, expires_at=ends_at + 1).key.key]
    ended = new_key("organisation", firm, expires_at=ends_at).key.key
    desk.act(keys.revoke, ended, reason="a test")
    assert desk.act(expiry.mark) == 0
    desk.now = ends_at
    assert (desk.act(expiry.mark, 2), desk.act(expiry.mark, 2), desk.act(expiry.mark, 2)) == (2, 1, 0)
    states = dict(desk.rows("select key, state from keys"))
    assert states == dict.fromkeys(past, "expired") | dict.fromkeys(kept, "active") | {ended: "revoked"}
    said = [(each.subject, each.event) for each in desk.said() if each.verb == "keys.expire"]
    assert sorted(said) == sorted((key, "key.expired") for key in past)
    found = {each.subject: (each.before, each.after) for each in desk.ask(audit.listed, verb="keys.expire")}
    assert found[past[0]] == ({"state": "inactive"}, {"state": "expired"})
    assert found[past[1]] == ({"state": "active"}, {"state": "expired"})


def test_a_key_that_is_marked_leaves_its_slot(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> None:
    key = new_key("creator", owner, expires_at=desk.now + 60).key.key
    desk.now += 60
    assert desk.act(expiry.mark) == 1
    assert desk.rows("select state, slot, ended_at from keys where key = ?", key) == [("expired", None, desk.now)]


def test_marking_looks_at_no_key_that_has_not_ended(desk: Desk) -> None:
    """A million keys that go on are no reason to look at a million keys twelve times a minute."""
    with Plans(desk) as plans:
        desk.act(expiry.mark)
    assert not plans.found.whole
    if desk.app.settings.on_one_host:
        assert "SEARCH keys USING INDEX keys_by_expiry (api=? AND state=? AND expires_at<?)" in plans.found.lines
    else:
        assert [line for line in plans.found.lines if line.endswith("Scan using keys_by_expiry on keys")]
        assert [line for line in plans.found.lines if line.startswith("Index Cond: ") and "expires_at <" in line]


@pytest.mark.req("R69")
def test_a_gate_that_did_not_look_before_changes_went_forgets_everything(
    desk: Desk, owner: str, new_key: Callable[..., Issued]
) -> None:
    """The log may be shortened under a gate that sleeps: what it has missed is then all that there is."""
    issued = new_key("creator", owner)
    assert desk.verdict(issued.text) == "ok"
    house = desk.app.gate("creator")
    held = house.gate.directory.applied
    desk.act(keys.revoke, issued.key.key, reason="a test")
    desk.now += changes.KEPT_S
    assert (desk.act(changes.trim), desk.act(changes.trim)) == (2, 0), "of the fixtures, an hour before"
    desk.now += 1
    assert desk.act(changes.trim) == 2
    assert desk.rows("select count(*) from changes") == [(0,)]
    if desk.app.settings.on_one_host:  # elsewhere the process hears of it by itself
        assert house.gate.directory.applied == held
    assert desk.verdict(issued.text) == "key_revoked"
    assert desk.rows("select seq from change_head") == [(house.gate.directory.applied,)]


def test_the_log_is_shortened_from_its_front_alone(desk: Desk) -> None:
    start = desk.now
    for day in range(10):
        desk.now = start + day * DAY_S
        desk.act(owners.create, owners.NewOwner("user", owner=f"u-{day}"))
        desk.act(owners.suspend, f"u-{day}", reason="a test")
    (first,) = desk.rows("select min(seq) from changes")[0]
    assert desk.act(changes.trim, 1) == 1
    assert desk.act(changes.trim) == 1, "nine days ago, and eight"
    assert desk.rows("select min(seq), count(*) from changes") == [(first + 2, 8)]
    with desk.app.store.read() as connection:
        assert changes.changes_since(connection, first + 1, api="creator").owners == tuple(
            f"u-{n}" for n in range(2, 10)
        )
        assert not changes.changes_since(connection, first + 1, api="creator").everything
        assert changes.changes_since(connection, first, api="creator").everything
        assert not changes.changes_since(connection, first + 9, api="creator").everything, "nothing to catch up with"
        assert not changes.changes_since(connection, 2**62, api="creator").everything


def test_each_chore_is_done_in_its_time(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> None:
    """By the list that is in use, on real tables: nothing in it has a name that is not there."""
    app = desk.app
    desk.now = app.clock.read()[0]
    new_key("creator", owner, expires_at=desk.now + 0.05)
    with app.store.engine.begin() as connection:
        connection.execute(
            text("insert into replies values ('c', 'n', :seal, 200, '{}', :at)"),
            {"seal": b"\0", "at": desk.now - 10 * DAY_S},
        )
        connection.execute(text("update changes set at = at - :age"), {"age": 30 * DAY_S})
    time.sleep(0.06)
    done = work(app)
    assert done.failures == {}
    assert desk.rows("select state from keys") == [("expired",)]
    assert desk.rows("select count(*) from replies") == [(0,)]
    assert desk.rows("select count(*) from changes") == [(1,)], "that of the key that was just marked"
    assert _links(desk) == len(desk.said()) - 1, "it was marked after the chain was laid"
    work(app)
    assert _links(desk) == len(desk.said())


def test_an_installation_at_rest_is_not_written_to(desk: Desk) -> None:
    rota = Rota()
    for _ in range(2):
        work(desk.app, rota)
    before = desk.dump()
    writes: list[object] = []
    app, act = desk.app, desk.app.act
    app.act = lambda verb, *rest, **named: writes.append(verb) or act(verb, *rest, **named)  # type: ignore[method-assign, func-returns-value]
    for _ in range(5):
        work(app, rota)
    assert (writes, desk.dump()) == ([], before)


# -- one that fails --------------------------------------------------------------------------------------------------


def _written(app: App, count: int) -> None:
    journal = Journal(app.settings.state_folder / "journal" / "creator", "creator", 1, segment_bytes=65_536, segments=8)
    for number in range(count):
        journal.outcome(number + 1, 200, time.time())
    journal.close()


def test_a_chore_that_fails_stops_neither_the_drain_nor_the_others(desk: Desk) -> None:
    desk.act(owners.create, owners.NewOwner("user"))
    _written(desk.app, 3)
    with missing(desk.path, "replies"):
        done = work(desk.app)
    assert (done.drained, list(done.failures)) == (3, ["replies"])
    assert isinstance(done.failures["replies"], StoreDown)
    said = "no such table: replies" if desk.app.settings.on_one_host else 'relation "replies" does not exist'
    assert said in str(done)
    assert _links(desk) == 1
    assert said in _word(desk.app)
    assert (str(work(desk.app)), _word(desk.app)) == ("", "")


def test_a_chore_with_a_fault_of_its_own_stops_nobody(desk: Desk) -> None:
    done: list[str] = []
    rota = Rota(
        (
            Chore("first", 0, lambda app: done.append("first")),
            Chore("wrong", 0, lambda app: 1 / 0),
            Chore("last", 0, lambda app: done.append("last")),
        )
    )
    for _ in range(2):
        assert str(work(desk.app, rota)) == "wrong: division by zero"
    assert done == ["first", "last"] * 2


def test_while_a_segment_cannot_be_drained_the_chores_are_done(desk: Desk) -> None:
    desk.act(owners.create, owners.NewOwner("user"))
    folder = desk.app.settings.state_folder / "journal" / "creator"
    folder.mkdir(parents=True)
    (folder / "000000000001-000001.seg").mkdir()
    done = work(desk.app)
    assert list(done.failures) == ["drain"]
    assert _links(desk) == 1


def test_while_the_store_is_down_no_chore_waits_for_it_too(desk: Desk) -> None:
    desk.act(owners.create, owners.NewOwner("user"))
    _written(desk.app, 1)
    tried: list[str] = []
    with missing(desk.path, "journal_marks"):
        done = work(desk.app, Rota((Chore("one", 0, lambda app: tried.append("one")),)))
    assert (list(done.failures), tried) == (["drain"], [])


def test_a_chore_has_its_turn_when_its_time_has_come(desk: Desk) -> None:
    done: list[str] = []
    rota = Rota((Chore("often", 0, lambda app: done.append("o")), Chore("seldom", 3600, lambda app: done.append("s"))))
    for _ in range(3):
        work(desk.app, rota)
    assert done == ["o", "s", "o", "o"]


def test_what_failed_stays_said_until_it_is_done(desk: Desk) -> None:
    fails = [True]

    def do(app: App) -> None:
        if fails[0]:
            raise OSError("no room")

    rota = Rota((Chore("one", 0.05, do),))
    assert str(work(desk.app, rota)) == "one: no room"
    assert str(work(desk.app, rota)) == "one: no room", "not its turn"
    fails[0] = False
    time.sleep(0.06)
    assert str(work(desk.app, rota)) == ""


def test_a_drainer_says_what_fails_and_tells_the_log_of_faults_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No table for one chore, and a fault of ours in another: the chain is laid all the same."""
    desk.app.close()
    app = App.open(replace(desk.app.settings, drain_ms=10))
    monkeypatch.setattr("limen.drain.rounds.Rota", lambda: Rota((*CHORES, Chore("wrong", 0, lambda app: 1 / 0))))
    with missing(desk.path, "replies"), caplog.at_level(logging.INFO):
        drainer = Drainer(app)
        _until(lambda: "wrong: division by zero" in drainer.failure and "replies: " in drainer.failure)
        app.act(owners.create, owners.NewOwner("user"))
        _until(lambda: _links(desk) == 1)
        time.sleep(0.1)
        drainer.stop()
    assert [record.exc_info is not None for record in caplog.records if record.name == "limen.drain"] == [True]
    app.close()


# -- one at a time -----------------------------------------------------------------------------------------------------


def test_where_another_is_at_it_nothing_is_done(desk: Desk) -> None:
    desk.act(owners.create, owners.NewOwner("user"))
    _written(desk.app, 1)
    lock = os.open(desk.app.settings.state_folder / "journal" / LOCK, os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert (work(desk.app).drained, drain(desk.app), _links(desk)) == (0, 0, 0)
    finally:
        os.close(lock)
    assert (work(desk.app).drained, _links(desk)) == (1, 1)


def test_chores_are_done_between_the_batches_of_a_long_drain(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limen.drain.journals.BATCH", 2)
    _written(desk.app, 7)
    seen: list[int] = []
    rota = Rota((Chore("look", 0, lambda app: seen.append(desk.rows("select count(*) from outcomes")[0][0])),))
    assert work(desk.app, rota).drained == 7
    assert seen == [2, 4, 6, 7, 7]

"""PostgreSQL as the store: one writer at a time over all hosts, no wait without end, clear words when it fails."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import text

from limen.app import App
from limen.control import apis, keys, owners, recording, usage
from limen.core.people import Actor
from limen.core.problems import ProblemError, StoreDown
from limen.core.usage import Decided, Tally
from limen.db import postgresql
from limen.db.engine import Store, open_engine
from limen.db.postgresql import CHANNEL, WRITERS
from limen.db.transaction import TurnNeeded, Tx
from limen.profiles import load
from limen.settings import Settings
from tests.db import dump
from tests.db.children import Child, Starter
from tests.db.hand import hand_at, shut
from tools.servers.postgres import Postgres, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORKER = Actor("worker", "test")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server that a test may stop and kill."""
    made = Postgres()
    try:
        yield made.start()
    finally:
        made.remove()


@pytest.fixture(scope="module")
def filled(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation with an API and an owner, to be copied."""
    folder = tmp_path_factory.mktemp("filled")
    app = App.initialise(_settings(server.url(server.create()), folder))
    app.act(apis.create, "creator", load("creator"))
    app.act(owners.create, owners.NewOwner("user", "A user", "u-1"))
    app.act(owners.allow, "u-1", "creator")
    app.close()
    return app.settings


def _settings(url: str, folder: Path) -> Settings:
    named = {"state": folder / "state", "pepper_file": folder / "pepper", "tombstones": folder / "tombstones"}
    return Settings(database_url=url, lease_ms=0, **named)


@pytest.fixture
def closed(server: Postgres, filled: Settings) -> Iterator[Settings]:
    """That installation, with a database of this test's own; no process has it open."""
    name = server.create(filled.database_url.rpartition("/")[2])
    assert filled.pepper_file is not None
    yield _settings(server.url(name), filled.pepper_file.parent)
    server.drop(name)


@pytest.fixture
def opened(closed: Settings) -> Iterator[Callable[[], App]]:
    """Opens that installation; what it opened is closed in the end."""
    with ExitStack() as stack:

        def opened() -> App:
            app = App.open(closed)
            stack.callback(app.close)
            return app

        yield opened


@pytest.fixture
def app(opened: Callable[[], App]) -> App:
    """That installation, open."""
    return opened()


def _suspended(app: App) -> list[str]:
    with app.reading() as reader:
        return [owner.owner for owner in owners.listed(reader) if owner.state == "suspended"]


def _suspend(app: App, owner: str = "u-1") -> None:
    app.act(owners.suspend, owner, reason="a test")


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


@contextmanager
def _stopped(server: Postgres) -> Iterator[None]:
    """Within, the server stands still: its connections stay, and nothing answers on them."""
    of_it = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    every = [server.pid, *map(int, of_it)]
    for process in every:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in every:
            os.kill(process, signal.SIGCONT)


# -- connections -------------------------------------------------------------------------------------------------------


def test_connections_are_as_they_must_be(app: App) -> None:
    wanted = {
        "idle_in_transaction_session_timeout": "10s", "lock_timeout": "10s", "statement_timeout": "15s",
        "synchronous_commit": "on", "TimeZone": "UTC", "client_encoding": "UTF8",
    }  # fmt: skip
    isolation = ("transaction_isolation", "transaction_read_only")

    def shown(connection: Any, names: Any) -> list[str]:
        return [connection.exec_driver_sql(f"show {name}").scalar() for name in names]

    with app.store.read() as connection:
        assert shown(connection, wanted) == list(wanted.values())
        assert shown(connection, isolation) == ["repeatable read", "on"]
    with app.store.write(app._tx(WORKER)) as tx:
        assert shown(tx.connection, isolation) == ["read committed", "off"]


def test_no_error_shows_what_was_to_be_stored(app: App) -> None:
    for statement, said in (
        ("insert into owners (owner) values (:value)", "null value in column"),
        ("insert into owners select owner || :value, kind, name, folded, 1, null, 1 from owners", "column"),
        ("update owners set kind = :value", "owner_kind"),
    ):
        with pytest.raises(Exception, match=said) as caught, app.store.write(app._tx(WORKER)) as tx:
            tx.connection.execute(text(statement), {"value": "a-canary"})
        found: BaseException | None = caught.value
        while found is not None:
            assert "a-canary" not in f"{found} {found!r} {found.args}"
            found = found.__cause__ or found.__context__


# -- one writer at a time ----------------------------------------------------------------------------------------------


def test_writers_in_threads_take_turns(app: App) -> None:
    within = 0

    def verb(tx: Tx, number: int) -> None:
        nonlocal within
        within += 1
        assert within == 1
        owners.create(tx, owners.NewOwner("user", owner=f"t-{number}"))
        assert within == 1
        within -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: app.act(verb, number), range(24)))
    with app.reading() as reader:
        assert len(owners.listed(reader)) == 25


def test_writers_in_processes_take_turns(closed: Settings, opened: Callable[[], App], tmp_path: Path) -> None:
    """A file that only one may have made at a time; and no number of the change log is given twice, or left out."""
    start = Starter()

    def alone(tx: Tx, owner: str) -> None:
        mark = os.open(tmp_path / "within", os.O_CREAT | os.O_EXCL)
        owners.create(tx, owners.NewOwner("user", owner=owner))
        owners.suspend(tx, owner, reason="a test")
        os.close(mark)
        (tmp_path / "within").unlink()

    def work(number: int) -> None:
        app = App.open(closed)
        start.wait()
        for turn in range(5):
            app.act(alone, f"p-{number}-{turn}")
        app.close()

    children = [Child(lambda number=number: work(number)) for number in range(3)]
    start.open()
    assert [child.wait() for child in children] == [0, 0, 0]
    start.close()
    assert len(_suspended(opened())) == 15
    seqs = [seq for (seq,) in dump.rows(closed.database_url, "select seq from changes order by seq")]
    assert seqs == list(range(1, seqs[-1] + 1))
    assert dump.rows(closed.database_url, "select seq from change_head") == [(seqs[-1],)]


@contextmanager
def _writing(closed: Settings, owner: str = "u-1") -> Iterator[int]:
    """A process that writes, and has suspended *owner*; it goes on when it is let."""
    inside, leave = os.pipe(), os.pipe()

    def slow(tx: Tx) -> None:
        owners.suspend(tx, owner, reason="the first")
        os.write(inside[1], b".")
        os.read(leave[0], 1)

    child = Child(lambda: App.open(closed).act(slow))
    os.read(inside[0], 1)
    try:
        yield child.pid
    finally:
        os.write(leave[1], b".")
        child.wait()
        for end in (*inside, *leave):
            os.close(end)


def test_a_writer_waits_for_one_in_another_process_and_who_only_asks_for_nobody(
    closed: Settings, opened: Callable[[], App]
) -> None:
    done = threading.Event()
    with _writing(closed):
        app = opened()
        waiting = threading.Thread(target=lambda: (app.act(owners.restore, "u-1"), done.set()))
        waiting.start()
        assert not done.wait(0.3)  # it cannot be, however long one waits
        assert _suspended(app) == []
    waiting.join()
    said = dump.rows(closed.database_url, "select verb from audit order by id desc limit 2")
    assert said == [("owners.restore",), ("owners.suspend",)]


def test_the_lock_of_a_writer_that_was_killed_is_free_at_once(closed: Settings, opened: Callable[[], App]) -> None:
    with _writing(closed) as process:
        app = opened()
        os.kill(process, signal.SIGKILL)
        with _within(5):
            app.act(owners.create, owners.NewOwner("user", owner="u-2"))
    assert _suspended(app) == []


def test_a_writer_that_stands_still_is_ended_and_has_changed_nothing(
    closed: Settings, opened: Callable[[], App], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "IDLE_S", 0.5)
    with _writing(closed) as process:
        os.kill(process, signal.SIGSTOP)
        app = opened()
        with _within(8):
            app.act(owners.create, owners.NewOwner("user", owner="u-2"))
        os.kill(process, signal.SIGCONT)
    assert _suspended(app) == []

    def slow(tx: Tx) -> None:
        tx.connection.exec_driver_sql("select 1")
        time.sleep(1)
        tx.connection.exec_driver_sql("select 1")

    with pytest.raises(StoreDown, match="idle-in-transaction"):
        app.act(slow)
    _suspend(app)


def test_a_turn_that_does_not_come_is_the_store_being_down(
    closed: Settings, opened: Callable[[], App], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "TURN_S", 0.2)
    app = opened()
    with hand_at(closed.database_url) as hand:
        hand.execute("select pg_advisory_lock(?)", WRITERS)
        with pytest.raises(StoreDown, match="lock timeout"):
            _suspend(app)
        assert _suspended(app) == []
        hand.execute("select pg_advisory_unlock_all()")
        hand.execute("begin")
        hand.execute("update owners set name = 'x'")
        with pytest.raises(StoreDown, match="lock timeout"):
            _suspend(app)
        hand.execute("rollback")
    _suspend(app)


def test_a_deadlock_is_the_store_being_down_and_the_other_goes_on(app: App) -> None:
    app.act(owners.create, owners.NewOwner("user", owner="u-2"))
    rename = "update owners set name = 'x' where owner = ?"
    with hand_at(app.settings.database_url) as hand, ThreadPoolExecutor(1) as pool:
        other: list[Future[Any]] = []

        def verb(tx: Tx) -> None:
            tx.connection.execute(text("update owners set name = 'y' where owner = 'u-1'"))
            other.append(pool.submit(hand.execute, rename, "u-1"))
            time.sleep(0.2)
            tx.connection.execute(text("update owners set name = 'y' where owner = 'u-2'"))

        hand.execute("set deadlock_timeout = '1min'")  # it is not the hand that looks for one
        hand.execute("begin")
        hand.execute(rename, "u-2")
        with pytest.raises(StoreDown, match="deadlock"):
            app.act(verb)
        other[0].result(10)
        hand.execute("commit")
    assert {name for (name,) in dump.rows(app.settings.database_url, "select name from owners")} == {"x"}


# -- beside the writers ------------------------------------------------------------------------------------------------


def _decided(place: bytes, number: int = 1, code: str = "ok") -> Decided:
    return Decided(number, time.time(), place, code, "GET", "getCurrentUser", "2025-06-26", "/users/me")


def _note(app: App, *entries: Any, offset: int = 100) -> None:
    app.note(recording.record, "segment", offset, api="creator", incarnation=7, entries=entries, actor=WORKER)


def test_readings_are_written_while_somebody_writes_and_hold_nobody_up(
    closed: Settings, opened: Callable[[], App]
) -> None:
    app = opened()
    place = app.act(keys.issue, keys.NewKey("creator", "u-1", "a key", scopes=("read:self",))).key.key.encode()
    app.act(owners.create, owners.NewOwner("user", owner="u-2"))
    tally = Tally(int(time.time() // 60), "credential_malformed", "", "192.0.2.0/24", 3)
    with _writing(closed, "u-2"), _within(5):
        _note(app, _decided(place), tally)
        with app.reading() as reader:
            assert len(usage.listed(reader)) == 1
    with app.store.beside(app._tx(WORKER)) as tx, _within(5):
        recording.record(tx, "segment", 200, api="creator", incarnation=7, entries=(_decided(place, 2),))
        app.act(owners.restore, "u-2")
    with app.reading() as reader:
        assert len(usage.listed(reader)) == 2


def test_what_has_its_place_among_all_changes_is_not_done_beside_them(app: App) -> None:
    tries: list[Callable[[Tx], object]] = [
        lambda tx: tx.change("rules", api="creator"),
        lambda tx: tx.change_all("key", [("creator", b"place")]),
        lambda tx: tx.tombstone("key", "k", "revoked"),
        lambda tx: owners.create(tx, owners.NewOwner("user")),
    ]
    before = dump.dump(app.settings.database_url)
    for verb in tries:
        with pytest.raises(TurnNeeded), app.store.beside(app._tx(WORKER)) as tx:
            verb(tx)
    assert dump.dump(app.settings.database_url) == before


def test_where_something_is_told_it_is_done_again_with_the_turn(app: App) -> None:
    place = app.act(keys.issue, keys.NewKey("creator", "u-1", "a key", scopes=("read:self",))).key.key.encode()
    refused = [_decided(place, number, "limit_exceeded") for number in range(1, 25)]
    _note(app, *refused)
    told = dump.rows(app.settings.database_url, "select event from outbox order by id desc limit 1")
    assert told == [("key.limit_disregarded",)]
    with app.reading() as reader:
        assert len(usage.listed(reader)) == 24
        assert [found.count for found in usage.disregards(reader)] == [23]


def test_who_writes_beside_gives_way_to_a_verb_that_has_the_row(app: App) -> None:
    place = app.act(keys.issue, keys.NewKey("creator", "u-1", "a key", scopes=("read:self",))).key.key.encode()
    with hand_at(app.settings.database_url) as hand:
        hand.execute("begin")
        hand.execute("update keys set name = 'x'")
        with _within(3), pytest.raises(TurnNeeded), app.store.beside(app._tx(WORKER)) as tx:
            recording.record(tx, "segment", 100, api="creator", incarnation=7, entries=(_decided(place),))
        with ThreadPoolExecutor(1) as pool:
            waits = pool.submit(_note, app, _decided(place))
            time.sleep(1)
            assert not waits.done()
            hand.execute("commit")
            waits.result(10)
    with app.reading() as reader:
        assert len(usage.listed(reader)) == 1


def test_one_at_a_time_does_what_is_done_by_one_and_is_free_again_whatever_happens(
    opened: Callable[[], App],
) -> None:
    first, second = opened().store, opened().store
    for _ in range(3):
        with first.alone() as here, second.alone() as there:
            assert (here, there) == (True, False)
        with pytest.raises(RuntimeError, match="afterwards"), second.alone() as there:
            raise RuntimeError("afterwards" if there else "alone after all")


# -- who listens -------------------------------------------------------------------------------------------------------


def _broken(tx: Tx) -> None:
    owners.suspend(tx, "u-1", reason="a test")
    raise RuntimeError


def test_who_listens_hears_of_a_change_once_it_is_committed_and_of_nothing_else(app: App) -> None:
    with psycopg.connect(app.settings.database_url, autocommit=True) as listening:
        listening.execute(f"listen {CHANNEL}")
        app.act(owners.create, owners.NewOwner("user"))
        with pytest.raises(RuntimeError):
            app.act(_broken)
        assert list(listening.notifies(timeout=0.2)) == []
        _suspend(app)
        assert len(list(listening.notifies(timeout=5, stop_after=1))) == 1


# -- what can be wrong with the server ---------------------------------------------------------------------------------


def _is_down(app: App, words: str = "The database answered") -> None:
    with pytest.raises(StoreDown, match=words):
        _suspend(app)
    with pytest.raises(StoreDown, match=words):
        _suspended(app)


def test_a_server_that_stands_still_is_waited_for_as_long_as_was_said(closed: Settings, server: Postgres) -> None:
    store = Store(open_engine(closed.database_url, answer_s=0.4, connect_s=2), None)
    with store.read() as connection:
        connection.exec_driver_sql("select 1")
    with _stopped(server):
        for _ in range(2):  # on the connection that there was, then on one that has to be made
            with _within(6), pytest.raises(StoreDown), store.read() as connection:
                connection.exec_driver_sql("select 1")
    with store.read() as connection:
        assert connection.exec_driver_sql("select 1").scalar() == 1
    store.engine.dispose()


def test_a_wait_that_was_too_long_says_how_long_it_was(closed: Settings, server: Postgres) -> None:
    store = Store(open_engine(closed.database_url, answer_s=0.4), None)

    def asked() -> None:
        with store.read() as connection:
            connection.exec_driver_sql("select 1")
            with _stopped(server):
                connection.exec_driver_sql("select 1")

    def slow() -> None:
        with store.read() as connection:
            connection.exec_driver_sql("set local statement_timeout = '50ms'")
            connection.exec_driver_sql("select pg_sleep(10)")

    with pytest.raises(StoreDown, match=r"no answer within 0\.4 s"):
        asked()
    with pytest.raises(StoreDown, match="statement timeout"):
        slow()
    store.engine.dispose()


def test_a_network_that_swallows_everything_is_the_store_being_down() -> None:
    with socket.socket() as swallowing:
        swallowing.bind(("127.0.0.1", 0))
        swallowing.listen(8)
        port = swallowing.getsockname()[1]
        store = Store(open_engine(f"postgresql://limen@127.0.0.1:{port}/limen", connect_s=2), None)
        with _within(8), pytest.raises(StoreDown, match="timeout"), store.read():
            pass
        store.engine.dispose()


def test_where_nobody_listens_the_store_is_down() -> None:
    store = Store(open_engine(f"postgresql://limen:hunter2@127.0.0.1:{free_port()}/limen"), None)
    with _within(3), pytest.raises(StoreDown, match="onnection refused") as caught, store.read():
        pass
    assert "hunter2" not in str(caught.value)


def test_a_server_that_was_restarted_hard_is_used_again_at_the_next_call(app: App, server: Postgres) -> None:
    with ThreadPoolExecutor(6) as pool:  # several connections that will be of no more use
        list(pool.map(lambda _: _suspended(app), range(12)))
    server.stop(signal.SIGKILL)
    for _ in range(2):
        _is_down(app)
    server.start()
    _suspend(app)
    assert _suspended(app) == ["u-1"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGQUIT, signal.SIGINT])
def test_the_first_call_after_a_restart_that_nobody_noticed_succeeds(
    app: App, server: Postgres, how: signal.Signals
) -> None:
    """Whether it is a change or a question, and as many at once as there were connections."""
    for question_first in (False, True):
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda _: _suspended(app), range(12)))
            assert app.store.engine.pool.checkedin() > 2  # type: ignore[attr-defined]  # else nothing is stale
            server.stop(how)
            server.start()
            if question_first:
                assert list(pool.map(lambda _: _suspended(app), range(6))) == [["u-1"]] * 6
            else:
                _suspend(app)


def test_a_server_that_dies_in_the_middle_of_a_change_has_not_made_it(app: App, server: Postgres) -> None:
    def verb(tx: Tx) -> None:
        owners.suspend(tx, "u-1", reason="a test")
        server.stop(signal.SIGKILL)
        server.start()
        owners.create(tx, owners.NewOwner("user"))

    with pytest.raises(StoreDown):
        app.act(verb)
    assert _suspended(app) == []
    _suspend(app)


def test_a_database_that_takes_nobody_in_is_the_store_being_down(app: App) -> None:
    with shut(app.settings.database_url):
        _is_down(app)
        with pytest.raises(StoreDown, match="not currently accepting connections"):
            App.open(app.settings)
    _suspend(app)


def test_a_server_that_can_only_be_read_is_the_store_being_down(app: App, closed: Settings) -> None:
    """A replica, or a primary whose disk is full: what it says may be out of date, so it is not read either."""
    name = closed.database_url.rpartition("/")[2]
    with hand_at(closed.database_url) as hand:
        hand.execute(f'alter database "{name}" set default_transaction_read_only = on')
    with pytest.raises(StoreDown, match="read-only"):
        App.open(closed)

    def verb(tx: Tx) -> None:
        tx.connection.exec_driver_sql("set transaction read only")
        tx.connection.exec_driver_sql("update owners set name = 'x'")

    with pytest.raises(StoreDown, match="read-only"):
        app.act(verb)


def test_connections_that_are_all_in_use_are_the_store_being_down(closed: Settings) -> None:
    store = Store(open_engine(closed.database_url, answer_s=0.3, pool=2), None)
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(store.engine.connect())
        with _within(3), pytest.raises(StoreDown, match="in use"), store.read():
            pass
    with store.read():
        pass
    store.engine.dispose()


def test_a_role_without_rights_is_the_store_being_down(closed: Settings) -> None:
    with hand_at(closed.database_url) as hand:
        hand.execute("create role nobody login")
    try:
        store = Store(open_engine(closed.database_url.replace("//limen@", "//nobody@")), None)
        with pytest.raises(StoreDown, match="permission denied"), store.read() as connection:
            connection.exec_driver_sql("select * from keys")
        store.engine.dispose()
    finally:
        with hand_at(closed.database_url) as hand:
            hand.execute("drop role nobody")


@pytest.mark.parametrize("store_kind", ["postgresql"], indirect=True)
def test_a_character_that_it_cannot_keep_is_refused_as_bad_input(installation: App) -> None:
    def say(tx: Tx, what: str) -> None:
        tx.connection.execute(text("select :what"), {"what": what})

    with pytest.raises(ProblemError, match=r"every character but U\+0000") as caught:
        installation.act(say, "a\0b")
    assert caught.value.problem.code == "request_malformed"
    installation.act(say, "ab")

"""The store: one writer at a time over threads and processes, an epoch that tells of it, clear words when it fails."""

from __future__ import annotations

import gc
import os
import resource
import sqlite3
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event, text

from limen.app import App
from limen.control import apis, owners
from limen.core.problems import PROBLEMS, ProblemError, StoreDown
from limen.db.engine import Store, open_engine, sqlite_path
from limen.db.epoch import Epoch
from limen.profiles import load
from limen.settings import Settings
from tests.db import dump
from tests.db.children import Child, Starter, in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from limen.db.transaction import Tx

NOBODY = 65_534


def _suspended(app: App) -> list[str]:
    with app.reading() as reader:
        return [owner.owner for owner in owners.listed(reader) if owner.state == "suspended"]


def _settings(folder: Path) -> Settings:
    return Settings(database_url=f"sqlite:///{folder}/limen.db")


@pytest.fixture
def closed(creator: App, owner: str) -> Settings:
    """An installation with an API and an owner, that no process has open."""
    creator.close()
    return creator.settings


@pytest.fixture
def opened(closed: Settings) -> Iterator[Callable[[], App]]:
    """Opens that installation; what it opened is closed at the end."""
    apps = []

    def opened() -> App:
        apps.append(App.open(closed))
        return apps[-1]

    yield opened
    for app in apps:
        app.close()


# -- the epoch -------------------------------------------------------------------------------------------------------


def test_a_change_moves_the_epoch_by_two_and_a_question_does_not(creator: App, owner: str) -> None:
    epoch = creator.store.epoch.cell[0]
    assert epoch % 2 == 0
    assert _suspended(creator) == []
    assert creator.store.epoch.cell[0] == epoch
    creator.act(owners.suspend, owner, reason="a test")
    assert creator.store.epoch.cell[0] == epoch + 2


def test_what_changes_nothing_that_gates_know_moves_no_epoch(creator: App, owner: str) -> None:
    epoch = creator.store.epoch.cell[0]
    creator.act(owners.create, owners.NewOwner("user", owner="u-9"))
    creator.act(owners.restore, owner)
    assert creator.store.epoch.cell[0] == epoch


def test_the_epoch_is_odd_while_a_change_commits(creator: App, owner: str) -> None:
    seen = []
    event.listen(creator.store.engine, "commit", lambda connection: seen.append(creator.store.epoch.cell[0] % 2))
    creator.act(owners.suspend, owner, reason="a test")
    assert seen == [1]


def test_every_process_maps_the_same_epoch(closed: Settings, opened: Callable[[], App]) -> None:
    def work() -> None:
        other = App.open(closed)
        other.act(owners.suspend, "u-1", reason="a test")
        other.close()

    before = Epoch(closed.state_folder)
    value = before.cell[0]
    assert in_child(work) == 0
    assert before.cell[0] == value + 2
    assert _suspended(opened()) == ["u-1"]


def test_an_epoch_left_odd_is_mended_by_the_next_writer(creator: App, owner: str) -> None:
    epoch = creator.store.epoch
    epoch.cell[0] += 1
    odd = epoch.cell[0]
    creator.act(owners.create, owners.NewOwner("user", owner="u-9"))  # changes nothing that gates know
    assert epoch.cell[0] == odd + 1
    epoch.cell[0] += 1
    creator.act(owners.suspend, owner, reason="a test")
    assert epoch.cell[0] == odd + 2 + 1 + 2  # made odd here, mended, moved


@pytest.mark.parametrize("moment", ["before the commit", "in the commit"])
def test_a_writer_that_is_killed_changes_nothing_and_blocks_nobody(
    closed: Settings, opened: Callable[[], App], moment: str
) -> None:
    def work() -> None:
        app = App.open(closed)

        def die(connection, cursor=None, statement="INSERT INTO outbox", *found) -> None:
            if "INSERT INTO outbox" in statement:
                os._exit(9)

        event.listen(app.store.engine, "commit" if moment == "in the commit" else "after_cursor_execute", die)
        app.act(owners.suspend, "u-1", reason="a test")

    before = dump.dump(closed.database_path)
    assert in_child(work) == 9
    assert dump.dump(closed.database_path) == before
    assert Epoch(closed.state_folder).cell[0] % 2 == (moment == "in the commit")
    app = opened()
    app.act(owners.suspend, "u-1", reason="a test")
    assert _suspended(app) == ["u-1"]
    assert app.store.epoch.cell[0] % 2 == 0


def test_an_epoch_that_was_replaced_is_refused(creator: App, owner: str) -> None:
    """Whoever made a new one maps another file: a change there would go unseen here, and the reverse."""
    folder = creator.settings.state_folder
    before = dump.dump(creator.settings.database_path)
    for replace in (lambda: Epoch(folder), lambda: None):
        (folder / "epoch").unlink()
        replace()
        with pytest.raises(ProblemError, match=r"was replaced while it was in use\. Stop every process") as caught:
            creator.act(owners.suspend, owner, reason="a test")
        assert caught.value.problem.code == "store_not_ready"
        (folder / "epoch").touch()
    assert dump.dump(creator.settings.database_path) == before


def test_an_epoch_knows_whether_it_is_still_the_one(tmp_path: Path) -> None:
    epoch = Epoch(tmp_path)
    assert epoch.stands()
    assert Epoch(tmp_path).stands()
    (tmp_path / "epoch").rename(tmp_path / "moved")
    assert not epoch.stands()
    new = Epoch(tmp_path)
    assert (epoch.stands(), new.stands()) == (False, True)


def test_an_epoch_that_cannot_be_used_is_the_store_being_down(tmp_path: Path) -> None:
    with pytest.raises(StoreDown, match="epoch cannot be opened"):
        Epoch(tmp_path / "nowhere")
    (tmp_path / "epoch").mkdir()
    with pytest.raises(StoreDown, match="epoch cannot be opened"):
        Epoch(tmp_path)


# -- one writer at a time --------------------------------------------------------------------------------------------


def test_writers_in_threads_take_turns(creator: App) -> None:
    within = 0

    def verb(tx: Tx, number: int) -> None:
        nonlocal within
        within += 1
        assert within == 1
        owners.create(tx, owners.NewOwner("user", owner=f"t-{number}"))
        assert within == 1
        within -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: creator.act(verb, number), range(24)))
    with creator.reading() as reader:
        assert len(owners.listed(reader)) == 24


def test_writers_in_processes_take_turns(closed: Settings, opened: Callable[[], App], tmp_path: Path) -> None:
    """A file that only one may have made at a time; and no number of the change log is given twice."""
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
    seqs = [seq for (seq,) in dump.rows(closed.database_path, "select seq from changes order by seq")]
    assert seqs == list(range(1, seqs[-1] + 1))
    assert dump.rows(closed.database_path, "select seq from change_head") == [(seqs[-1],)]


def test_a_writer_waits_for_one_in_another_process(closed: Settings, opened: Callable[[], App]) -> None:
    inside, leave = os.pipe(), os.pipe()

    def slow(tx: Tx) -> None:
        owners.suspend(tx, "u-1", reason="the first")
        os.write(inside[1], b".")
        os.read(leave[0], 1)

    def work() -> None:
        App.open(closed).act(slow)

    child = Child(work)
    os.read(inside[0], 1)
    app, done = opened(), threading.Event()

    def second() -> None:
        app.act(owners.restore, "u-1")
        done.set()

    waiting = threading.Thread(target=second)
    waiting.start()
    assert not done.wait(0.2)  # it cannot be, however long one waits
    assert _suspended(app) == []  # who only asks, waits for nobody
    os.write(leave[1], b".")
    waiting.join()
    assert child.wait() == 0
    assert [verb for (verb,) in dump.rows(closed.database_path, "select verb from audit order by id desc limit 2")] == [
        "owners.restore",
        "owners.suspend",
    ]
    for end in (*inside, *leave):
        os.close(end)


def test_a_writer_that_never_ends_is_the_store_being_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limen.db.epoch.LOCK_TIMEOUT_S", 0.05)
    first, second = Epoch(tmp_path), Epoch(tmp_path)
    with first.held(), pytest.raises(StoreDown, match="held by another writer"), second.held():
        pass
    with second.held():
        pass


def test_a_child_that_is_forked_meanwhile_keeps_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the file of the lock open too, for as long as it lives."""
    monkeypatch.setattr("limen.db.epoch.LOCK_TIMEOUT_S", 0.5)
    first, second, end = Epoch(tmp_path), Epoch(tmp_path), Starter()
    with first.held():
        child = Child(end.wait)
    with second.held():
        pass
    end.open()
    assert child.wait() == 0
    end.close()


def test_no_file_stays_open_behind_a_writer(creator: App, owner: str) -> None:
    def opened() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    creator.act(owners.suspend, owner, reason="a test")
    gc.collect()  # what other tests left is not closed while this one counts
    before = opened()
    for _ in range(10):
        creator.act(owners.restore, owner)
        creator.act(owners.suspend, owner, reason="a test")
        with pytest.raises(ProblemError):
            creator.act(owners.suspend, "nobody", reason="a test")
        Epoch(creator.settings.state_folder)
    assert opened() == before


def test_a_lock_of_sqlite_that_stays_is_the_store_being_down(
    creator: App, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's transaction, with the sqlite3 shell: no lock of ours is in its way."""
    monkeypatch.setattr("limen.db.engine.BUSY_TIMEOUT_S", 0.05)
    app = App.open(creator.settings)
    with closing(sqlite3.connect(creator.settings.database_path, isolation_level=None)) as shell:
        shell.execute("begin immediate")
        with pytest.raises(StoreDown, match="database is locked"):
            app.act(owners.suspend, owner, reason="a test")
        assert _suspended(app) == []
    app.act(owners.suspend, owner, reason="a test")
    app.close()


def test_connections_that_are_all_in_use_are_the_store_being_down(installation: App) -> None:
    store = Store(open_engine(installation.settings.database_url), installation.store.epoch)
    store.engine.pool._timeout = 0.05
    held = [store.engine.connect() for _ in range(26)]
    with pytest.raises(StoreDown, match="in use"), store.read():
        pass
    for connection in held:
        connection.close()
    store.engine.dispose()


# -- transactions ----------------------------------------------------------------------------------------------------


def test_what_a_question_sees_does_not_change_while_it_asks(creator: App, owner: str) -> None:
    with creator.reading() as reader:
        assert owners.require(reader, owner).state == "active"
        creator.act(owners.suspend, owner, reason="a test")
        assert owners.require(reader, owner).state == "active"
    assert _suspended(creator) == [owner]


def test_who_only_asks_holds_no_writer_up(creator: App, owner: str) -> None:
    with creator.reading() as reader:
        owners.require(reader, owner)
        for number in range(3):
            creator.act(owners.create, owners.NewOwner("user", owner=f"w-{number}"))


def test_who_writes_takes_the_lock_at_once_and_who_only_asks_takes_none(creator: App) -> None:
    """A transaction that first reads and then writes fails where another wrote between the two."""
    begun = []

    def note(connection, cursor, statement, parameters, context, executemany) -> None:
        if statement.startswith("begin"):
            begun.append(statement)

    event.listen(creator.store.engine, "before_cursor_execute", note)
    _suspended(creator)
    creator.act(owners.create, owners.NewOwner("user"))
    _suspended(creator)
    assert begun == ["begin", "begin immediate", "begin"]


def test_connections_are_as_they_must_be(installation: App) -> None:
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "trusted_schema": 0, "busy_timeout": 5000}
    with installation.store.read() as connection:
        found = {name: connection.execute(text(f"pragma {name}")).scalar() for name in wanted}
    assert found == wanted


def test_no_error_shows_what_was_to_be_stored(creator: App) -> None:
    def verb(tx: Tx) -> None:
        tx.connection.execute(text("insert into owners (owner) values (:secret)"), {"secret": "a-canary"})

    with pytest.raises(Exception, match="NOT NULL") as caught:
        creator.act(verb)
    assert "a-canary" not in str(caught.value)
    assert "a-canary" not in repr(caught.value)


def test_a_connection_that_cannot_even_roll_back_is_used_no_more(creator: App, owner: str) -> None:
    def verb(tx: Tx) -> None:
        owners.suspend(tx, owner, reason="a test")
        tx.connection.connection.dbapi_connection.close()
        raise RuntimeError("the first failure")

    for _ in range(3):
        with pytest.raises(RuntimeError, match="the first failure"):
            creator.act(verb)
    assert _suspended(creator) == []
    creator.act(owners.suspend, owner, reason="a test")
    assert _suspended(creator) == [owner]


# -- what can be wrong with the files --------------------------------------------------------------------------------


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match=r"There is no database .*limen\.db\. Run 'limen init'") as caught:
        App.open(_settings(tmp_path))
    assert caught.value.problem.code == "store_not_ready"
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_empty(closed: Settings) -> None:
    closed.database_path.write_bytes(b"")
    with pytest.raises(ProblemError, match="The database is empty") as caught:
        App.open(closed)
    assert caught.value.problem.code == "store_not_ready"


@pytest.mark.parametrize("at", [0, 24, 100], ids=["another file", "a header that is wrong", "pages that are wrong"])
def test_a_database_that_is_damaged(closed: Settings, at: int) -> None:
    content = bytearray(closed.database_path.read_bytes())
    content[at : at + 8_000] = b"garbage!" * 1_000
    closed.database_path.write_bytes(content)
    with pytest.raises(StoreDown, match="The database answered"):
        App.open(closed)


def test_a_database_that_is_damaged_while_it_is_open(creator: App, owner: str) -> None:
    content = creator.settings.database_path.read_bytes()
    creator.store.engine.dispose()
    creator.settings.database_path.write_bytes(b"garbage!" * (len(content) // 8))
    with pytest.raises(StoreDown):
        creator.act(owners.suspend, owner, reason="a test")
    with pytest.raises(StoreDown):
        _suspended(creator)
    assert creator.store.epoch.cell[0] % 2 == 0


def test_a_database_that_is_a_folder(closed: Settings) -> None:
    closed.database_path.unlink()
    closed.database_path.mkdir()
    with pytest.raises(StoreDown, match="unable to open database file"):
        App.open(closed)


@pytest.fixture
def anywhere() -> Iterator[Path]:
    """A folder that every user can reach."""
    with tempfile.TemporaryDirectory(prefix="limen-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def _without_rights(folder: Path, work: Callable[[], object]) -> int:
    """Do *work* as somebody who owns all in *folder* and is no superuser, for whom no right is refused."""
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)

    def unprivileged() -> None:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        work()

    return in_child(unprivileged)


@pytest.mark.parametrize("what", ["the file", "the folder", "the state folder"])
def test_a_database_that_can_only_be_read(anywhere: Path, what: str) -> None:
    settings = _settings(anywhere)
    app = App.initialise(settings)
    app.act(apis.create, "creator", load("creator"))
    app.close()
    if what == "the state folder":
        (settings.state_folder / "write.lock").unlink()
    protected = {"the file": settings.database_path, "the folder": anywhere, "the state folder": settings.state_folder}
    protected[what].chmod(0o400 if what == "the file" else 0o500)

    def work() -> None:
        try:
            found = App.open(settings)
            with pytest.raises(ProblemError):
                found.act(apis.switch, "creator", "read_only", True)
        except StoreDown:
            assert what == "the folder"  # SQLite needs files beside its own, to read too

    try:
        assert _without_rights(anywhere, work) == 0
    finally:
        anywhere.chmod(0o700)
    app = App.open(settings)
    with app.reading() as reader:
        assert not apis.require(reader, "creator").read_only
    app.close()


def test_a_disk_that_is_full(closed: Settings, opened: Callable[[], App]) -> None:
    """The kernel refuses to let a file grow: what a full disk does, without filling one."""
    before = dump.dump(closed.database_path)

    def work() -> None:
        app = App.open(closed)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, resource.RLIM_INFINITY))
        with pytest.raises(StoreDown, match=r"disk|full|I/O"):
            app.act(owners.suspend, "u-1", reason="a test")
        assert app.store.epoch.cell[0] % 2 == 0
        assert _suspended(app) == []
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        app.act(owners.restore, "u-1")

    assert in_child(work) == 0
    assert dump.dump(closed.database_path) == before
    app = opened()
    app.act(owners.suspend, "u-1", reason="a test")
    assert _suspended(app) == ["u-1"]


def test_only_the_file_of_a_sqlite_database_is_opened(tmp_path: Path) -> None:
    for url in ("postgresql://localhost/limen", "sqlite://", "sqlite:///:memory:", "mysql://localhost/limen"):
        with pytest.raises(ValueError, match="is not the URL of a SQLite file"):
            sqlite_path(url)
        if not url.startswith("postgresql:"):
            with pytest.raises(ValueError, match="is not the URL of a SQLite file"):
                open_engine(url)
    assert sqlite_path(f"sqlite:///{tmp_path}/limen.db") == tmp_path / "limen.db"


def test_every_word_of_the_store_is_a_known_problem() -> None:
    assert {"store_down", "store_not_ready", "pepper_wrong", "setting_wrong"} <= PROBLEMS.keys()

"""The tombstones: on the disk before what they say is committed, and never changed, whatever goes wrong."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from limen.app import App
from limen.control import keys, owners
from limen.core.problems import StoreDown
from limen.core.tombstones import Place, Stone, write_line
from limen.db import tombstones
from tests.db.children import Child, Starter, in_child
from tests.db.dump import dump

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.control.keys import Issued
    from limen.db.transaction import Tx

    Issue = Callable[..., Issued]


def said(app: App) -> list[tuple[str, str]]:
    """What the whole lines say, without the beginnings of series."""
    lines = tombstones.read(app.settings.tombstones_path)
    return [(stone.subject, stone.what) for _, stone in lines if stone.kind != "series"]


def places(app: App) -> list[Place]:
    return [line.place for line in tombstones.read(app.settings.tombstones_path)]


def known(app: App) -> Place:
    with app.reading() as reader:
        return tombstones.known(reader.connection)


@pytest.fixture
def key(firm: str, issue: Issue) -> str:
    """A key of ``organisation``."""
    return issue("organisation", firm).key.key


def test_an_installation_begins_with_a_series(installation: App) -> None:
    path = installation.settings.tombstones_path
    assert path.stat().st_mode & 0o777 == 0o600
    assert [stone.what for _, stone in tombstones.read(path)] == ["begun"]
    assert known(installation) == places(installation)[0]
    assert known(installation).number == 1


def test_whatever_ends_or_sleeps_is_said_and_what_comes_back_too(organisation: App, firm: str, issue: Issue) -> None:
    act = organisation.act
    k = [issue("organisation", firm).key.key for _ in range(5)]
    act(keys.revoke, k[0])
    act(keys.revoke, k[0])
    act(keys.delete, k[1])
    act(lambda tx: keys.set_expiry(tx, k[2], expires_at=tx.now + 60))
    act(keys.deactivate, k[3])
    act(keys.reactivate, k[3])
    act(keys.regenerate, k[4])
    act(owners.suspend, firm, reason="a test")
    act(owners.restore, firm)
    act(owners.erase, firm)
    assert said(organisation) == [
        (k[0], "revoked"),
        (k[1], "revoked"),
        (k[1], "deleted"),
        (k[2], "expires"),
        (k[3], "inactive"),
        (k[3], "active"),
        (k[4], "revoked"),
        (firm, "suspended"),
        (firm, "restored"),
        (firm, "erased"),
    ]
    assert [place.number for place in places(organisation)] == list(range(1, 12))


def test_an_end_is_on_the_disk_before_it_is_committed(
    organisation: App, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda file: (real(file), steps.append("synced"))[0])
    event.listen(
        organisation.store.engine, "commit", lambda connection: steps.append(f"commits {said(organisation)[-1][1]}")
    )
    organisation.act(keys.deactivate, key)
    assert steps == ["synced", "commits inactive"]
    organisation.act(keys.reactivate, key)
    assert steps[2:] == ["commits inactive", "synced"]
    assert said(organisation)[-1] == (key, "active")


def test_a_thousand_ends_cost_one_sync(
    organisation: App, firm: str, issue: Issue, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [issue("organisation", firm).key.key for _ in range(20)]
    synced: list[int] = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda file: (real(file), synced.append(file))[0])
    organisation.act(lambda tx: [keys.revoke(tx, key) for key in ids])
    assert len(synced) == 1
    assert said(organisation) == [(key, "revoked") for key in ids]


def test_of_one_transaction_the_last_word_is_written_last(organisation: App, key: str) -> None:
    def off_and_on(tx: Tx) -> None:
        keys.deactivate(tx, key)
        keys.reactivate(tx, key)

    def on_and_off(tx: Tx) -> None:
        keys.deactivate(tx, key)
        keys.reactivate(tx, key)
        keys.deactivate(tx, key)

    organisation.act(off_and_on)
    assert said(organisation)[-1] == (key, "active")
    organisation.act(on_and_off)
    assert said(organisation)[-1] == (key, "inactive")


@pytest.mark.parametrize("path", ["no/such/folder", "", "a-file/below"])
def test_where_no_tombstone_can_be_laid_nothing_ends(organisation: App, key: str, tmp_path: Path, path: str) -> None:
    (tmp_path / "a-file").touch()
    before, epoch = dump(organisation.settings.database_path), organisation.store.epoch.cell[0]
    whole = organisation.store.tombstones
    organisation.store.tombstones = tombstones.Tombstones(tmp_path / path)
    with pytest.raises(StoreDown, match=r"tombstones .* cannot be written"):
        organisation.act(keys.revoke, key)
    assert dump(organisation.settings.database_path) == before
    assert organisation.store.epoch.cell[0] == epoch
    organisation.store.tombstones = whole
    organisation.act(keys.revoke, key)
    assert said(organisation) == [(key, "revoked")]


def full(limit: int) -> None:
    """From here on this process can write no file beyond *limit* bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


@pytest.mark.check("C030")
@pytest.mark.parametrize("room", [0, 1, 60])
def test_where_the_disk_is_full_nothing_ends_and_nothing_is_left_of_it(organisation: App, key: str, room: int) -> None:
    """Of each of its lines the disk takes *room* bytes: as far as the file system goes, that is a full disk."""
    settings = organisation.settings
    organisation.close()
    path = settings.tombstones_path
    beyond = 4_000_000  # more than any other file of the installation has
    path.write_bytes(path.read_bytes() + b"x" * (beyond - path.stat().st_size - 1) + b"\n")
    before = dump(settings.database_path)

    def work() -> None:
        app = App.open(settings)
        full(beyond + room)
        with pytest.raises(StoreDown, match=r"tombstones .* cannot be written: File too large"):
            app.act(keys.revoke, key)

    assert in_child(work) == 0
    assert path.stat().st_size == beyond
    assert dump(settings.database_path) == before
    app = App.open(settings)
    app.act(keys.revoke, key)
    assert said(app) == [(key, "revoked")]
    app.close()


def test_when_the_commit_fails_the_key_lives_and_its_tombstone_stays(organisation: App, key: str) -> None:
    def fail(connection) -> None:
        raise OperationalError("", {}, Exception("disk I/O error"))

    for what in (keys.deactivate, keys.reactivate):
        event.listen(organisation.store.engine, "commit", fail)
        with pytest.raises(StoreDown):
            organisation.act(what, key)
        event.remove(organisation.store.engine, "commit", fail)
        organisation.act(what, key)
    assert [what for _, what in said(organisation)] == ["inactive", "inactive", "active"]
    organisation.act(keys.revoke, key)
    assert known(organisation) == places(organisation)[-1]
    assert [place.number for place in places(organisation)] == [1, 2, 3, 4, 5]


def test_a_kill_before_the_commit_leaves_the_key_alive_and_its_tombstone_on_the_disk(
    organisation: App, firm: str, issue: Issue
) -> None:
    first, second = (issue("organisation", firm).key.key for _ in range(2))
    settings = organisation.settings
    organisation.close()

    def work() -> None:
        app = App.open(settings)
        event.listen(app.store.engine, "commit", lambda connection: os._exit(9))
        app.act(keys.revoke, first)

    assert in_child(work) == 9
    app = App.open(settings)
    with app.reading() as reader:
        assert keys.require(reader, first).state == "active"
    assert said(app) == [(first, "revoked")]
    app.act(keys.revoke, second)
    assert [place.number for place in places(app)] == [1, 2, 3]
    app.close()


@pytest.mark.parametrize("torn", [b"{", b'{"series":"aaa', b"\0" * 300, b"\n\n"])
def test_a_line_that_was_torn_is_passed_over_and_its_number_given_again(
    organisation: App, firm: str, issue: Issue, torn: bytes
) -> None:
    first, second = (issue("organisation", firm).key.key for _ in range(2))
    organisation.act(keys.revoke, first)
    with organisation.settings.tombstones_path.open("ab") as file:
        file.write(torn)
    organisation.act(keys.revoke, second)
    assert said(organisation) == [(first, "revoked"), (second, "revoked")]
    assert [place.number for place in places(organisation)] == [1, 2, 3]


def test_a_whole_line_without_its_end_counts(organisation: App, firm: str, issue: Issue) -> None:
    first, second = (issue("organisation", firm).key.key for _ in range(2))
    organisation.act(keys.revoke, first)
    path = organisation.settings.tombstones_path
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    organisation.act(keys.revoke, second)
    assert [place.number for place in places(organisation)] == [1, 2, 3]


def test_the_last_line_is_found_behind_much_that_is_none(organisation: App, key: str) -> None:
    place = tombstones.tail(organisation.settings.tombstones_path)
    with organisation.settings.tombstones_path.open("ab") as file:
        file.write(b"\n" + b"no line\n" * 50_000)
    assert tombstones.tail(organisation.settings.tombstones_path) == place
    organisation.act(keys.revoke, key)
    assert [place.number for place in places(organisation)] == [1, 2]


@pytest.mark.parametrize("how", ["gone", "empty", "older", "another's"])
def test_a_file_that_does_not_go_on_begins_a_series(organisation: App, firm: str, issue: Issue, how: str) -> None:
    ids = [issue("organisation", firm).key.key for _ in range(3)]
    path = organisation.settings.tombstones_path
    begun = path.read_bytes()
    organisation.act(keys.revoke, ids[0])
    if how == "gone":
        path.unlink()
    else:
        of_another = write_line(Place("aaaaaaaaaaaa", 99), Stone(1.0, "key", "k", "revoked"))
        path.write_bytes({"empty": b"", "older": begun, "another's": of_another}[how])
    before = known(organisation)
    organisation.act(keys.revoke, ids[1])
    organisation.act(keys.revoke, ids[2])
    after = known(organisation)
    assert after.series != before.series
    assert [place.number for place in places(organisation) if place.series == after.series] == [1, 2, 3]
    assert said(organisation)[-2:] == [(ids[1], "revoked"), (ids[2], "revoked")]


def test_init_begins_a_series_where_the_file_was_lost(installation: App) -> None:
    before = known(installation)
    installation.close()
    installation.settings.tombstones_path.unlink()
    for _ in range(2):
        app = App.initialise(installation.settings)
        assert known(app).number == 1
        assert known(app).series != before.series
        assert len(places(app)) == 1
        app.close()


def test_processes_that_end_keys_at_once_write_one_series(organisation: App, firm: str, issue: Issue) -> None:
    ids = [[issue("organisation", firm).key.key for _ in range(10)] for _ in range(3)]
    settings = organisation.settings
    organisation.close()
    start = Starter()

    def work(mine: list[str]) -> None:
        app = App.open(settings)
        start.wait()
        for key in mine:
            app.act(keys.revoke, key)
        app.close()

    children = [Child(lambda mine=mine: work(mine)) for mine in ids]
    start.open()
    assert [child.wait() for child in children] == [0, 0, 0]
    start.close()
    app = App.open(settings)
    assert [place.number for place in places(app)] == list(range(1, 32))
    assert sorted(said(app)) == sorted((key, "revoked") for mine in ids for key in mine)
    assert known(app) == places(app)[-1]
    app.close()

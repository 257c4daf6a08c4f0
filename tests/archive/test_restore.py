"""Yesterday's backup is restored, and today's ends are still in force: by everybody who may ask, and after any kill."""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from limen.app import App
from limen.control import apis, keys, owners, revival, usage
from limen.core.problems import ProblemError
from limen.db import presence
from limen.drain import drain
from limen.profiles import load
from tests.archive.conftest import House
from tests.db.children import Child, Starter, in_child
from tests.db.dump import dump, rows

if TYPE_CHECKING:
    from collections.abc import Callable


class Day:
    """A day's work: keys are issued, the database is backed up, and then some of them end, each in its own way."""

    def __init__(self, house: House) -> None:
        self.house = house
        for owner in ("acme", "bolt", "coil"):
            house.owner(owner)
        names = ("lives", "sleeps", "revoked", "deleted", "shortened", "soon", "regenerated", "woken", "napped")
        self.keys = {name: house.key("acme") for name in names}
        self.keys |= {"suspended": house.key("bolt"), "freed": house.key("coil")}
        act = house.app.act
        act(keys.deactivate, self.id("woken"))
        act(owners.suspend, "coil", reason="a test")
        self.backup = house.back_up()
        act(keys.revoke, self.id("revoked"), reason="leaked")
        act(keys.delete, self.id("deleted"))
        act(lambda tx: keys.set_expiry(tx, self.id("shortened"), expires_at=tx.now))
        act(lambda tx: keys.set_expiry(tx, self.id("soon"), expires_at=tx.now + 3600))
        self.new = {"successor": act(keys.regenerate, self.id("regenerated"))}
        self.new["late"] = house.key("acme")
        act(keys.revoke, self.new["late"].key.key)
        act(keys.reactivate, self.id("woken"))
        act(keys.deactivate, self.id("sleeps"))
        act(keys.deactivate, self.id("napped"))
        act(keys.reactivate, self.id("napped"))
        act(owners.suspend, "bolt", reason="a test")
        act(owners.restore, "coil")

    def id(self, name: str) -> str:
        return self.keys[name].key.key


LIVE = {"lives", "soon", "woken", "napped", "freed"}
WANTED = {
    **dict.fromkeys(LIVE, "ok"),
    "sleeps": "key_inactive",
    "revoked": "key_revoked",
    "deleted": "key_revoked",
    "shortened": "key_expired",
    "regenerated": "key_revoked",
    "suspended": "owner_suspended",
}


@pytest.fixture
def day(house: House) -> Day:
    """An installation after a day's work."""
    return Day(house)


def gone(house: House, name: str) -> bool:
    return not (house.folder / name).exists()


def asides(house: House) -> list[Path]:
    return sorted(house.folder.glob("limen.db.before-*"))


def refused(house: House, code: str, file: Path, **how: Any) -> str:
    """The restore is refused with *code*, and nothing has changed."""
    house.close()
    before = dump(house.settings.database_path)
    with pytest.raises(ProblemError) as caught:
        house.restore(file, **how)
    assert caught.value.problem.code == code
    assert dump(house.settings.database_path) == before
    assert gone(house, "limen.db.restoring")
    assert asides(house) == []
    return caught.value.detail


@pytest.mark.check("C038")
def test_the_gate_refuses_what_ended_since_and_admits_the_rest(day: Day) -> None:
    house = day.house
    assert house.verdicts(day.keys) == WANTED
    done = house.restore(day.backup)
    assert done.missing == ""
    assert (done.revived.ended, done.revived.owners, done.revived.unconfirmed) == (3, 2, 0)
    assert house.verdicts(day.keys) == WANTED
    assert house.verdicts(day.new) == dict.fromkeys(day.new, "credential_invalid")
    with house.app.reading() as reader:
        assert keys.require(reader, day.id("soon")).expires_at is not None
        assert keys.require(reader, day.id("lives")).expires_at is None
    audit = rows(house.settings.database_path, "select verb, actor from audit order by id desc limit 1")
    assert audit[0][0] == "installation.restore"
    told = rows(house.settings.database_path, "select event from outbox order by id desc limit 1")
    assert told == [("installation.restored",)]


@pytest.mark.check("C038")
@pytest.mark.parametrize("how", ["left out", "gone", "emptied", "begun anew", "with a hole", "of an earlier day"])
def test_without_all_of_the_tombstones_nothing_is_admitted_until_it_is_confirmed(day: Day, how: str) -> None:
    house, path = day.house, day.house.settings.tombstones_path
    lines = path.read_bytes().splitlines(keepends=True)
    content = {
        "emptied": b"",
        "begun anew": lines[0].replace(b"1", b"2", 1),
        "with a hole": b"".join([*lines[:5], *lines[6:]]),
        "of an earlier day": lines[0],
    }
    if how in content:
        path.write_bytes(content[how])
    elif how == "gone":
        path.unlink()
    done = house.restore(day.backup, heeds=how != "left out")
    assert done.missing
    assert set(house.verdicts(day.keys).values()) <= {"key_inactive", "key_revoked", "key_expired", "owner_suspended"}
    assert house.verdicts(day.new) == dict.fromkeys(day.new, "credential_invalid")
    assert house.plans[0].missing == done.missing
    house.app.act(keys.reactivate, day.id("lives"))
    assert house.verdict(day.keys["lives"]) == "ok"
    with house.app.reading() as reader:
        asleep = revival.unconfirmed(reader)
    assert len(asleep) == done.revived.unconfirmed - 1
    house.app.act(revival.confirm, asleep)
    assert house.verdict(day.keys["freed"]) == "owner_suspended"
    assert house.verdict(day.keys["soon"]) == "ok"


def test_who_left_the_tombstones_out_by_mistake_restores_again(day: Day) -> None:
    day.house.restore(day.backup, heeds=False)
    assert day.house.verdict(day.keys["lives"]) == "key_inactive"
    assert day.house.restore(day.backup).missing == ""
    assert day.house.verdicts(day.keys) == WANTED


def test_what_was_woken_on_purpose_stays_awake_in_later_backups(day: Day) -> None:
    """Who leaves the tombstones out has decided on what they say so far."""
    house = day.house
    house.restore(day.backup, heeds=False)
    house.app.act(keys.reactivate, day.id("revoked"))
    later = house.back_up("later.db")
    house.app.act(keys.revoke, day.id("soon"))
    assert house.restore(later).missing == ""
    assert house.verdict(day.keys["revoked"]) == "ok"
    assert house.verdict(day.keys["soon"]) == "key_revoked"


def test_a_backup_made_after_the_tombstones_were_lost_goes_with_the_new_ones(day: Day) -> None:
    house = day.house
    house.settings.tombstones_path.unlink()
    house.restore(day.backup)
    house.app.act(revival.confirm, [day.id("lives"), day.id("soon")])
    later = house.back_up("later.db")
    house.app.act(keys.revoke, day.id("soon"))
    assert house.restore(later).missing == ""
    assert house.verdict(day.keys["lives"]) == "ok"
    assert house.verdict(day.keys["soon"]) == "key_revoked"
    assert house.restore(day.backup).missing


def test_a_backup_that_is_restored_twice_and_one_of_the_restored(day: Day) -> None:
    house = day.house
    house.restore(day.backup)
    again = house.back_up("again.db")
    house.app.act(keys.revoke, day.id("lives"))
    for file in (again, day.backup, again):
        assert house.restore(file).missing == ""
        assert house.verdicts(day.keys) == WANTED | {"lives": "key_revoked"}
    assert len(asides(house)) == 4


def test_what_was_there_is_put_aside_and_can_be_restored_itself(day: Day) -> None:
    house = day.house
    house.close()
    before = dump(house.settings.database_path)
    aside = house.restore(day.backup).aside
    assert aside is not None
    assert [aside] == asides(house)
    assert dump(aside) == before
    assert house.restore(aside).missing == ""
    assert house.verdicts(day.keys) == WANTED
    assert house.verdicts(day.new) == {"successor": "ok", "late": "key_revoked"}


def test_files_are_this_users_alone_and_nothing_else_is_left(day: Day) -> None:
    house = day.house
    house.restore(day.backup)
    for path in (day.backup, house.settings.database_path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    names = {path.name.partition(".before")[0] for path in house.folder.iterdir()}
    assert names == {"limen.db", "limen.db.pepper", "limen.db.state", "limen.db.tombstones", "backup.db"}


def test_a_backup_that_somebody_put_there_by_hand_is_not_opened(day: Day) -> None:
    house = day.house
    house.close()
    shutil.copy(day.backup, house.settings.database_path)
    with pytest.raises(ProblemError, match="limen restore"):
        App.open(house.settings)
    moved = house.folder / "moved.db"
    house.settings.database_path.rename(moved)
    assert house.restore(moved).missing == ""
    assert house.verdicts(day.keys) == WANTED


def test_a_copy_made_by_other_means_is_restored_too(day: Day) -> None:
    """With its write-ahead log beside it, or without; it says of itself which tombstones it knows."""
    house = day.house
    with (
        closing(sqlite3.connect(house.settings.database_path)) as held,
        closing(sqlite3.connect(house.folder / "copy.db")) as copy,
    ):
        held.backup(copy)
    house.app.act(keys.revoke, day.id("lives"))
    done = house.restore(house.folder / "copy.db")
    assert done.missing == ""
    assert done.backup_at > 0
    assert house.verdicts(day.keys) == WANTED | {"lives": "key_revoked"}


def test_where_nothing_is_left_but_pepper_and_tombstones(day: Day) -> None:
    house = day.house
    house.close()
    house.settings.database_path.unlink()
    shutil.rmtree(house.settings.state_folder)
    done = house.restore(day.backup)
    assert (done.aside, done.missing) == (None, "")
    assert house.verdicts(day.keys) == WANTED


def test_on_another_machine_with_or_without_init(day: Day, another: Callable[[str], House]) -> None:
    for name in ("bare", "made"):
        there = another(name)
        if name == "made":
            App.initialise(there.settings).close()
        tombs = there.settings.tombstones_path
        tombs.write_bytes(day.house.settings.tombstones_path.read_bytes())
        assert there.restore(day.backup).missing == ""
        assert there.verdicts(day.keys) == WANTED
        there.close()


@pytest.mark.parametrize("how", ["garbage", "truncated", "log left alone"])
def test_in_the_place_of_a_database_that_is_damaged(day: Day, how: str) -> None:
    house = day.house
    house.close()
    path = house.settings.database_path
    log = path.with_name("limen.db-wal")
    if how == "log left alone":
        with closing(sqlite3.connect(path)) as held:
            held.execute("update owners set name = 'changed'")
            held.commit()
            content = log.read_bytes()
        path.unlink()
        log.write_bytes(content)
    else:
        path.write_bytes(b"no database" * 1000 if how == "garbage" else path.read_bytes()[:5000])
    done = house.restore(day.backup)
    assert done.missing == ""
    assert house.verdicts(day.keys) == WANTED
    if how == "log left alone":
        assert [each.name for each in asides(house)] == [f"{asides(house)[0].name}"]
        assert rows(path, "select count(*) from owners where name = 'changed'") == [(0,)]


def test_a_backup_of_another_pepper_or_none_at_all_is_refused(day: Day) -> None:
    house = day.house
    pepper = house.settings.pepper_path.read_bytes()
    house.settings.pepper_path.write_bytes(b"1:" + b"00" * 32 + b"\n" + pepper.splitlines()[1] + b"\n")
    assert "pepper" in refused(house, "pepper_wrong", day.backup)
    house.settings.pepper_path.write_bytes(pepper)
    (house.folder / "garbage.db").write_bytes(b"no database" * 1000)
    refused(house, "backup_wrong", house.folder / "garbage.db")
    refused(house, "backup_wrong", house.folder / "missing.db")
    with closing(sqlite3.connect(house.folder / "other.db")) as other:
        other.execute("create table t (x)")
    assert "no database of Limen's" in refused(house, "backup_wrong", house.folder / "other.db")
    content = bytearray(day.backup.read_bytes())
    for page in range(8, len(content) // 4096, 2):
        content[page * 4096 : page * 4096 + 512] = os.urandom(512)
    (house.folder / "damaged.db").write_bytes(content)
    refused(house, "backup_wrong", house.folder / "damaged.db")
    refused(house, "file_exists", house.settings.database_path)


def test_a_backup_of_a_later_release_is_refused(day: Day) -> None:
    with closing(sqlite3.connect(day.backup)) as copy, copy:
        copy.execute("update alembic_version set version_num = '9999'")
    assert "later release" in refused(day.house, "store_not_ready", day.backup)


def test_a_backup_of_an_earlier_release_is_brought_to_this_one(day: Day) -> None:
    """It knows no tombstones, so nothing in it is active."""
    with closing(sqlite3.connect(day.backup)) as copy, copy:
        copy.execute("delete from tombstone_head")
        copy.execute("insert into tombstone_head values (1, '', 0)")
    assert day.house.restore(day.backup).missing
    assert day.house.verdict(day.keys["lives"]) == "key_inactive"
    assert day.house.verdict(day.keys["revoked"]) == "key_revoked"


def test_who_is_asked_and_says_no_has_changed_nothing(day: Day) -> None:
    house = day.house
    house.close()
    before = dump(house.settings.database_path)

    class No(Exception):
        pass

    def no(plan: object) -> None:
        raise No

    with pytest.raises(No):
        house.restore(day.backup, agree=no)
    assert dump(house.settings.database_path) == before
    assert gone(house, "limen.db.restoring")
    assert house.verdicts(day.keys) == WANTED


def test_a_plan_says_what_is_about_to_be_done(day: Day) -> None:
    done = day.house.restore(day.backup)
    (plan,) = day.house.plans
    assert plan.copied_at == done.backup_at
    assert plan.replaced_at is not None
    assert plan.replaced_at >= plan.copied_at
    assert plan.told == 11
    assert plan.missing == ""


def test_while_anybody_works_on_the_installation_it_is_refused(day: Day) -> None:
    house = day.house
    for gates in (False, True):
        app = App.open(house.settings)
        if gates:
            app.gate("organisation")
        detail = refused(house, "in_use", day.backup)
        assert ("decides for organisation" in detail) == gates
        app.close()
    with closing(sqlite3.connect(house.settings.database_path)) as hand:
        hand.execute("begin")
        hand.execute("select * from owners").fetchall()
        with pytest.raises(ProblemError, match="Another program"):
            house.restore(day.backup)
    house.restore(day.backup)


def test_nobody_begins_to_work_on_it_meanwhile(day: Day) -> None:
    house = day.house
    house.close()
    with presence.alone(house.settings.state_folder), pytest.raises(ProblemError, match="being replaced"):
        App.open(house.settings)
    App.open(house.settings).close()


def test_a_child_that_outlives_its_parents_app_is_no_obstacle(day: Day) -> None:
    house = day.house
    _ = house.app
    start = Starter()
    child = Child(start.wait)
    house.restore(day.backup)
    start.open()
    assert child.wait() == 0
    start.close()


def test_whoever_still_maps_the_old_epoch_answers_from_memory_no_more(day: Day) -> None:
    """Somebody who did not say that it works on the installation: of a release that did not, or beyond our locks."""
    house = day.house
    stray = App.open(house.settings, alone=True)
    gate = stray.gate("organisation")
    assert not gate.gate.lease.holds(0.0)
    gate.cold.catch_up()
    assert gate.gate.lease.holds(0.0)
    fcntl.flock(gate.together._lock, fcntl.LOCK_UN)
    stray.store.engine.dispose()
    house.restore(day.backup)
    assert not gate.gate.lease.holds(0.0)
    with pytest.raises(ProblemError, match="was replaced"):
        stray.act(keys.revoke, day.id("lives"))
    stray.close()


def test_what_the_journal_holds_and_is_newer_than_the_backup_becomes_readings(day: Day) -> None:
    """Also of keys that were issued after it, and of what the lost database had drained already."""
    house = day.house
    for name in ("lives", "revoked"):
        house.verdict(day.keys[name])
    house.verdict(day.new["successor"])
    drain(house.app)
    house.verdict(day.keys["lives"])
    house.close()
    with closing(sqlite3.connect(house.settings.database_path)) as held:
        drained = held.execute("select count(*) from readings").fetchone()[0]
    assert drained == 3
    segments = list((house.settings.state_folder / "journal").glob("*/*.seg"))
    assert segments
    house.restore(day.backup)
    drain(house.app)
    with house.app.reading() as reader:
        found = usage.listed(reader)
    assert len(found) == 4  # what was drained before is drained again: its segment was still there
    assert not list((house.settings.state_folder / "journal").glob("*/*.seg"))


def test_a_journal_of_another_installation_goes_into_the_database_that_it_belongs_to(
    day: Day, another: Callable[[str], House]
) -> None:
    there = another("there")
    App.initialise(there.settings).close()
    there.app.act(apis.create, "organisation", load("organisation"))
    there.owner("acme")
    issued = there.key("acme")
    assert there.verdict(issued) == "ok"
    there.close()
    there.settings.tombstones_path.write_bytes(day.house.settings.tombstones_path.read_bytes())
    aside = there.restore(day.backup).aside
    assert aside is not None
    assert rows(aside, "select count(*) from readings") == [(1,)]
    drain(there.app)
    assert rows(there.settings.database_path, "select count(*) from readings") == [(0,)]
    assert there.verdicts(day.keys) == WANTED


# What a restore does to files, one by one: a kill before each of them leaves the old database in force, or the new one.
STEPS = ("fsync", "link", "rename", "replace", "unlink", "mkdir", "rmdir", "open")


def _dying(at: int) -> None:
    """This process dies before its step number *at*."""
    count = itertools.count()

    def wrap(name: str) -> None:
        real = getattr(os, name)

        def step(*args: Any, **kwargs: Any) -> Any:
            if next(count) == at:
                os._exit(9)
            return real(*args, **kwargs)

        setattr(os, name, step)

    for name in STEPS:
        wrap(name)


@pytest.mark.check("C038")
def test_whenever_it_is_killed_the_old_database_is_in_force_or_the_new_one(day: Day, tmp_path: Path) -> None:
    house = day.house
    house.close()
    saved = tmp_path.parent / f"{tmp_path.name}-saved"
    shutil.copytree(tmp_path, saved, symlinks=True)
    old, forces = dump(house.settings.database_path), []
    for at in itertools.count():
        for path in tmp_path.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(saved, tmp_path, dirs_exist_ok=True)

        def work(at: int = at) -> None:
            _dying(at)
            house.restore(day.backup)

        status = in_child(work)
        assert status in (0, 9)
        restored = rows(house.settings.database_path, "select count(*) from audit where verb = 'installation.restore'")
        forces.append(restored[0][0])
        if restored[0][0]:
            assert house.verdicts(day.keys) == WANTED, at
        else:
            assert dump(house.settings.database_path) == old, at
        if status == 0:
            break
        assert house.restore(day.backup).missing == "", at
        assert house.verdicts(day.keys) == WANTED, at
        assert any(dump(aside) == old for aside in asides(house)), at
        assert gone(house, "limen.db.restoring"), at
        house.close()
    assert forces == sorted(forces)
    assert set(forces) == {0, 1}
    print(f"{len(forces)} points, the new one in force from {forces.index(1)} on")

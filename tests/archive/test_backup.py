"""Backups: of one moment, whole, for one user, and never in the place of anything else."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from limen.archive import back_up, laid
from limen.control import keys
from limen.core.problems import ProblemError
from limen.db import copies, files
from tests.archive.conftest import House, nothing
from tests.db.dump import dump, rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.app import App


def everything(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows but those that make a backup one."""
    return {name: found for name, found in dump(path).items() if name != copies.MARK}


def test_a_backup_is_all_of_the_database_in_one_file_for_one_user(house: House) -> None:
    house.owner("acme")
    issued = house.key("acme")
    told: list[tuple[int, int]] = []
    made = back_up(house.settings, house.folder / "b.db", replace=False, progress=lambda *how: told.append(how))
    assert everything(made.file) == dump(house.settings.database_path)
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600
    assert made.size == made.file.stat().st_size
    assert told[-1][0] == told[-1][1] > 0
    assert rows(made.file, "select made_at from backup") == [(made.backup_at,)]
    assert issued.text.encode()[-38:] not in made.file.read_bytes()
    assert sorted(path.name for path in house.folder.iterdir() if "b.db" in path.name and "limen" not in path.name) == [
        "b.db"
    ]


def test_a_backup_is_of_one_moment_while_others_write(house: House) -> None:
    """Each of the keys has its row in the audit and its event, or none of the three is there."""
    house.owner("acme")
    stop, failures = Event(), list[BaseException]()

    def write() -> None:
        try:
            while not stop.is_set():
                house.key("acme")
        except BaseException as error:
            failures.append(error)

    writer = Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            made = house.back_up(f"b{number}.db")
            found = [
                rows(made, f"select count(*) from {table}")[0][0] for table in ("keys", "audit", "outbox", "changes")
            ]
            assert found[1] == found[2]
            assert rows(made, "select count(*) from audit where verb = 'keys.issue'")[0][0] <= found[0]
            assert rows(made, "select seq from change_head") == rows(made, "select max(seq) from changes")
    finally:
        stop.set()
        writer.join()
    assert failures == []


def test_nothing_is_overwritten_unless_it_is_said(house: House) -> None:
    made = house.back_up()
    content = made.read_bytes()
    house.owner("acme")
    with pytest.raises(ProblemError, match="--force") as caught:
        house.back_up()
    assert caught.value.problem.code == "file_exists"
    assert made.read_bytes() == content
    back_up(house.settings, made, replace=True, progress=nothing)
    assert rows(made, "select owner from owners where owner = 'acme'") == [("acme",)]


def test_a_dangling_link_is_not_followed(house: House) -> None:
    (house.folder / "link.db").symlink_to(house.folder / "elsewhere.db")
    with pytest.raises(ProblemError):
        house.back_up("link.db")
    assert not (house.folder / "elsewhere.db").exists()


@pytest.mark.parametrize("name", ["limen.db", "limen.db.pepper", "limen.db.tombstones", "limen.db.state/epoch", "link"])
def test_the_installations_own_files_are_never_replaced(house: House, name: str) -> None:
    (house.folder / "link").symlink_to(house.settings.database_path)
    before = dump(house.settings.database_path)
    with pytest.raises(ProblemError, match="the installation's own"):
        back_up(house.settings, house.folder / name, replace=True, progress=nothing)
    assert dump(house.settings.database_path) == before


def test_a_failure_leaves_nothing_and_a_kill_what_the_next_one_takes_over(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = house.folder / ".b.db.partial"
    partial.write_bytes(b"left by a kill" * 1_000)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(copies, "mark", fail)
        with pytest.raises(OSError, match="No space"):
            house.back_up("b.db")
    assert not partial.exists()
    assert not (house.folder / "b.db").exists()
    partial.write_bytes(b"left by a kill" * 1_000)
    made = house.back_up("b.db")
    assert not partial.exists()
    assert everything(made) == dump(house.settings.database_path)


def test_where_the_file_system_has_no_links(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    made = house.back_up()
    assert everything(made) == dump(house.settings.database_path)
    with pytest.raises(ProblemError):
        house.back_up()


def test_two_that_write_one_file_at_once(house: House) -> None:
    with files.whole(house.folder / "b.db") as beside:
        beside.write_bytes(b"the first")
        with pytest.raises(ProblemError, match="Another process"):
            house.back_up("b.db")
    assert (house.folder / "b.db").read_bytes() == b"the first"


def test_who_comes_when_the_first_is_done_does_not_touch_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """It had opened the file before that got its name, and locks it only now."""
    target, real = house.folder / "b.db", os.open

    def late(path: object, *how: int) -> int:
        file = real(path, *how)
        if Path(str(path)).name == ".b.db.partial":
            monkeypatch.setattr(os, "open", real)
            Path(str(path)).rename(target)
            target.write_bytes(b"the first")
        return file

    monkeypatch.setattr(os, "open", late)
    with pytest.raises(ProblemError, match="just now"), files.whole(target):
        raise AssertionError("it was handed out")
    assert target.read_bytes() == b"the first"


def test_a_damaged_database_gives_no_backup(house: House) -> None:
    house.close()
    path = house.settings.database_path
    content = bytearray(path.read_bytes())
    for page in range(8, len(content) // 4096, 2):
        content[page * 4096 : page * 4096 + 512] = os.urandom(512)
    path.write_bytes(content)
    with pytest.raises(ProblemError) as caught:
        house.back_up()
    assert caught.value.problem.code == "store_down"
    assert not (house.folder / "backup.db").exists()


def test_the_pepper_must_be_the_databases_own(house: House) -> None:
    pepper = house.settings.pepper_path
    pepper.write_bytes(b"1:" + b"00" * 32 + b"\n" + pepper.read_bytes().splitlines()[1] + b"\n")
    with pytest.raises(ProblemError) as caught:
        house.back_up()
    assert caught.value.problem.code == "pepper_wrong"
    assert not (house.folder / "backup.db").exists()


def test_a_database_of_an_earlier_release_can_be_backed_up_before_it_is_migrated(house: House) -> None:
    house.close()
    with closing(sqlite3.connect(house.settings.database_path)) as held, held:
        held.execute("update alembic_version set version_num = '0001'")
    assert rows(house.back_up(), "select version_num from alembic_version") == [("0001",)]


def test_without_an_installation_nothing_is_made(house: House, another: Callable[[str], House]) -> None:
    there = another("there")
    with pytest.raises(ProblemError, match="limen init"):
        there.back_up()
    assert [path.name for path in there.folder.iterdir()] == ["limen.db.pepper"]


def test_how_the_tombstones_are(house: House) -> None:
    house.owner("acme")
    house.app.act(keys.revoke, house.key("acme").key.key)
    found = laid(house.settings)
    assert (found.file, found.number, found.goes_on, found.same_disk) == (
        house.settings.tombstones_path,
        2,
        True,
        True,
    )
    house.settings.tombstones_path.unlink()
    assert (laid(house.settings).number, laid(house.settings).goes_on) == (0, False)


def test_a_copy_of_many_pages_is_told_of_as_it_goes(creator: App, tmp_path: Path) -> None:
    big = tmp_path / "big.db"
    with closing(sqlite3.connect(big)) as made:
        made.execute("create table t (x)")
        made.executemany("insert into t values (?)", [(b"x" * 4_000,) for _ in range(5_000)])
        made.commit()
    told: list[tuple[int, int]] = []
    target = tmp_path / "copy.db"
    target.touch()
    copies.copy(big, target, lambda *how: told.append(how), in_use=True)
    assert len(told) >= 3
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert rows(target, "select count(*) from t") == [(5_000,)]

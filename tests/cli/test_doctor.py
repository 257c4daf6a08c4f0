"""``limen doctor`` on a healthy installation, and on one that is broken in every way that it looks for."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from limen.gate.journal import Journal

CHECKS = [
    "settings",
    "database",
    "schema",
    "pepper",
    "state",
    "files",
    "tombstones",
    "epoch",
    "gates",
    "journal",
    "worker",
    "audit",
    "delivery",
    "disk",
    "clock",
]


def found(limen, check: str, expect: int = 0) -> dict[str, str]:
    """The finding of one check; the first that is not ok, if there are several."""
    rows = [row for row in limen.json("doctor", expect=expect)["checks"] if row["check"] == check]
    assert rows, check
    return next((row for row in rows if row["state"] != "ok"), rows[0])


def contents(folder: Path) -> dict[Path, bytes]:
    """What the files in a folder hold, but for those that SQLite makes to read."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in files if path.name[-4:] not in ("-wal", "-shm")}


def test_a_healthy_installation(limen) -> None:
    answer = limen.json("doctor")
    assert answer["ok"] is True
    assert [row["check"] for row in answer["checks"]] == CHECKS
    assert all(set(row) == {"check", "state", "found", "advice"} for row in answer["checks"])
    assert {row["check"] for row in answer["checks"] if row["state"] == "warn"} <= {"gates", "disk", "tombstones"}
    assert all(row["advice"] for row in answer["checks"] if row["state"] == "warn")
    table = limen("doctor").stdout
    assert all(name in table for name in CHECKS)


def test_nothing_is_changed(limen) -> None:
    before = contents(limen.folder)
    limen("doctor")
    assert contents(limen.folder) == before


def test_a_bad_setting_ends_the_check_up(limen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMEN_LISTEN", "everywhere")
    answer = limen.json("doctor", expect=1)
    assert [row["check"] for row in answer["checks"]] == ["settings"]
    assert "LIMEN_LISTEN" in answer["checks"][0]["found"]


def test_files_that_settings_name(limen, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = limen.folder / "secret"
    monkeypatch.setenv("LIMEN_GATE_SECRET_FILE", str(secret))
    assert str(secret) in found(limen, "settings", expect=1)["found"]
    secret.write_text("s" * 32)
    secret.chmod(0o644)
    assert found(limen, "settings")["state"] == "warn"
    secret.chmod(0o600)
    assert found(limen, "settings")["state"] == "ok"


def test_no_database(limen) -> None:
    limen.database.unlink()
    row = found(limen, "database", expect=1)
    assert str(limen.database) in row["found"]
    assert "limen init" in row["advice"]


def test_a_file_that_is_no_database(limen) -> None:
    limen.database.write_bytes(b"no database" * 1000)
    assert found(limen, "database", expect=1)["state"] == "fail"


def test_a_damaged_database(limen) -> None:
    size = limen.database.stat().st_size
    with limen.database.open("r+b") as file:
        for page in range(8, size // 4096, 2):
            file.seek(page * 4096)
            file.write(os.urandom(512))
    row = found(limen, "database", expect=1)
    assert row["state"] == "fail"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("delete from alembic_version", "limen init"),
        ("update alembic_version set version_num = '0000'", "limen migrate"),
    ],
)
def test_a_schema_that_is_not_this_releases(limen, change: str, word: str) -> None:
    with sqlite3.connect(limen.database) as connection:
        connection.execute(change)
    connection.close()
    assert word in found(limen, "schema", expect=1)["advice"]


def test_a_wrong_pepper(limen) -> None:
    limen.pepper.write_text("1:" + "00" * 32 + "\n")
    row = found(limen, "pepper", expect=1)
    assert row["state"] == "fail"
    assert "not the one" in row["found"]
    assert "00" * 32 not in "".join(limen.said)


def test_a_pepper_file_that_is_ahead_of_the_database(limen) -> None:
    with limen.pepper.open("a") as file:
        file.write("2:" + "00" * 32 + "\n")
    row = found(limen, "pepper")
    assert (row["state"], row["advice"]) == ("warn", "Run 'limen pepper add'.")
    limen("pepper", "add")
    assert found(limen, "pepper")["state"] == "ok"


def test_a_pepper_that_others_can_read(limen) -> None:
    limen.pepper.chmod(0o640)
    assert "chmod 600" in found(limen, "pepper", expect=1)["found"]


def test_no_pepper(limen) -> None:
    limen.pepper.unlink()
    assert str(limen.pepper) in found(limen, "pepper", expect=1)["found"]


def test_no_state_folder(limen) -> None:
    shutil.rmtree(limen.state)
    row = found(limen, "state", expect=1)
    assert "limen init" in row["found"]
    assert not limen.state.exists()


def test_the_state_folder_of_another_database(limen) -> None:
    (limen.state / "installation").write_text("another")
    assert "another database" in found(limen, "state", expect=1)["found"]


def test_files_that_others_can_read_or_write(limen) -> None:
    limen.database.chmod(0o644)
    assert found(limen, "files")["state"] == "warn"
    limen.database.chmod(0o666)
    assert found(limen, "files", expect=1)["state"] == "fail"


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_files_of_several_users(limen) -> None:
    os.chown(limen.state / "epoch", 12345, -1)
    assert "12345" in found(limen, "files")["found"]


def test_an_odd_epoch_means_a_writer_died_and_the_next_change_mends_it(limen) -> None:
    path = limen.state / "epoch"
    value = struct.unpack_from("=Q", path.read_bytes())[0]
    with path.open("r+b") as file:
        file.write(struct.pack("=Q", value + 1))
    row = found(limen, "epoch")
    assert row["state"] == "warn"
    assert "next change" in row["advice"]
    limen("apis", "read-only", "creator", "on")
    assert found(limen, "epoch")["state"] == "ok"


def test_an_odd_epoch_under_the_lock_is_a_change_being_made(limen) -> None:
    with (limen.state / "epoch").open("r+b") as file:
        file.write(struct.pack("=Q", 7))
    lock = os.open(limen.state / "write.lock", os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        row = found(limen, "epoch")
    finally:
        os.close(lock)
    assert row["state"] == "ok"
    assert "being made" in row["found"]


def test_an_epoch_that_is_gone_or_none(limen) -> None:
    (limen.state / "epoch").write_bytes(b"123")
    assert "no epoch" in found(limen, "epoch", expect=1)["found"]
    (limen.state / "epoch").unlink()
    assert "Restart" in found(limen, "epoch", expect=1)["advice"]
    assert not (limen.state / "epoch").exists()


def test_which_process_decides_for_which_api(limen) -> None:
    assert "no process has decided" in found(limen, "gates")["found"]
    path = limen.state / "gate-creator.lock"
    code = (
        f"import fcntl; f = open({str(path)!r}, 'w'); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); input()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    assert found(limen, "gates")["state"] == "warn"  # held, but no process is named
    path.write_text(str(holder.pid))
    row = found(limen, "gates")
    assert (row["state"], str(holder.pid) in row["found"]) == ("ok", True)
    holder.communicate(b"\n")
    row = found(limen, "gates")
    assert row["state"] == "warn"
    assert f"The last was {holder.pid}" in row["found"]
    assert "limen serve" in row["advice"]


def test_several_processes_that_decide_for_one_api(limen) -> None:
    path = limen.state / "gate-creator.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        path.write_text(f"{os.getpid()} {os.getppid()} 99999999")
        row = found(limen, "gates")
    assert row["state"] == "ok"
    assert f"processes {os.getpid()}, {os.getppid()} decide" in row["found"]


def test_a_journal_that_waits_too_long(limen) -> None:
    folder = limen.state / "journal" / "creator"
    journal = Journal(folder, "creator", 1, segment_bytes=65_536, segments=8)
    journal.outcome(1, 200, time.time() - 120)
    journal.outcome(2, 200, time.time())
    journal.close()
    row = found(limen, "journal")
    assert row["state"] == "warn"
    assert "1 of 256 segments" in row["found"]
    assert "120 s old" in row["found"] or "121 s old" in row["found"]
    assert "limen worker" in row["advice"]
    limen("worker", "--once")
    row = found(limen, "journal")
    assert row["state"] == "ok"
    assert "nothing to drain" in row["found"]


def test_a_full_journal(limen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMEN_SEGMENTS", "2")
    folder = limen.state / "journal" / "creator"
    folder.mkdir(parents=True)
    for number in (1, 2):
        (folder / f"000000000001-{number:06d}.seg").write_bytes(bytes(65_536))
    row = found(limen, "journal", expect=1)
    assert row["state"] == "fail"
    assert "full" in row["found"]
    assert "limen worker" in row["advice"]


def test_no_room_on_the_disk(limen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMEN_SEGMENT_BYTES", "1_073_741_824")
    monkeypatch.setenv("LIMEN_SEGMENTS", "65_536")
    assert found(limen, "disk")["state"] == "warn"
    real = os.statvfs(limen.folder)
    full = os.statvfs_result((*real[:4], 3, *real[5:]))
    monkeypatch.setattr(os, "statvfs", lambda path: full)
    row = found(limen, "disk", expect=1)
    assert "no room" in row["found"]


def test_a_clock_that_was_set_back(limen) -> None:
    with sqlite3.connect(limen.database) as connection:
        connection.execute(
            "insert into audit (at, actor, verb, api, subject, detail) values (?, 'a', 'b', '', '', '{}')",
            (time.time() + 3600,),
        )
    connection.close()
    row = found(limen, "clock", expect=1)
    assert row["state"] == "fail"
    assert "3600 s" in row["found"] or "3599 s" in row["found"]
    assert "NTP" in row["advice"]


def test_tombstones_on_the_databases_disk_or_on_another(limen, monkeypatch: pytest.MonkeyPatch) -> None:
    row = found(limen, "tombstones")
    assert (row["state"], "would be lost with it" in row["found"]) == ("warn", True)
    other = Path("/dev/shm") / f"limen-{os.getpid()}.tombstones"
    if other.parent.is_dir() and other.parent.stat().st_dev != limen.folder.stat().st_dev:
        monkeypatch.setenv("LIMEN_TOMBSTONES", str(other))
        shutil.copy(limen.folder / "limen.db.tombstones", other)
        assert found(limen, "tombstones")["state"] == "ok"
        other.unlink()


def test_tombstones_that_were_lost_or_are_open_to_others(limen) -> None:
    path = limen.folder / "limen.db.tombstones"
    path.chmod(0o662)
    assert "Others can write" in found(limen, "tombstones", expect=1)["found"]
    path.unlink()
    row = found(limen, "tombstones")
    assert (row["state"], "limen init" in row["advice"]) == ("warn", True)
    limen("init")
    assert "would be lost with it" in found(limen, "tombstones")["found"]


def test_a_backup_that_was_put_there_by_hand(limen) -> None:
    limen("backup", "b.db")
    shutil.copy(limen.folder / "b.db", limen.database)
    assert "limen restore" in found(limen, "tombstones", expect=1)["found"]

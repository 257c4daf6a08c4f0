"""However an installation is broken, each command says so in a line, and no command prints a traceback."""

from __future__ import annotations

import shutil
import sqlite3

import pytest

from tests.cli.commands import COMMANDS, NEED_NOTHING
from tests.cli.people import prepared
from tests.cli.rules import ready
from tests.cli.telling import told


def garbage(limen) -> None:
    for path in limen.folder.glob("limen.db-*"):
        path.unlink()
    limen.database.write_bytes(b"This is no database. " * 1000)


def truncated(limen) -> None:
    limen.database.write_bytes(limen.database.read_bytes()[:5000])


def empty(limen) -> None:
    limen.database.write_bytes(b"")


def gone(limen) -> None:
    limen.database.unlink()


def a_folder(limen) -> None:
    limen.database.unlink()
    limen.database.mkdir()


def no_pepper(limen) -> None:
    limen.pepper.unlink()


def pepper_for_all(limen) -> None:
    limen.pepper.chmod(0o644)


def pepper_of_another(limen) -> None:
    limen.pepper.write_text("1:" + "00" * 32 + "\n")


def pepper_unreadable(limen) -> None:
    limen.pepper.write_bytes(b"\xff\x00 my secret")


def no_state(limen) -> None:
    shutil.rmtree(limen.state)


def state_of_another(limen) -> None:
    (limen.state / "installation").write_text("another")


def state_unreadable(limen) -> None:
    (limen.state / "installation").unlink()
    (limen.state / "installation").mkdir()


def of_a_later_release(limen) -> None:
    with sqlite3.connect(limen.database) as connection:
        connection.execute("update alembic_version set version_num = '9999'")
        connection.execute("update compatibility set oldest = '9999'")
    connection.close()


BREAKS = (
    garbage,
    truncated,
    empty,
    gone,
    a_folder,
    no_pepper,
    pepper_for_all,
    pepper_of_another,
    pepper_unreadable,
    no_state,
    state_of_another,
    state_unreadable,
    of_a_later_release,
)
MENDS = {
    "init": {gone, no_state, empty, truncated},
    "backup": {of_a_later_release},
    "migrate": {
        no_pepper,
        pepper_for_all,
        pepper_of_another,
        pepper_unreadable,
        state_of_another,
        state_unreadable,
    },
}
"""What a command makes good itself, or does not need."""


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: broken.__name__)
def test_a_broken_installation_is_named_by_every_command(limen, broken) -> None:
    broken(limen)
    for path, words in COMMANDS.items():
        if path in NEED_NOTHING or broken in MENDS.get(path, ()):
            continue
        if path == "doctor":
            assert not limen.json("doctor", expect=1)["ok"]
            continue
        problem = limen.problem(*path.split(), *words, expect=3)  # also: no traceback
        assert problem["code"] in ("store_not_ready", "store_down", "pepper_wrong"), path
        assert len(problem["detail"]) > 10
    result = limen("keys", "list", expect=3)
    assert (result.stdout, result.stderr[:7]) == ("", "error: ")
    assert "my secret" not in "".join(limen.said)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("LIMEN_DATABASE_URL", "mysql://localhost/limen", "sqlite:///FILE"),
        ("LIMEN_LISTEN", "everywhere", "HOST:PORT"),
        ("LIMEN_SEGMENTS", "many", "2 to 65,536"),
        ("LIMEN_SURPRISE", "", "settings.md"),
        ("LIMEN_CONFIG", "/nowhere/limen.toml", "a file that exists"),
    ],
)
def test_a_bad_setting_is_named_by_every_command(limen, monkeypatch, name: str, value: str, allowed: str) -> None:
    monkeypatch.setenv(name, value)
    for path, words in COMMANDS.items():
        if path in NEED_NOTHING or path == "doctor":
            continue
        result = limen(*path.split(), *words, expect=3)
        assert name in result.stderr
        assert value in result.stderr
        assert allowed in result.stderr
    assert limen.json("doctor", expect=1)["checks"][0]["state"] == "fail"


def test_a_place_where_nothing_can_be_written(bare, monkeypatch) -> None:
    monkeypatch.setenv("LIMEN_DATABASE_URL", "sqlite:////proc/limen.db")
    for path, words in COMMANDS.items():
        if path not in NEED_NOTHING:
            result = bare(*path.split(), *words, expect=1 if path == "doctor" else 3)
            assert "/proc/limen.db" in result.output


def test_a_database_that_another_process_keeps_locked(limen) -> None:
    key = limen.issue()["key"]
    holder = sqlite3.connect(limen.database, isolation_level=None)
    holder.execute("begin immediate")
    try:
        problem = limen.problem("keys", "revoke", key, "--reason", "leaked", "--yes", expect=3)
    finally:
        holder.close()
    assert problem["code"] == "store_down"
    assert "locked" in problem["detail"]
    assert limen.json("keys", "show", key)["state"] == "active"


def test_what_is_called_in_a_wrong_way_is_told_how(limen) -> None:
    result = limen("keys", "show", expect=2)
    assert "Usage: limen keys show" in result.stderr
    assert "limen keys show --help" in result.stderr
    assert "error: Usage: " in result.stderr
    assert "'revoke'" in limen("keys", "revok", expect=2).stderr
    assert limen.problem("keys", "revok", expect=2)["code"] == "usage"
    assert limen.problem("keys", "list", "--limit", "0", expect=2)["code"] == "usage"


def test_an_error_steers_no_terminal(limen) -> None:
    result = limen("owners", "show", "\x1b[2Ju1", expect=1)
    assert "\x1b" not in result.stderr
    assert "\x1b" not in limen("\x1b[2J", expect=2).stderr


@pytest.mark.parametrize("path", [path for path in COMMANDS if path not in ("serve", "worker", "demo", "usage follow")])
def test_json_is_all_that_is_printed(limen, path: str) -> None:
    limen.issue()
    limen("versions", "register", "creator", "2026-07-01")
    if path in ("restore", "import"):
        limen({"restore": "backup", "import": "export"}[path], COMMANDS[path][0])
    words, given = prepared(limen, path, told(limen, path, ready(limen, path, list(COMMANDS[path]))))
    words = [word.replace("0123456789Ab", limen.json("keys", "list")[0]["key"]) for word in words]
    words = [word if path != "versions sunset" else word.replace("2026-06-26", "2026-07-01") for word in words]
    if path == "keys reactivate":
        limen("keys", "deactivate", words[0])
    limen.json(*path.split(), *words, input=given)

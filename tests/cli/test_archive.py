"""Backups, restores, exports and imports from the terminal: what is said, what is asked, and what is not done."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from limen.app import App
from limen.cli.progress import bar
from limen.settings import read_settings


def states(limen, *words: str) -> dict[str, str]:
    """The states of all keys, by their ids."""
    return {key["key"]: key["state"] for key in limen.json("keys", "list", *words)}


@pytest.fixture
def two(limen) -> tuple[str, str]:
    """Two keys of ``creator``, of one owner each."""
    return limen.issue()["key"], limen.issue(owner="u2")["key"]


@pytest.mark.check("C038")
def test_a_backup_is_restored_and_what_was_revoked_since_stays_so(limen, two: tuple[str, str]) -> None:
    made = limen.json("backup", "b.db")
    assert set(made) == {"file", "backup_at", "size"}
    limen("keys", "revoke", two[0], "--reason", "leaked", "--yes")
    done = limen.json("restore", "b.db", "--yes")
    assert (done["backup_at"], done["missing"], done["ended"], done["unconfirmed"]) == (made["backup_at"], "", 1, 0)
    assert states(limen) == {two[0]: "revoked", two[1]: "active"}
    assert limen.json("keys", "show", two[0])["ended_reason"].startswith("restored: ended at 20")
    assert (limen.folder / done["aside"]).exists()
    entry = limen.json("audit", "list")[0]
    assert (entry["verb"], entry["actor"].partition(":")[0]) == ("installation.restore", "terminal")


def test_what_is_not_in_a_backup_is_said(limen) -> None:
    said = limen("backup", "b.db").stderr
    assert "Not in it: the pepper" in said
    assert "limen.db.tombstones" in said


def test_where_the_tombstones_are(limen, monkeypatch: pytest.MonkeyPatch) -> None:
    found = limen.json("backup", "--tombstones")
    assert found == {
        "file": str(limen.folder / "limen.db.tombstones"),
        "number": 1,
        "goes_on": True,
        "same_disk": True,
    }
    monkeypatch.setenv("LIMEN_TOMBSTONES", "/dev/shm/limen-test-that-is-not-there")
    assert limen.json("backup", "--tombstones")["goes_on"] is False
    for words in (("backup",), ("backup", "b.db", "--tombstones")):
        assert limen.problem(*words, expect=2)["code"] == "usage"


def test_without_the_tombstones_all_sleep_and_are_woken_one_by_one_or_all_at_once(limen, two: tuple[str, str]) -> None:
    third = limen.issue(owner="u3")["key"]
    limen("keys", "deactivate", third)
    limen("backup", "b.db")
    result = limen("restore", "b.db", "--no-tombstones", "--yes")
    assert "keys sleep (restored: not confirmed)" in result.stderr
    assert "limen keys reactivate --restored" in result.stderr
    assert states(limen) == dict.fromkeys((*two, third), "inactive")
    assert limen.json("keys", "show", two[0])["ended_reason"] == "restored: not confirmed"
    limen("keys", "reactivate", two[0])
    assert limen.json("keys", "show", two[0])["ended_reason"] == ""
    assert limen.problem("keys", "reactivate", "--restored", expect=2)["code"] == "usage"  # nobody to ask
    assert limen.json("keys", "reactivate", "--restored", "--owner", "u1", "--yes") == {"woken": 0, "refused": {}}
    assert limen("keys", "reactivate", "--restored", "--owner", "u2", "--yes").stdout == "1 key woken.\n"
    assert states(limen) == {two[0]: "active", two[1]: "active", third: "inactive"}


def test_whose_place_was_taken_meanwhile_is_said(limen, two: tuple[str, str]) -> None:
    limen("backup", "b.db")
    limen("restore", "b.db", "--no-tombstones", "--yes")
    limen.issue("--yes")
    result = limen("keys", "reactivate", "--restored", "--api", "creator", "--yes")
    assert result.stdout == "1 key woken.\n"
    assert f"{two[0]} sleeps on: The owner holds" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("keys", "reactivate"),
        ("keys", "reactivate", "0123456789Ab", "--restored"),
        ("keys", "reactivate", "0123456789Ab", "--owner", "u1"),
    ],
)
def test_one_key_or_all_that_sleep_but_not_both(limen, words: tuple[str, ...]) -> None:
    assert limen.problem(*words, expect=2)["code"] == "usage"


def test_before_anything_is_replaced_it_is_asked(limen, two: tuple[str, str]) -> None:
    limen("backup", "b.db")
    limen("export", "a.zip")
    for words in (("restore", "b.db"), ("import", "a.zip", "--replace")):
        problem = limen.problem(*words, expect=2)
        assert problem["code"] == "usage"
        assert "is put aside. The tombstones tell of 0 keys and owners since." in problem["detail"]
    assert "No key will be active" in limen.problem("restore", "b.db", "--no-tombstones", expect=2)["detail"]
    trusting = ("import", "a.zip", "--replace", "--no-tombstones", "--as-exported")
    assert "comes back to life" in limen.problem(*trusting, expect=2)["detail"]
    assert list(limen.folder.glob("*before*")) == []


def test_while_a_process_runs_nothing_is_replaced(limen, two: tuple[str, str]) -> None:
    limen("backup", "b.db")
    app = App.open(read_settings())
    try:
        app.gate("creator")
        problem = limen.problem("restore", "b.db", "--yes")
        assert problem["code"] == "in_use"
        assert "decides for creator" in problem["detail"]
    finally:
        app.close()
    limen("restore", "b.db", "--yes")


def test_a_file_that_is_there_is_replaced_only_when_it_is_said(limen) -> None:
    for command, name in (("backup", "b.db"), ("export", "a.zip")):
        limen(command, name)
        assert limen.problem(command, name)["code"] == "file_exists"
        limen(command, name, "--force")
        assert limen.problem(command, "limen.db", "--force")["code"] == "file_exists"
    assert limen.problem("restore", "a.zip", "--yes")["code"] == "backup_wrong"
    assert limen.problem("import", "b.db", "--yes", "--replace")["code"] == "archive_wrong"
    assert limen.problem("import", "nothing.zip", "--yes", expect=1)["code"] == "archive_wrong"
    assert limen.problem("restore", "nothing.db", "--yes", expect=1)["code"] == "backup_wrong"


def test_an_archive_is_imported_somewhere_else(limen, two: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    made = limen.json("export", "a.zip", "--without-usage")
    assert set(made) == {"file", "exported_at", "size", "rows"}
    there = limen.folder / "there"
    there.mkdir()
    (there / "limen.db.pepper").write_bytes(limen.pepper.read_bytes())
    (there / "limen.db.pepper").chmod(0o600)
    monkeypatch.setenv("LIMEN_DATABASE_URL", f"sqlite:///{there}/limen.db")
    done = limen.json("import", "a.zip", "--as-exported", "--yes")
    assert (done["rows"], done["unconfirmed"], done["aside"]) == (made["rows"], 0, None)
    assert states(limen) == dict.fromkeys(two, "active")
    assert limen.problem("import", "a.zip", "--yes")["code"] == "not_empty"
    assert limen.json("import", "a.zip", "--replace", "--yes")["missing"].startswith("the tombstones")
    assert set(states(limen).values()) == {"inactive"}


def test_a_bar_is_drawn_where_somebody_looks_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    drawn: dict[bool, Any] = {}
    for looked in (True, False):
        drawn[looked] = Screen() if looked else io.StringIO()
        monkeypatch.setattr(sys, "stderr", drawn[looked])
        monkeypatch.setenv("TERM", "xterm")
        with bar("Copying") as tell:
            assert drawn[looked].getvalue() == ""
            tell(1, 2)
            tell(2, 2)
    assert "Copying" in drawn[True].getvalue()
    assert drawn[False].getvalue() == ""

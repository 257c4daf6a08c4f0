"""The pepper: in a file of its own, readable by its owner alone, and checked before anything starts."""

from __future__ import annotations

import re
import secrets
import sqlite3
import stat
from typing import TYPE_CHECKING

import pytest

from limen.app import App
from limen.core.keys import PEPPER_BYTES
from limen.core.problems import ProblemError
from limen.core.schemes import Keyring
from limen.db import pepper
from tests.db import dump

if TYPE_CHECKING:
    from pathlib import Path

    from limen.settings import Settings

OTHER = "ab" * PEPPER_BYTES


def written(path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    """*path*, holding *text*."""
    path.touch(mode=0o600)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


@pytest.fixture
def settings(installation: App) -> Settings:
    """Those of an installation that no process has open."""
    installation.close()
    return installation.settings


def _refused(settings: Settings, words: str) -> str:
    """The installation does not start, because of its pepper; what is said of it."""
    with pytest.raises(ProblemError, match=words) as caught:
        App.open(settings)
    assert caught.value.problem.code == "pepper_wrong"
    return str(caught.value)


def test_a_new_pepper_is_for_its_owner_alone_and_of_full_strength(settings: Settings) -> None:
    assert stat.S_IMODE(settings.pepper_path.stat().st_mode) == 0o600
    assert re.fullmatch(r"1:[0-9a-f]{64}\nlocator:[0-9a-f]{64}\n", settings.pepper_path.read_text())


def test_two_installations_have_two_peppers(tmp_path: Path) -> None:
    texts = set()
    for name in "ab":
        pepper.write_new(tmp_path / name, secrets.token_bytes)
        texts.add((tmp_path / name).read_text())
    assert len(texts) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_pepper_is_never_overwritten(settings: Settings) -> None:
    before = settings.pepper_path.read_text()
    with pytest.raises(FileExistsError):
        pepper.write_new(settings.pepper_path, secrets.token_bytes)
    App.initialise(settings).close()
    assert settings.pepper_path.read_text() == before
    assert [path.name for path in settings.pepper_path.parent.iterdir() if "pepper" in path.name] == ["limen.db.pepper"]


def test_a_pepper_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match="cannot be made: No such file or directory") as caught:
        pepper.write_new(tmp_path / "nowhere" / "pepper", secrets.token_bytes)
    assert caught.value.problem.code == "pepper_wrong"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.check("C005")
def test_with_another_pepper_nothing_starts(settings: Settings) -> None:
    written(settings.pepper_path, f"1:{OTHER}\n")
    said = _refused(settings, "Version 1 of the pepper is not the one the keys were stored under")
    assert OTHER not in said


@pytest.mark.check("C005")
def test_without_its_pepper_nothing_starts_and_none_is_made_anew(settings: Settings) -> None:
    settings.pepper_path.unlink()
    _refused(settings, "cannot be read: No such file or directory")
    with pytest.raises(ProblemError, match=r"The database is there, its pepper .* is not") as caught:
        App.initialise(settings)
    assert caught.value.problem.code == "pepper_wrong"
    assert not settings.pepper_path.exists()


@pytest.mark.check("C005")
def test_every_version_that_the_database_knows_is_needed(settings: Settings) -> None:
    first = settings.pepper_path.read_text()
    written(settings.pepper_path, f"{first}2:{OTHER}\n")
    App.initialise(settings).close()
    App.open(settings).close()
    written(settings.pepper_path, first)
    _refused(settings, "The pepper file has no version 2, which the database needs")


def test_new_keys_are_stored_under_the_newest_pepper(settings: Settings) -> None:
    written(settings.pepper_path, f"10:{OTHER}\n{settings.pepper_path.read_text()}9:{'cd' * PEPPER_BYTES}\n")
    assert list(pepper.read(settings.pepper_path).peppers) == [1, 9, 10]
    app = App.initialise(settings)
    assert app.act(lambda tx: tx.pepper) == 10
    app.close()


@pytest.mark.check("C005")
def test_a_wrong_file_teaches_the_database_nothing(settings: Settings) -> None:
    """Else the right file would be short of a version from then on."""
    right = settings.pepper_path.read_text()
    written(settings.pepper_path, f"1:{OTHER}\n2:{OTHER}\n")
    with pytest.raises(ProblemError, match="Version 1 of the pepper is not the one"):
        App.initialise(settings)
    assert dump.rows(settings.database_path, "select version from peppers") == [(1,)]
    written(settings.pepper_path, right)
    App.open(settings).close()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o610])
def test_a_pepper_that_others_can_read_is_refused(settings: Settings, mode: int) -> None:
    settings.pepper_path.chmod(mode)
    _refused(settings, f"can be read by others. Run 'chmod 600 {re.escape(str(settings.pepper_path))}'")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        (f"1:{OTHER[:-1]}\n", "Line 1 .* is not VERSION:64-HEX-DIGITS"),
        (f"1:{OTHER}0\n", "Line 1 .* is not VERSION:64-HEX-DIGITS"),
        (f"1:{OTHER}\n:{OTHER}\n", "Line 2 .* is not VERSION:64-HEX-DIGITS"),
        (f"1:{OTHER[:-1]}g\n", "Line 1 .* is not VERSION:64-HEX-DIGITS"),
        (OTHER, "Line 1 .* is not VERSION:64-HEX-DIGITS"),
        (f"1:{OTHER}\n01:{OTHER}\n", "has version 1 twice"),
        (b"\xff\xfe" + OTHER.encode(), "Line 1 .* is not VERSION:64-HEX-DIGITS"),
        (f"1:{OTHER}\nlegacy:{OTHER[:30]}\n", "Line 2 .* nor NAME:32-TO-128-HEX-DIGITS"),
        (f"1:{OTHER}\nlegacy:{OTHER * 2}00\n", "Line 2 .* nor NAME:32-TO-128-HEX-DIGITS"),
        (f"1:{OTHER}\nLegacy:{OTHER}\n", "Line 2 .* nor NAME:32-TO-128-HEX-DIGITS"),
        (f"1:{OTHER}\nlegacy:{OTHER}\nlegacy:{OTHER}\n", "has the secret 'legacy' twice"),
        (f"legacy:{OTHER}\n", "has no pepper"),
    ],
)
def test_a_pepper_file_of_another_form_is_refused_without_showing_it(
    tmp_path: Path, text: str | bytes, words: str
) -> None:
    path = written(tmp_path / "pepper", text)
    with pytest.raises(ProblemError, match=words) as caught:
        pepper.read(path)
    assert caught.value.problem.code == "pepper_wrong"
    for shown in (str(caught.value), repr(caught.value)):
        assert OTHER[:8] not in shown


def test_a_folder_is_no_pepper(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match="Is a directory"):
        pepper.read(tmp_path)


@pytest.mark.check("C004")
def test_the_pepper_is_in_no_database_file(installation: App) -> None:
    lines = installation.settings.pepper_path.read_text().split()
    held = [line.partition(":")[2] for line in lines]
    assert len(held) == 2
    installation.store.engine.dispose()
    for path in installation.settings.database_path.parent.rglob("*"):
        if path.is_file() and path != installation.settings.pepper_path:
            content = path.read_bytes()
            assert not any(digits.encode() in content or bytes.fromhex(digits) in content for digits in held)


def test_a_database_without_a_pepper_is_not_set_up(installation: App) -> None:
    with installation.store.engine.begin() as connection:
        connection.exec_driver_sql("delete from peppers")
    with pytest.raises(ProblemError, match="The database knows no pepper") as caught:
        App.open(installation.settings)
    assert caught.value.problem.code == "store_not_ready"


def test_lines_are_added_and_dropped_and_the_others_stay(settings: Settings) -> None:
    path = settings.pepper_path
    before = path.read_text()
    pepper.add(path, 2, bytes.fromhex(OTHER))
    pepper.add(path, "legacy", b"sixteen bytes ..")
    held = pepper.read(path)
    assert list(held.peppers) == [1, 2]
    assert held.peppers[2].hex() == OTHER
    assert held.secrets["legacy"] == b"sixteen bytes .."
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    pepper.drop(path, 2)
    pepper.drop(path, "legacy")
    assert path.read_text() == before
    pepper.drop(path, 2)
    assert path.read_text() == before


def test_a_file_behind_a_link_is_changed_where_it_lies(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "pepper"
    link.symlink_to(settings.pepper_path)
    pepper.add(link, 2, bytes.fromhex(OTHER))
    assert link.is_symlink()
    assert list(pepper.read(settings.pepper_path).peppers) == [1, 2]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_change_that_fails_half_way_leaves_the_file_as_it_was(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = settings.pepper_path
    before = path.read_text()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"os.{step}", fail)
    with pytest.raises(ProblemError, match=r"cannot be written: No space left on device"):
        pepper.add(path, 2, bytes.fromhex(OTHER))
    monkeypatch.undo()
    assert path.read_text() == before
    assert [each.name for each in path.parent.iterdir() if "pepper" in each.name] == [path.name]
    App.open(settings).close()


def test_what_a_writer_that_was_killed_left_behind_is_in_nobodys_way(settings: Settings) -> None:
    written(settings.pepper_path.with_name(f".{settings.pepper_path.name}.new"), "2:half a li")
    pepper.add(settings.pepper_path, 2, bytes.fromhex(OTHER))
    assert list(pepper.read(settings.pepper_path).peppers) == [1, 2]


def test_a_file_that_is_ahead_of_the_database_starts_and_is_not_used_yet(settings: Settings) -> None:
    """The file is written first. Whoever is killed before the database knows of it has done no harm."""
    pepper.add(settings.pepper_path, 2, bytes.fromhex(OTHER))
    pepper.add(settings.pepper_path, "legacy", bytes(16))
    app = App.open(settings)
    assert app.act(lambda tx: (tx.pepper, list(tx.keyring.peppers), list(tx.keyring.secrets))) == (
        1,
        [1],
        ["locator"],
    )
    app.close()


@pytest.mark.check("C005")
@pytest.mark.parametrize(("name", "words"), [("locator", "no secret 'locator'"), ("legacy", "no secret 'legacy'")])
def test_without_a_secret_that_the_database_knows_nothing_starts(settings: Settings, name: str, words: str) -> None:
    pepper.add(settings.pepper_path, "legacy", bytes(16))
    App.initialise(settings).close()
    pepper.drop(settings.pepper_path, name)
    _refused(settings, f"The pepper file has {words}, which the database needs")
    pepper.add(settings.pepper_path, name, bytes(32))
    said = _refused(settings, f"The secret '{name}' of the pepper file is not the one it was")
    assert "0000" not in said


@pytest.mark.check("C004")
def test_the_known_answer_of_a_secret_is_keyed(settings: Settings) -> None:
    """A secret of another system may be guessed. Two installations answer differently for one."""
    pepper.add(settings.pepper_path, "legacy", b"a guessable one.")
    App.initialise(settings).close()
    ((first,),) = dump.rows(settings.database_path, "select answer from pepper_secrets where name = 'legacy'")
    held = pepper.read(settings.pepper_path)
    other = Keyring(held.peppers, {**held.secrets, "locator": bytes(32)})
    assert pepper.proven(held, ({}, {"legacy": first})).secrets.keys() == {"legacy"}
    assert pepper.proven(other, ({}, {"legacy": first})).secrets == {}


def test_a_retired_pepper_that_is_still_in_the_file_is_not_learnt_again(settings: Settings) -> None:
    first = pepper.read(settings.pepper_path).peppers[1]
    pepper.add(settings.pepper_path, 2, bytes.fromhex(OTHER))
    App.initialise(settings).close()
    with sqlite3.connect(settings.database_path) as hand:
        hand.execute("delete from peppers where version = 1")
    App.initialise(settings).close()
    assert dump.rows(settings.database_path, "select version from peppers") == [(2,)]
    assert pepper.read(settings.pepper_path).peppers[1] == first

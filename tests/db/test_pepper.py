"""The pepper: in a file of its own, readable by its owner alone, and checked before anything starts."""

from __future__ import annotations

import re
import secrets
import stat
from typing import TYPE_CHECKING

import pytest

from limen.app import App
from limen.core.keys import PEPPER_BYTES
from limen.core.problems import ProblemError
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
    assert re.fullmatch(r"1:[0-9a-f]{64}\n", settings.pepper_path.read_text())


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
    _refused(settings, r"The database does not know version 2 of the pepper file\. Run 'limen init'")
    App.initialise(settings).close()
    App.open(settings).close()
    written(settings.pepper_path, first)
    _refused(settings, "The pepper file has no version 2, which the database needs")


def test_new_keys_are_stored_under_the_newest_pepper(settings: Settings) -> None:
    written(settings.pepper_path, f"10:{OTHER}\n{settings.pepper_path.read_text()}9:{'cd' * PEPPER_BYTES}\n")
    assert list(pepper.read(settings.pepper_path)) == [1, 9, 10]
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
    digits = installation.settings.pepper_path.read_text().partition(":")[2].strip()
    installation.store.engine.dispose()
    for path in installation.settings.database_path.parent.rglob("*"):
        if path.is_file() and path != installation.settings.pepper_path:
            content = path.read_bytes()
            assert digits.encode() not in content
            assert bytes.fromhex(digits) not in content


def test_a_database_without_a_pepper_is_not_set_up(installation: App) -> None:
    with installation.store.engine.begin() as connection:
        connection.exec_driver_sql("delete from peppers")
    with pytest.raises(ProblemError, match="The database knows no pepper") as caught:
        App.open(installation.settings)
    assert caught.value.problem.code == "store_not_ready"

"""Which state folder belongs to which database: with another one's, revocations would go unseen."""

from __future__ import annotations

import shutil
import stat
from typing import TYPE_CHECKING

import pytest

from limen.app import App
from limen.core.problems import ProblemError
from limen.settings import Settings
from tests.db import dump

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Those of an installation that was made here, and that no process has open."""
    settings = Settings(database_url=f"sqlite:///{tmp_path}/limen.db")
    App.initialise(settings).close()
    return settings


def _refused(settings: Settings, words: str, *, initialise: bool = False) -> None:
    with pytest.raises(ProblemError, match=words) as caught:
        (App.initialise if initialise else App.open)(settings)
    assert caught.value.problem.code == "store_not_ready"


def test_the_state_folder_is_for_its_owner_alone(settings: Settings) -> None:
    assert stat.S_IMODE(settings.state_folder.stat().st_mode) == 0o700


def test_initialising_again_changes_nothing(settings: Settings) -> None:
    before = dump.dump(settings.database_path), (settings.state_folder / "installation").read_text()
    App.initialise(settings).close()
    assert (dump.dump(settings.database_path), (settings.state_folder / "installation").read_text()) == before


def test_a_state_folder_that_is_gone_is_made_anew_only_when_asked_to(settings: Settings) -> None:
    shutil.rmtree(settings.state_folder)
    _refused(settings, "The state folder .* is not there. Run 'limen init' to make it anew")
    assert not settings.state_folder.exists()
    App.initialise(settings).close()
    App.open(settings).close()


def test_the_state_folder_of_another_database_is_refused(settings: Settings, tmp_path: Path) -> None:
    other = Settings(database_url=f"sqlite:///{tmp_path}/other.db")
    App.initialise(other).close()
    strange = Settings(database_url=settings.database_url, state=other.state_folder)
    _refused(strange, "belongs to another database")
    _refused(strange, "belongs to another database. Move it away", initialise=True)
    App.open(settings).close()
    App.open(other).close()


def test_a_new_database_takes_no_state_folder_over(settings: Settings, tmp_path: Path) -> None:
    """Its journal is another database's: what was recorded for one would be counted in the other."""
    new = Settings(database_url=f"sqlite:///{tmp_path}/new.db", state=settings.state_folder)
    for _ in range(2):
        _refused(new, "belongs to another database. Move it away", initialise=True)
    App.open(settings).close()


def test_a_state_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "limen.db.state").touch()
    _refused(Settings(database_url=f"sqlite:///{tmp_path}/limen.db"), "cannot be made: File exists", initialise=True)


def test_a_database_that_was_moved_with_its_state_goes_on(settings: Settings, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in (settings.database_path, settings.state_folder, settings.pepper_path):
        path.rename(moved / path.name)
    App.open(Settings(database_url=f"sqlite:///{moved}/limen.db")).close()


# -- one state folder a database -------------------------------------------------------------------------------------


def test_a_second_state_folder_is_refused_while_the_first_is_there(settings: Settings, tmp_path: Path) -> None:
    """Two folders have two epochs: what is revoked by the one would go unseen by the other."""
    second = Settings(database_url=settings.database_url, state=tmp_path / "second")
    _refused(second, "The state folder of this database is .*limen.db.state", initialise=True)
    _refused(second, "is not there")
    App.open(settings).close()


def test_a_state_folder_that_was_made_anew_ends_the_one_before(settings: Settings, tmp_path: Path) -> None:
    settings.state_folder.rename(tmp_path / "before")
    App.initialise(settings).close()
    _refused(Settings(database_url=settings.database_url, state=tmp_path / "before"), "belongs to another database")
    App.open(settings).close()


def test_a_copy_of_a_database_is_an_installation_of_its_own(settings: Settings, tmp_path: Path) -> None:
    copy = Settings(database_url=f"sqlite:///{tmp_path}/copy.db")
    shutil.copy2(settings.database_path, copy.database_path)
    shutil.copy2(settings.pepper_path, copy.pepper_path)
    App.initialise(copy).close()
    App.open(copy).close()
    App.open(settings).close()
    _refused(Settings(database_url=copy.database_url, state=settings.state_folder), "belongs to another database")


@pytest.mark.parametrize("name", ["installation", "epoch"])
def test_a_state_folder_that_lacks_a_file_is_not_there(settings: Settings, name: str) -> None:
    (settings.state_folder / name).unlink()
    _refused(settings, "is not there. Run 'limen init'")
    assert not (settings.state_folder / name).exists()

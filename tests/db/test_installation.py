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
def settings(installation: App) -> Settings:
    """Those of an installation that no process has open."""
    installation.close()
    return installation.settings


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

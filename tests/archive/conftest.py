"""An installation that is backed up, changed, and restored: opened and closed as often as a test needs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from limen.app import App
from limen.archive import Backup, How, Imported, Plan, Restored, back_up, export, load, restore
from limen.control import keys, owners
from limen.core.limits import Limit
from limen.core.verdict import Ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from limen.settings import Settings

PLENTY = (Limit("allowance", 1_000_000, 60),)


def nothing(_done: int, _total: int) -> None:
    """Nobody looks at how far it is."""


class House:
    """One installation, with the APIs ``creator`` and ``organisation``, and at most one App on it."""

    def __init__(self, settings: Settings, app: App | None = None) -> None:
        self.settings, self._app = settings, app
        self.folder = settings.pepper_path.parent
        self.plans: list[Plan] = []
        """What was about to be done, each time."""

    @property
    def app(self) -> App:
        """The App, opened if it is not."""
        if self._app is None:
            self._app = App.open(self.settings)
        return self._app

    def close(self) -> None:
        """Nobody works on the installation any more."""
        if self._app is not None:
            self._app.close()
            self._app = None

    def owner(self, owner: str) -> str:
        """An organisation without a limit to speak of."""
        self.app.act(owners.create, owners.NewOwner("organisation", "A firm", owner))
        self.app.act(owners.set_plan, owner, "organisation", plan="", limits=PLENTY)
        return owner

    def key(self, owner: str) -> keys.Issued:
        """A key of ``organisation``."""
        issued: keys.Issued = self.app.act(keys.issue, keys.NewKey("organisation", owner, "a key"))
        return issued

    def verdict(self, issued: keys.Issued) -> str:
        """What the gate says now of a request with a key: the slug of its code."""
        wall, at = self.app.clock.read()
        ask = Ask(issued.text.encode(), b"GET", b"/experiences", b"v1", b"live", wall, at)
        return self.app.gate("organisation").cold.decide_now(ask).code.slug

    def verdicts(self, issued: dict[str, keys.Issued]) -> dict[str, str]:
        """The same, of several."""
        return {name: self.verdict(each) for name, each in issued.items()}

    def back_up(self, name: str = "backup.db") -> Path:
        """A backup, made while the installation is open."""
        made: Backup = back_up(self.settings, self.folder / name, replace=False, progress=nothing)
        return made.file

    def restore(self, file: Path, **how: Any) -> Restored:
        """Restore, with nobody on the installation."""
        self.close()
        usual: dict[str, Any] = {"heeds": True, "agree": self.plans.append, "progress": nothing}
        return restore(self.settings, file, **usual | how)

    def export(self, name: str = "archive.zip", *, usage: bool = True) -> Path:
        """An archive."""
        made = export(self.app, self.folder / name, release="test", usage=usage, replace=False, progress=nothing)
        return made.file

    def load(self, file: Path, how: How, **more: Any) -> Imported:
        """Import, with nobody on the installation."""
        self.close()
        usual: dict[str, Any] = {"agree": self.plans.append, "progress": nothing}
        return load(self.settings, file, how, **usual | more)


@pytest.fixture
def house(organisation: App) -> Iterator[House]:
    """An installation to be backed up."""
    made = House(organisation.settings, organisation)
    yield made
    made.close()


@pytest.fixture
def another(tmp_path: Path, house: House) -> Callable[[str], House]:
    """``another("name")``: where another installation with the same pepper is to be, with nothing else yet."""

    def another(name: str) -> House:
        folder = tmp_path / name
        folder.mkdir()
        settings = replace(house.settings, database_url=f"sqlite:///{folder}/limen.db")
        settings.pepper_path.write_bytes(house.settings.pepper_path.read_bytes())
        settings.pepper_path.chmod(0o600)
        return House(settings)

    return another

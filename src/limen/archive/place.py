"""What restoring and importing have in common: being alone, what the tombstones say, and the change of databases."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from limen.app import App
from limen.core.problems import ProblemError
from limen.core.tombstones import LastWords, Place, last_words
from limen.db import doctor, installation, pepper, place, presence, tombstones
from limen.db.transaction import Tx
from limen.drain import drain
from limen.gate.clock import Clock
from limen.settings import Settings


@dataclass(frozen=True, slots=True)
class Plan:
    """What is about to be done. Moments are Unix seconds."""

    copied_at: float
    """Of when the backup or archive is."""
    replaced_at: float | None
    """When anything changed last in the database that goes; None: there is none, or it cannot be read."""
    told: int
    """Of how many keys and owners the tombstones tell something that the copy does not know."""
    missing: str
    """Why not every end since is known; empty: all are."""
    aside: bool = True
    """Whether what goes is put aside. On PostgreSQL it is not: it is what ``limen init`` made."""


Agree = Callable[[Plan], None]
"""Is asked before anything is done, and raises where it is not to be done."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a database is prepared. Nobody else works on the installation meanwhile."""

    settings: Settings
    prepared: Path
    """The file, empty at first."""
    moment: str
    """What the names of things that are put aside end with."""
    there: str | None
    """The id of the database that is there; None: there is none, or it cannot be read."""

    def id_for(self, own: str) -> str:
        """The id for the database that comes, whose *own* is this: the state folder's, where it has one.

        Raises ProblemError where that folder belongs to neither of the two databases.
        """
        folder = self.settings.state_folder
        if self.there is not None:
            installation.require_own(folder, self.there)
        elif not self.settings.database_path.exists():
            installation.require_own(folder, own)
        return installation.id_of(folder) or own

    def put(self, own: str) -> Path | None:
        """The prepared database, whose *own* id was this, is the installation's; where the one before it lies now."""
        settings = self.settings
        installation.name_folder(settings.state_folder, own)
        if installation.id_of(settings.state_folder) != own:
            self._empty_journals()
        return place.put(self.prepared, settings.database_path, state=settings.state_folder, moment=self.moment)

    def _empty_journals(self) -> None:
        """What the journals hold is of the database that goes, and goes into it; aside, where that cannot be done."""
        journals = self.settings.state_folder / "journal"
        with suppress(ProblemError, OSError):
            app = App.open(self.settings, alone=True)
            try:
                drain(app)
            finally:
                app.close()
        if any(journals.glob("*/*.seg")):
            journals.rename(journals.with_name(f"journal.before-{self.moment}"))


@contextmanager
def site(settings: Settings) -> Iterator[Site]:
    """A place to prepare a database in. Raises ProblemError: ``in_use``, ``pepper_wrong``, ``store_down``; OSError."""
    pepper.read(settings.pepper_path)  # before anything is made
    installation.make_folder(settings.state_folder)
    with presence.alone(settings.state_folder):
        moment = datetime.fromtimestamp(Clock().read()[0], UTC).strftime("%Y%m%dT%H%M%SZ")
        folder = place.workshop(settings.database_path, moment)
        try:
            prepared = folder / "limen.db"
            os.close(os.open(prepared, os.O_CREAT | os.O_EXCL, 0o600))
            yield Site(settings, prepared, moment, _id_there(settings))
        finally:
            if not (folder / "before").exists():  # else it is the database that was there
                shutil.rmtree(folder, ignore_errors=True)


def _id_there(settings: Settings) -> str | None:
    if not settings.database_path.exists():
        return None
    with suppress(ProblemError), doctor.look(settings.database_url) as connection:
        return installation.id_in(connection)
    return None


def replaced_at(settings: Settings) -> float | None:
    """When anything changed last in the database that is there."""
    if settings.database_path.exists():
        with suppress(ProblemError), doctor.look(settings.database_url) as connection:
            return doctor.newest_moment(connection)
    return None


def heard(settings: Settings, known: Place, *, asked: bool) -> tuple[LastWords, str]:
    """What the tombstones say that a copy does not know, and why that is not all; empty: it is all. Raises OSError."""
    path = settings.tombstones_path
    if not asked:
        return LastWords(), "the tombstones are left out"
    if not path.exists():
        return LastWords(), f"there are no tombstones {path}"
    words = last_words(tombstones.read(path), known)
    return words, "" if words.whole else f"the tombstones {path} do not go on from where it was made"


def _begin(tx: Tx) -> None:
    tx.tombstone("series", "", "begun")


def opened_once(settings: Settings) -> None:
    """The installation can be opened, and what ends from now on is in tombstones that go on. Raises ProblemError."""
    app = App.open(settings)
    try:
        laid = app.store.tombstones
        if laid is None:
            return
        with app.reading() as reader:
            goes_on = laid.goes_on(reader.connection)
        if not goes_on:
            app.act(_begin)
    finally:
        app.close()

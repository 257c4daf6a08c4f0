"""Importing: an archive becomes the installation's database, and what ended since it was made has ended in it too."""

from __future__ import annotations

import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from limen.app import App
from limen.archive import form
from limen.archive.place import Agree, Plan, Site, heard, opened_once, replaced_at, site
from limen.control import revival
from limen.control.revival import Revived
from limen.core.problems import ProblemError
from limen.core.schemes import Keyring
from limen.core.tombstones import LastWords, Place
from limen.db import installation, pepper, schema, tombstones, transfer
from limen.db.copies import Progress
from limen.db.doctor import look
from limen.db.transaction import Tx
from limen.settings import Settings


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import."""

    exported_at: float
    rows: int
    aside: Path | None
    """Where the database lies that was there before."""
    missing: str
    """Why not every end since is known; empty: all are."""
    revived: Revived


@dataclass(frozen=True, slots=True)
class How:
    """How an archive is to be imported."""

    replaces: bool = False
    """Also into the place of a database that has keys."""
    heeds: bool = True
    """Whether the tombstones are asked."""
    trusted: bool = False
    """Nothing ended after it was made: its keys are what they are in it."""


def load(settings: Settings, file: Path, how: How, *, agree: Agree, progress: Progress) -> Imported:
    """The archive *file* is the installation's database, by one rename; all that was there before lies aside.

    What the tombstones say has ended since has ended. Where they do not say all, no key is active until it is
    reactivated, unless the archive is trusted. Raises ProblemError: ``in_use``, ``archive_wrong``, ``not_empty``,
    ``pepper_wrong``, ``store_not_ready`` (another database's state folder), ``store_down``; OSError. Then, and after a
    kill, either nothing has changed or all is done.
    """
    if not file.exists():
        raise ProblemError("archive_wrong", f"There is no file {file}.")
    with file.open("rb") as content, form.opened(content) as archive:
        manifest = form.read_manifest(archive)
        _require_tables(manifest)
        with site(settings) as at:
            if not how.replaces:
                _require_empty(settings)
            words, missing = heard(settings, Place(manifest.series, manifest.number), asked=how.heeds)
            own_id = at.id_for(manifest.installation)
            told = len(words.keys) + len(words.owners)
            agree(Plan(manifest.exported_at, replaced_at(settings), told, missing))
            source = _Source(archive, manifest, progress)
            revived = _loaded(at, source, words, own_id=own_id, trusted=how.trusted)
            aside = at.put(manifest.installation)
    opened_once(settings)
    return Imported(manifest.exported_at, sum(part.rows for part in manifest.tables), aside, missing, revived)


def _require_tables(manifest: form.Manifest) -> None:
    if manifest.schema != schema.HEAD:
        raise ProblemError(
            "archive_wrong",
            f"The archive is of schema {manifest.schema} (release {manifest.release}), this release has {schema.HEAD}. "
            "Import it with a release of that schema, then run 'limen migrate'.",
        )
    wanted = transfer.names(usage=manifest.usage)
    if odd := sorted({part.name for part in manifest.tables} ^ set(wanted)) or len(manifest.tables) != len(wanted):
        raise ProblemError("archive_wrong", f"The archive's tables are not those of schema {schema.HEAD}: {odd}.")


def _require_empty(settings: Settings) -> None:
    """Raises ProblemError where a database is there that has keys, or cannot be read."""
    if not settings.database_path.exists():
        return
    with suppress(ProblemError), look(settings.database_url) as connection:
        if transfer.is_empty(connection):
            return
    raise ProblemError(
        "not_empty",
        f"{settings.database_path} has APIs and keys, or cannot be read. Add --replace to put it aside.",
    )


@dataclass(frozen=True, slots=True)
class _Source:
    """An archive's content, on its way into a database."""

    archive: zipfile.ZipFile
    manifest: form.Manifest
    progress: Progress

    def into(self, tx: Tx, keyring: Keyring) -> None:
        """Every row is in the database."""
        transfer.begin(tx.connection)
        total, done = sum(part.rows for part in self.manifest.tables), 0
        parts = {part.name: part for part in self.manifest.tables}
        for name in transfer.names(usage=self.manifest.usage):
            rows = form.counted(form.read_table(self.archive, parts[name]), done, total, self.progress)
            done += transfer.put_rows(tx.connection, name, rows)
            if name == transfer.FIRST[-1]:  # with another pepper the rest need not be read
                pepper.verify(tx.connection, keyring)
        transfer.require_sound(tx.connection)


def _loaded(at: Site, source: _Source, words: LastWords, *, own_id: str, trusted: bool) -> Revived:
    """Make the prepared database out of the archive, and one of this installation and of now."""
    settings, exported_at = at.settings, source.manifest.exported_at
    keyring = pepper.read(settings.pepper_path)

    def verb(tx: Tx) -> Revived:
        source.into(tx, keyring)
        tombstones.set_known(tx.connection, tombstones.tail(settings.tombstones_path))
        pepper.remember(tx.connection, keyring, tx.now)
        installation.take_over(
            tx.connection, settings.state_folder, database=settings.database_path, new_id=own_id, now=tx.now
        )
        return revival.imported(tx, words, installation=own_id, exported_at=exported_at, trusted=trusted)

    app = App.preparing(settings, at.prepared)
    try:
        return app.act(verb)
    finally:
        app.close()

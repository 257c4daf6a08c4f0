"""Importing: an archive becomes the installation's database, and what ended since it was made has ended in it too."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from limen.app import App
from limen.archive import form, server
from limen.archive.place import Agree, Plan, Site, heard, opened_once, replaced_at, site
from limen.archive.source import How, Imported, Source
from limen.control import revival
from limen.control.revival import Revived
from limen.core.problems import ProblemError
from limen.core.tombstones import LastWords, Place
from limen.db import installation, pepper, schema, tombstones, transfer
from limen.db.copies import Progress
from limen.db.doctor import look
from limen.db.transaction import Tx
from limen.settings import Settings


def load(settings: Settings, file: Path, how: How, *, agree: Agree, progress: Progress) -> Imported:
    """The archive *file* is the installation's database, by one rename; all that was there before lies aside.

    What the tombstones say has ended since has ended. Where they do not say all, no key is active until it is
    reactivated, unless the archive is trusted. On PostgreSQL it is by one transaction, and nothing is put aside: there
    was but what ``limen init`` made. Raises ProblemError: ``in_use``, ``archive_wrong``, ``not_empty``,
    ``pepper_wrong``, ``store_not_ready`` (another database's state folder), ``store_down``; OSError. Then, and after a
    kill, either nothing has changed or all is done.
    """
    if not file.exists():
        raise ProblemError("archive_wrong", f"There is no file {file}.")
    with file.open("rb") as content, form.opened(content) as archive:
        manifest = form.read_manifest(archive)
        _require_tables(manifest)
        source = Source(archive, manifest, progress)
        if not settings.on_one_host:
            return server.load(settings, source, how, agree=agree)
        with site(settings) as at:
            if not how.replaces:
                _require_empty(settings)
            words, missing = heard(settings, Place(manifest.series, manifest.number), asked=how.heeds)
            own_id = at.id_for(manifest.installation)
            told = len(words.keys) + len(words.owners)
            agree(Plan(manifest.exported_at, replaced_at(settings), told, missing))
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


def _loaded(at: Site, source: Source, words: LastWords, *, own_id: str, trusted: bool) -> Revived:
    """Make the prepared database out of the archive, and one of this installation and of now."""
    settings, exported_at = at.settings, source.manifest.exported_at
    keyring = pepper.read(settings.pepper_path)

    def verb(tx: Tx) -> Revived:
        source.into(tx, keyring, known=tombstones.tail(settings.tombstones_path))
        installation.take_over(
            tx.connection, settings.state_folder, database=settings.database_path, new_id=own_id, now=tx.now
        )
        return revival.imported(tx, words, installation=own_id, exported_at=exported_at, trusted=trusted)

    app = App.preparing(settings, at.prepared)
    try:
        return app.act(verb)
    finally:
        app.close()

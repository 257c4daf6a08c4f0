"""Importing into a PostgreSQL database that ``limen init`` made, in one transaction: all of it is there, or nothing."""

from __future__ import annotations

from limen.app import App
from limen.archive.place import Agree, Plan, heard, opened_once
from limen.archive.source import How, Imported, Source
from limen.control import revival
from limen.control.revival import Revived
from limen.core.problems import ProblemError
from limen.core.tombstones import Place
from limen.db import installation, leases, pepper, presence, tombstones, transfer
from limen.db.transaction import Reader, Tx
from limen.settings import Settings


def load(settings: Settings, source: Source, how: How, *, agree: Agree) -> Imported:
    """What *source* holds is the database's, and what ``limen init`` had made there is not; it keeps its id.

    Raises ProblemError: ``on_server`` for a database that is to be replaced, and as on SQLite.
    """
    if how.replaces:
        raise ProblemError(
            "on_server",
            f"Found PostgreSQL, {settings.database_shown}: no database there is put aside. Make another one, with "
            "'createdb' and 'limen init', and import into that, without --replace.",
        )
    keyring, manifest = pepper.read(settings.pepper_path), source.manifest
    installation.require_folder(settings.state_folder, epoch=False)
    with presence.alone(settings.state_folder):
        app = App.open(settings, alone=True)
        try:
            with app.reading() as reader:
                _require_unused(reader)
            words, missing = heard(settings, Place(manifest.series, manifest.number), asked=how.heeds)
            agree(Plan(manifest.exported_at, None, len(words.keys) + len(words.owners), missing, aside=False))

            def verb(tx: Tx) -> Revived:
                _require_unused(tx)  # under the writers' lock: nobody comes any more
                with transfer.patient(tx.connection):
                    transfer.empty(tx.connection)
                    source.into(tx, keyring, known=tombstones.tail(settings.tombstones_path))
                    transfer.number_on(tx.connection)
                    own_id = installation.id_in(tx.connection)
                    exported_at = manifest.exported_at
                    return revival.imported(
                        tx, words, installation=own_id, exported_at=exported_at, trusted=how.trusted
                    )

            app.store.tombstones = None  # what they say is not said again
            revived = app.act(verb)
        finally:
            app.close()
    opened_once(settings)
    return Imported(manifest.exported_at, sum(part.rows for part in manifest.tables), None, missing, revived)


def _require_unused(reader: Reader) -> None:
    """Raises ProblemError where the database has APIs and keys, or processes work on it."""
    if not transfer.is_empty(reader.connection):
        raise ProblemError(
            "not_empty",
            "The database has APIs and keys, and on PostgreSQL none is replaced. Make another one, with 'createdb' and "
            "'limen init', and import into that.",
        )
    if alive := [node for node in leases.listed(reader) if node.dead_at is None]:
        who = ", ".join(f"process {node.process} on {node.host}" for node in alive)
        raise ProblemError("in_use", f"Processes of this installation are running: {who}. Stop them on every host.")

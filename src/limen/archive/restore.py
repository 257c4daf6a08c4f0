"""Restoring: a backup takes the place of the database, and what ended since it was made has ended in it too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from limen.app import App
from limen.archive.backup import require_file, require_other
from limen.archive.place import Agree, Plan, heard, opened_once, replaced_at, site
from limen.control import revival
from limen.control.revival import Revived
from limen.core.problems import ProblemError
from limen.core.tombstones import LastWords, Place
from limen.db import copies, doctor, installation, pepper, schema, tombstones
from limen.db.copies import Progress
from limen.db.transaction import Tx
from limen.settings import Settings


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of a restore."""

    backup_at: float
    aside: Path | None
    """Where the database lies that was there before."""
    missing: str
    """Why not every end since is known; empty: all are."""
    revived: Revived


class _Copy(NamedTuple):
    """What a backup says of itself."""

    backup_at: float
    installation: str
    known: Place


def restore(settings: Settings, file: Path, *, heeds: bool, agree: Agree, progress: Progress) -> Restored:
    """The backup *file* is the installation's database, by one rename; all that was there before lies aside.

    What the tombstones say has ended since has ended; *heeds*: whether they are asked. Where they do not say all, no
    key is active until it is reactivated. Raises ProblemError: ``on_server``, ``in_use``, ``backup_wrong``,
    ``pepper_wrong``, ``store_not_ready`` (of a later release, or another database's state folder), ``store_down``;
    OSError. Then, and after a kill, either nothing has changed or all is done.
    """
    require_file(
        settings, "Restore by the server's own means, such as pg_restore; an archive goes in by 'limen import'."
    )
    if not file.exists():
        raise ProblemError("backup_wrong", f"There is no file {file}.")
    require_other(file, settings)
    with site(settings) as at:
        found = _look(file)
        words, missing = heard(settings, found.known, asked=heeds)
        own_id = at.id_for(found.installation)
        agree(Plan(found.backup_at, replaced_at(settings), len(words.keys) + len(words.owners), missing))
        copies.copy(file, at.prepared, progress, in_use=False)
        revived = _settled(settings, at.prepared, words, found=found, own_id=own_id)
        aside = at.put(found.installation)
    opened_once(settings)
    return Restored(found.backup_at, aside, missing, revived)


def _look(file: Path) -> _Copy:
    with copies.looked_at(file) as connection:
        at = schema.revision(connection)
        if at is None:
            raise ProblemError("backup_wrong", f"{file} is no database of Limen's.")
        backup_at = copies.made_at(connection) or doctor.newest_moment(connection) or 0.0
        return _Copy(backup_at, installation.id_in(connection), tombstones.known_in(connection))


def _settled(settings: Settings, prepared: Path, words: LastWords, *, found: _Copy, own_id: str) -> Revived:
    """Make what was copied the database of this installation, and of now."""

    keyring = pepper.read(settings.pepper_path)

    def verb(tx: Tx) -> Revived:
        pepper.remember(tx.connection, keyring, tx.now)
        copies.unmark(tx.connection)
        tombstones.set_known(tx.connection, tombstones.tail(settings.tombstones_path))
        installation.take_over(
            tx.connection, settings.state_folder, database=settings.database_path, new_id=own_id, now=tx.now
        )
        return revival.restored(tx, words, installation=own_id, backup_at=found.backup_at)

    app = App.preparing(settings, prepared)
    try:
        with app.reading() as reader:
            pepper.verify(reader.connection, keyring)
        return app.act(verb)
    finally:
        app.close()

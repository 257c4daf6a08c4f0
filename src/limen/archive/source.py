"""What is imported, how it is to be, and what came of it."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

from limen.archive import form
from limen.control.revival import Revived
from limen.core.schemes import Keyring
from limen.core.tombstones import Place
from limen.db import pepper, tombstones, transfer
from limen.db.copies import Progress
from limen.db.transaction import Tx


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


@dataclass(frozen=True, slots=True)
class Source:
    """An archive's content, on its way into a database."""

    archive: zipfile.ZipFile
    manifest: form.Manifest
    progress: Progress

    def into(self, tx: Tx, keyring: Keyring, *, known: Place) -> None:
        """Every row is in the database, which is one that wrote the tombstones up to *known*. Raises ProblemError."""
        transfer.begin(tx.connection)
        total, done = sum(part.rows for part in self.manifest.tables), 0
        parts = {part.name: part for part in self.manifest.tables}
        for name in transfer.names(usage=self.manifest.usage):
            rows = form.counted(form.read_table(self.archive, parts[name]), done, total, self.progress)
            done += transfer.put_rows(tx.connection, name, rows)
            if name == transfer.FIRST[-1]:  # with another pepper the rest need not be read
                pepper.verify(tx.connection, keyring)
        transfer.require_sound(tx.connection)
        tombstones.set_known(tx.connection, known)
        pepper.remember(tx.connection, keyring, tx.now)

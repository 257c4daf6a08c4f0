"""Putting another database in the place of an installation's: by one rename, so that at every moment one of them holds.

All is prepared in a folder beside the database. Whoever calls is alone on the installation (``presence.alone``). A kill
leaves the old database in force or the new one, and the folder; the next that comes here takes up what is in it.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path

from limen.core.problems import ProblemError, StoreDown
from limen.db.epoch import retire
from limen.db.files import sync, sync_folder

_BESIDE = ("-wal", "-shm")


def workshop(database: Path, moment: str) -> Path:
    """The folder in which a database is prepared, empty, for this user alone. Raises OSError.

    If a kill left the former database in it, that is put aside first.
    """
    folder = database.with_name(f"{database.name}.restoring")
    if folder.is_dir():
        left = folder / "before"
        if left.exists() and not (database.exists() and left.samefile(database)):
            left.rename(_aside(database, moment))
            sync_folder(database.absolute().parent)
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700)
    return folder


def put(prepared: Path, database: Path, *, state: Path, moment: str) -> Path | None:
    """The database *prepared*, in its workshop, is the one at *database*; where the one before it lies now, if any.

    Everything that was known of the old one is void: its epoch never moves again, a new one has its place in *state*.
    Raises ProblemError (``in_use``), StoreDown, OSError.
    """
    before, aside = prepared.with_name("before"), _aside(database, moment)
    replaced = database.exists()
    _settle(prepared, prepared)
    sync(prepared)
    _settle(database, aside)
    retire(state)
    if replaced:
        os.link(database, before)
        sync_folder(before.parent)
    prepared.replace(database)
    sync_folder(database.absolute().parent)
    if replaced:
        before.rename(aside)
        sync_folder(aside.absolute().parent)
    shutil.rmtree(before.parent)
    return aside if replaced else None


def _settle(database: Path, aside: Path) -> None:
    """All that was committed to *database* is in its one file: what lies beside it would go into another one there.

    Where it is damaged, or gone, what lies beside it goes to *aside*.
    """
    if database.exists() and _flushed(database):
        if any(_beside(database, end).exists() for end in _BESIDE):  # whoever closes it last takes them along
            raise ProblemError("in_use", f"Another program has {database} open. End it.")
        return
    for end in _BESIDE:
        if _beside(database, end).exists():
            _beside(database, end).rename(_beside(aside, end))


def _flushed(database: Path) -> bool:
    """Put the write-ahead log into the file; False: it is damaged."""
    try:
        with closing(sqlite3.connect(database, timeout=0)) as held:
            held.execute("pragma wal_checkpoint(truncate)").fetchone()
    except sqlite3.OperationalError as error:
        raise StoreDown(f"{database}: {error}.") from error
    except sqlite3.DatabaseError:
        return False
    return True


def _aside(database: Path, moment: str) -> Path:
    """A name that is free."""
    first = f"{database.name}.before-{moment}"
    names = (first if number == 1 else f"{first}-{number}" for number in count(1))
    return next(path for path in map(database.with_name, names) if not path.exists())


def _beside(database: Path, end: str) -> Path:
    return database.with_name(database.name + end)

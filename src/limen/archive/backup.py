"""Backups: a copy of the database while everything runs. And where the tombstones are that a restore will ask for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from limen.core.problems import ProblemError, StoreDown
from limen.db import copies, files, installation, pepper, presence, schema, tombstones
from limen.db.copies import Progress
from limen.db.doctor import look
from limen.gate.clock import Clock
from limen.settings import Settings


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made."""

    file: Path
    backup_at: float
    """The moment that it is of, Unix seconds."""
    size: int
    """Bytes."""


def back_up(settings: Settings, file: Path, *, replace: bool, progress: Progress) -> Backup:
    """The new file *file* is a backup: whole, checked, on the disk, for this user alone. Others may work meanwhile.

    The database may be of an older release. The pepper is not in it, nor is what the journals hold and nobody has
    drained. Raises ProblemError: ``on_server``, ``file_exists``, ``store_down``, where the database is damaged too,
    ``store_not_ready``, ``pepper_wrong``; OSError.
    """
    require_file(settings, "Back it up by its own means, such as pg_dump; or write an archive with 'limen export'.")
    keyring = pepper.read(settings.pepper_path)
    require_other(file, settings)
    if not settings.database_path.exists():
        raise ProblemError("store_not_ready", f"There is no database {settings.database_path}. Run 'limen init'.")
    folder = installation.require_folder(settings.state_folder)
    with presence.entered(folder), files.whole(file, replace=replace) as new:
        now = Clock().read()[0]
        try:
            copies.copy(settings.database_path, new, progress, in_use=True)
        except ProblemError as problem:
            raise StoreDown(problem.detail) from problem
        copies.mark(new, now)
        with copies.looked_at(new) as connection:
            at = schema.revision(connection)
            if at is None:
                raise ProblemError("store_not_ready", "The database is empty. Run 'limen init'.")
            installation.verify(connection, folder)
            if at == schema.HEAD:
                pepper.verify(connection, keyring)
        size = new.stat().st_size
    return Backup(file, now, size)


def require_file(settings: Settings, otherwise: str) -> None:
    """Raises ProblemError (``on_server``), which says what to do *otherwise*, where the database is no file."""
    if not settings.on_one_host:
        raise ProblemError(
            "on_server", f"Found PostgreSQL, {settings.database_shown}: this is for SQLite's file. {otherwise}"
        )


def require_other(file: Path, settings: Settings) -> None:
    """Raises ProblemError (``file_exists``) where *file* is one that the installation itself lives on."""
    own = [settings.pepper_path, settings.tombstones_path]
    if settings.on_one_host:
        own.append(settings.database_path)
    same = [path for path in own if file.resolve() == path.resolve() or (file.exists() and _same(file, path))]
    if same or settings.state_folder.resolve() in file.resolve().parents:
        raise ProblemError("file_exists", f"{file} is the installation's own. Choose another name.")


def _same(file: Path, path: Path) -> bool:
    return path.exists() and file.samefile(path)


@dataclass(frozen=True, slots=True)
class Laid:
    """The tombstones of an installation, as they are now."""

    file: Path
    number: int
    """Of the last line, in its series; 0: there is no file, or no line in it."""
    goes_on: bool
    """Whether everything that the database wrote is in the file."""
    same_disk: bool
    """Whether it lies on the disk on which the database lies, and would be lost with it."""


def laid(settings: Settings) -> Laid:
    """How the tombstones are. Raises StoreDown, OSError."""
    path = settings.tombstones_path
    last = tombstones.tail(path)
    with look(settings.database_url) as connection:
        goes_on = tombstones.Tombstones(path).goes_on(connection)
    nearest = next(each for each in (path, *path.absolute().parents) if each.exists())
    beside = settings.on_one_host and nearest.stat().st_dev == settings.database_path.stat().st_dev
    return Laid(path, last.number, goes_on, beside)

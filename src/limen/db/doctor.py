"""What a check-up asks of the store, without changing it: integrity, the newest moment on record, epoch and locks."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, func, select

from limen.db.engine import open_engine, store_errors
from limen.db.tables import audit

_MISTAKES = 5
_EPOCH = struct.Struct("=Q")


@contextmanager
def look(url: str) -> Iterator[Connection]:
    """A read transaction on the SQLite file of *url*, whatever state it is in. Raises StoreDown."""
    engine = open_engine(url)
    try:
        with store_errors(), engine.connect() as connection:
            connection.begin()  # rolled back when the connection closes: a damaged file may refuse even to commit
            yield connection
    finally:
        engine.dispose()


def damage(connection: Connection) -> list[str]:
    """What SQLite finds wrong with its file, a few of many; empty: nothing. Reads the whole file."""
    rows = connection.exec_driver_sql(f"pragma quick_check({_MISTAKES})").scalars().all()
    return [line for row in rows for line in str(row).splitlines() if line != "ok"][:_MISTAKES]


def newest_moment(connection: Connection) -> float | None:
    """When the last change was made, by the clock of then (Unix seconds)."""
    return connection.execute(select(func.max(audit.c.at))).scalar()


@dataclass(frozen=True, slots=True)
class EpochState:
    """The epoch's value, and whether somebody holds the lock under which it moves."""

    value: int
    held: bool


def read_epoch(folder: Path) -> EpochState:
    """The epoch of *folder*. Raises OSError, or ValueError where the file is no epoch."""
    with _shared(folder / "write.lock") as alone:  # under it nobody moves the epoch, so an odd one stays odd
        content = (folder / "epoch").read_bytes()
    if len(content) < _EPOCH.size:
        raise ValueError(f"the file holds {len(content)} bytes, not a page")
    return EpochState(_EPOCH.unpack_from(content)[0], held=not alone)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of the file *path*; False where there is no such file.

    Asking takes the lock, shared, for some microseconds: who only tries for it just then is refused.
    """
    with _shared(path) as alone:
        return not alone


@contextmanager
def _shared(path: Path) -> Iterator[bool]:
    """Hold the lock of *path* together with others that only look; False: a process holds it for itself."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield True
        return
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            alone = True
        except BlockingIOError:
            alone = False
        yield alone
    finally:
        os.close(file)

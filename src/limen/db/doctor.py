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


@contextmanager
def look(url: str) -> Iterator[Connection]:
    """A read transaction on the SQLite file of *url*, whatever state it is in. Raises StoreDown."""
    engine = open_engine(url)
    try:
        with store_errors(), engine.connect() as connection, connection.begin():
            yield connection
    finally:
        engine.dispose()


def damage(connection: Connection) -> list[str]:
    """What SQLite finds wrong with its file, a few of many; empty: nothing. Reads the whole file."""
    rows = connection.exec_driver_sql(f"pragma quick_check({_MISTAKES})").scalars().all()
    return [str(row) for row in rows if row != "ok"]


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
    held = is_locked(folder / "write.lock")
    content = (folder / "epoch").read_bytes()
    if len(content) < 8:
        raise ValueError(f"the file holds {len(content)} bytes, not a page")
    return EpochState(struct.unpack_from("=Q", content)[0], held)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of the file *path*; False where there is no such file.

    Asking takes the lock, shared, for some microseconds: who only tries for it just then is refused.
    """
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False

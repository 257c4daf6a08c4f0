"""The file of tombstones: appended to under the write lock, on the disk before what it says is committed (ADR 0016).

Nothing in it is ever changed. A line that a crash tore stays, and is passed over: the next one has its number.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, select, update

from limen.core.keys import draw_id
from limen.core.problems import StoreDown
from limen.core.tombstones import Line, Place, Stone, read_line, write_line
from limen.db.files import sync_folder
from limen.db.tables import tombstone_head

if TYPE_CHECKING:
    from limen.core.keys import Entropy

_LOOK_BACK = 4_096
_LONGEST = 65_536
"""A line is shorter. What is longer was not written by us, and is read in parts that are none either."""


def known(connection: Connection) -> Place:
    """The place of the line that the database wrote last."""
    row = connection.execute(select(tombstone_head.c.series, tombstone_head.c.number)).one()
    return Place(row.series, row.number)


def set_known(connection: Connection, place: Place) -> None:
    """The database is one that wrote the tombstones up to *place*; where that is none, the next begins a series."""
    connection.execute(update(tombstone_head).values(series=place.series, number=place.number))


def known_in(connection: Connection) -> Place:
    """As ``known``, of a database of whatever release."""
    return known(connection) if inspect(connection).has_table(tombstone_head.name) else Place()


def read(path: Path) -> Iterator[Line]:
    """The whole lines of the file at *path*, in their order. Raises OSError, also where there is no such file."""
    with path.open("rb") as file:
        while text := file.readline(_LONGEST):
            if (line := read_line(text)) is not None:
                yield line


def tail(path: Path) -> Place:
    """The place of the last whole line at *path*; no series where there is none, or no file. Raises OSError."""
    try:
        with path.open("rb") as file:
            return _tail(file.fileno(), os.fstat(file.fileno()).st_size)
    except FileNotFoundError:
        return Place()


def _tail(file: int, size: int) -> Place:
    back = _LOOK_BACK
    while True:
        start = max(0, size - back)
        lines = os.pread(file, size - start, start).split(b"\n")
        for text in reversed(lines if start == 0 else lines[1:]):  # the first may have begun before
            if (line := read_line(text)) is not None:
                return line.place
        if start == 0:
            return Place()
        back *= 16


class Tombstones:
    """The file at *path*, which is made when the first line is written. Whoever writes holds the write lock."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lay(self, connection: Connection, stones: Sequence[Stone], entropy: Entropy) -> Place:
        """*stones* are on the disk, and the database knows of it once *connection* commits; the place of the last.

        A series begins where the file does not go on from what the database wrote last. Raises StoreDown, and then the
        file says nothing new, or in the worst case too much.
        """
        behind = known(connection)
        if not stones:
            return behind
        with self._opened() as (file, size):
            last = _tail(file, size)
            if not _goes_on(last, behind):
                last = Place(draw_id(entropy), 0)
                if stones[0].kind != "series":
                    stones = [Stone(stones[0].at, "series", "", "begun"), *stones]
            last = _append(file, size, last, stones)
            if size == 0:
                sync_folder(self.path.absolute().parent)
        set_known(connection, last)
        return last

    def goes_on(self, connection: Connection) -> bool:
        """Whether the file says all that the database wrote, so that what comes next belongs to the same series."""
        return _goes_on(tail(self.path), known(connection))

    def add(self, stones: Sequence[Stone], *, behind: Place) -> None:
        """*stones*, which say what has been committed, are on the disk, if that can be done and the file goes on."""
        with suppress(StoreDown), self._opened() as (file, size):
            last = _tail(file, size)
            if stones and _goes_on(last, behind):
                _append(file, size, last, stones)

    @contextmanager
    def _opened(self) -> Iterator[tuple[int, int]]:
        """The file and its size. Raises StoreDown."""
        try:
            file = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
            try:
                yield file, os.fstat(file).st_size
            finally:
                os.close(file)
        except OSError as error:
            raise StoreDown(
                f"The tombstones {self.path} cannot be written: {error.strerror}. Without its tombstone no key ends."
            ) from error


def _goes_on(last: Place, behind: Place) -> bool:
    return bool(behind.series) and last.series == behind.series and last.number >= behind.number


def _append(file: int, size: int, last: Place, stones: Sequence[Stone]) -> Place:
    """Append *stones* behind *last*, and sync them; the place of the last one."""
    lines = [b"" if size == 0 or os.pread(file, 1, size - 1) == b"\n" else b"\n"]
    for stone in stones:
        last = Place(last.series, last.number + 1)
        lines.append(write_line(last, stone))
    _write(file, b"".join(lines), size)
    return last


def _write(file: int, text: bytes, size: int) -> None:
    """Append *text* and sync it; where that fails, leave the file at *size* if that can be done."""
    try:
        left = memoryview(text)
        while left:
            left = left[os.write(file, left) :]
        os.fdatasync(file)
    except OSError:
        with suppress(OSError):  # what stays is torn, or says that keys ended: both are harmless
            os.ftruncate(file, size)
        raise

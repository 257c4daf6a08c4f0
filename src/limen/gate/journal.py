"""Every decision recorded before its answer leaves.

A journal is a row of segments: files of one size, allocated ahead and mapped into memory. Writing an entry is a copy
into the map, so kill -9 loses none (the page cache outlives the process), and a full disk is met when a segment is
made, never inside an entry. Whoever drains reads the same files (``limen.drain``); power loss costs at most what was
written since it last synced them (``LIMEN_DRAIN_MS``).

A segment: a header of 64 bytes, then entries. An entry: its number (8 bytes, never 0), the CRC-32 of its body seeded
with the number (4), the length of the body (2), the body. Little endian. What follows the last entry is zeros.
"""

from __future__ import annotations

import fcntl
import itertools
import mmap
import os
import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING
from zlib import crc32

from limen.core.addresses import recorded as recorded_address
from limen.core.keys import BODY_CHARS

if TYPE_CHECKING:
    from limen.core.routes import Operation
    from limen.core.verdict import Ask, Code
    from limen.core.versions import Version

MAGIC = b"LIMENJ02"
HEADER = struct.Struct("<8sQI44s")  # magic, incarnation, number of the segment, name of the API
FRAME = struct.Struct("<QIH")  # number of the entry, CRC-32, length
DECISION = struct.Struct("<BBdB")  # kind, code, Unix seconds, length of the locator
OUTCOME = struct.Struct("<BdQQHI")  # kind, Unix seconds, incarnation, number, status, microseconds
TALLY = struct.Struct("<BII")  # kind, Unix minute, count
KIND_DECISION, KIND_OUTCOME, KIND_TALLY = 1, 2, 3
_SEEDS = 0xFFFFFFFF  # a number's remainder by this differs wherever one byte of the number does
MAX_METHOD, MAX_PATH = 16, 1_024
"""How much of a method and of a path is recorded, in bytes."""
UNKNOWN_US = 2**32 - 1
"""In place of how long an answer took: nobody knows."""

_KEY_CHARS = BODY_CHARS + 2
"""The least that a key has: a prefix is a character and ``_``."""

_UNDERSCORE, _PERCENT = 0x5F, 0x25  # looked for as numbers: as bytes they cost eight times as much

_KEY = re.compile(rb"(_|%%5[Ff])(?:[0-9A-Za-z]|%%[0-9A-Fa-f]{2}){%d,}" % BODY_CHARS)
"""What has the form of a key, of whatever API, also where it is percent-encoded."""


def recorded(path: bytes) -> bytes:
    """What is recorded of *path*: its beginning, without the keys that a careless caller put into it (C020)."""
    if _UNDERSCORE in path or _PERCENT in path:
        path = _KEY.sub(b"\\1\xe2\x80\xa6", path)  # before it is cut: of a key that is cut, a part would stay
    return path[:MAX_PATH]


class JournalFull(Exception):
    """No room for a new segment: on the disk, or among the segments that wait to be drained."""


class Journal:
    """The journal of one gate in one process. ``incarnation`` names it, and no other, ever."""

    def __init__(self, folder: Path, api: str, incarnation: int, *, segment_bytes: int, segments: int) -> None:
        """*segments*: how many files of *segment_bytes* may wait in *folder*.

        A journal that is full from the start records nothing until there is room, like one that becomes so. Raises
        OSError where *folder* cannot be written at all.
        """
        self._folder, self._api, self.incarnation = folder, api, incarnation
        self._segment_bytes, self._segments = segment_bytes, segments
        self._lock = Lock()
        self._making = Lock()  # taken within the other, so that segments are used in the order of their numbers
        self._number = 0  # of the last entry
        self._numbers = itertools.count(1)  # of the segments
        self._prefix = f"{incarnation:012x}-"
        self._view = mmap.mmap(-1, mmap.PAGESIZE)  # no segment yet
        self._at = self._end = 0
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for unfinished in folder.glob("*.new"):
            _clear_away(unfinished)
        with suppress(JournalFull):
            self._open(self._make()[0])
        self.spare: tuple[mmap.mmap, Path] | None = None
        """A segment in reserve, and its file: while there is one, every admitted request finds room."""
        self._wanted, self._closed = Event(), False
        self._maker = Thread(target=self._keep_ahead, name="limen-journal", daemon=True)
        self._maker.start()
        self._wanted.set()

    def has_room(self) -> bool:
        """Whether a request may be admitted: there is a segment in reserve, or a quarter of this one.

        So what has been admitted finds room for its outcome, and no limit is spent on what cannot be recorded.
        """
        if self.spare is not None or self._end - self._at > self._segment_bytes >> 2:
            return True
        return not self._closed and self._spare()  # the maker is late, or there was no room and is by now

    def reading_id(self, reading: int) -> str:
        """The name of entry *reading* for the world outside: unique over all processes and times."""
        return f"{self._prefix}{reading:x}"

    def decision(
        self, code: Code, ask: Ask, locator: bytes, operation: Operation | None, version: Version | None
    ) -> int:
        """Record a decision on a known key (R71): its number, or 0 where there is no room for it."""
        path, address = ask.path if len(ask.path) <= _KEY_CHARS else recorded(ask.path), ask.address
        tags = (
            ask.method[:MAX_METHOD],
            b"" if operation is None else operation.tag,
            b"" if version is None else version.tag,
            b"" if address is None else recorded_address(address),
            path,
        )
        return self._append(DECISION.pack(KIND_DECISION, code, ask.now, len(locator)) + locator + b"\0".join(tags))

    def outcome(
        self, reading: int, status: int, now: float, *, incarnation: int | None = None, took_us: int = UNKNOWN_US
    ) -> int:
        """Record with which *status* the API answered what *reading* admitted, and how long that took.

        *took_us*: microseconds. 0 where there is no room for it.
        """
        incarnation = self.incarnation if incarnation is None else incarnation
        took_us = took_us if took_us < UNKNOWN_US else UNKNOWN_US
        return self._append(OUTCOME.pack(KIND_OUTCOME, now, incarnation, reading, status, took_us))

    def tallies(self, minute: int, counts: dict[tuple[str, str, str], int]) -> None:
        """Record the counts of refusals without a known key. What finds no room is lost: it is no decision on a key."""
        for tally, count in counts.items():
            self._append(TALLY.pack(KIND_TALLY, minute, count) + "\0".join(tally).encode())

    def _append(self, body: bytes) -> int:
        size = FRAME.size + len(body)
        with self._lock:
            at = self._at
            if at + size > self._end:
                if not self._roll():
                    return 0
                at = self._at
            number = self._number + 1
            view = self._view
            view[at + FRAME.size : at + size] = body
            FRAME.pack_into(view, at, number, crc32(body, number % _SEEDS), len(body))
            self._at = at + size
            self._number = number
        return number

    def _roll(self) -> bool:
        """Go on in the next segment. It was made ahead; where it was not, it is made now, or there is none."""
        if self._closed:
            return False
        with self._making:
            try:
                made = self.spare or self._make()
            except (JournalFull, OSError):
                return False
            self.spare = None
        self._view.close()
        self._open(made[0])
        self._wanted.set()
        return True

    def _open(self, segment: mmap.mmap) -> None:
        self._view, self._at, self._end = segment, HEADER.size, len(segment)

    def _make(self) -> tuple[mmap.mmap, Path]:
        """A new segment, allocated on the disk and locked for as long as it is mapped here.

        It gets its name when it has its lock: whoever drains takes a segment that it can lock for one that is finished.
        """
        waiting = sum(1 for _ in self._folder.glob("*.seg"))
        if waiting >= self._segments:
            raise JournalFull(f"{waiting} segments wait in {self._folder.name} to be drained; is a worker running?")
        number = next(self._numbers)
        path = self._folder / f"{self._prefix}{number:06d}.seg"
        unfinished = path.with_suffix(".new")
        file = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)  # the map keeps a duplicate of the file, and so the lock
            os.posix_fallocate(file, 0, self._segment_bytes)
            segment = mmap.mmap(file, self._segment_bytes)
            HEADER.pack_into(segment, 0, MAGIC, self.incarnation, number, self._api.encode())
            unfinished.rename(path)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise JournalFull(f"no room on the disk for a journal segment of {self._segment_bytes} bytes") from error
        finally:
            os.close(file)
        return segment, path

    def _spare(self) -> bool:
        """Whether there is a segment in reserve, by now."""
        with self._making, suppress(JournalFull, OSError):
            self.spare = self.spare or self._make()
        return self.spare is not None

    def _keep_ahead(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._closed:
                return
            self._spare()  # where there is no room, it is asked for again before the next request is admitted

    def abandon(self) -> None:
        """In a forked child: let go of the parent's files, and touch nothing in them."""
        self._closed, self._end = True, 0
        self._view.close()
        if self.spare is not None:
            self.spare[0].close()

    def close(self) -> None:
        """Write no more. What was written stays for whoever drains it; a segment that was only made ahead goes."""
        with self._lock:
            self._closed = True
            self._end = 0
            self._view.close()
        self._wanted.set()
        self._maker.join()
        if self.spare is not None:
            segment, path = self.spare
            segment.close()
            path.unlink(missing_ok=True)


def _clear_away(unfinished: Path) -> None:
    """Remove what a process that died made of a segment. Another that is alive has its own locked, or still empty."""
    with suppress(OSError), unfinished.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(file.fileno()).st_size:
            unfinished.unlink()


def entries(segment: bytes | mmap.mmap, start: int) -> Iterator[tuple[int, bytes, int]]:
    """The whole entries of *segment* from offset *start* on: number, body, and the offset behind each.

    Stops where the next entry is not there, or not yet wholly there.
    """
    at, end = max(start, HEADER.size), len(segment)
    while at + FRAME.size <= end:
        number, crc, length = FRAME.unpack_from(segment, at)
        behind = at + FRAME.size + length
        if number == 0 or length == 0 or behind > end:  # of an empty body the checksum could be right by chance
            return
        body = bytes(segment[at + FRAME.size : behind])
        if crc32(body, number % _SEEDS) != crc:
            return
        yield number, body, behind
        at = behind

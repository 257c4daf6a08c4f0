"""Reading along in the journals of this host, as they are written. Nobody is locked out, and nothing is moved."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from limen.core.usage import Decided, Outcome, Tally
from limen.drain.journals import decode
from limen.gate import journal


@dataclass(slots=True)
class _Segment:
    """A segment, and up to where it has been read."""

    api: str
    incarnation: int
    seen: mmap.mmap
    at: int


@dataclass(frozen=True, slots=True)
class Written:
    """An entry of the journal of *api*."""

    api: str
    reading: str
    """The name of what it records, where that is a decision."""
    entry: Decided | Outcome | Tally


class Tail:
    """What is written into the journals from now on."""

    def __init__(self, folder: Path) -> None:
        """*folder*: that of all journals. It may not be there yet."""
        self._folder = folder
        self._segments: dict[str, _Segment] = {}
        self._find(new=False)

    def read(self) -> Iterator[Written]:
        """What was written since this was asked last, journal by journal, in the order in which each was written."""
        there = self._find(new=True)
        for name, segment in list(self._segments.items()):
            for number, body, behind in journal.entries(segment.seen, segment.at):
                segment.at = behind
                yield Written(segment.api, f"{segment.incarnation:012x}-{number:x}", decode(number, body))
            if name not in there:  # it is drained, and nobody writes into it any more
                self._segments.pop(name).seen.close()

    def _find(self, *, new: bool) -> set[str]:
        """Every segment there is; those that were not known are read from their beginning where they are *new*."""
        there = set()
        for path in sorted(self._folder.glob("*/*.seg")):
            there.add(path.name)
            if path.name not in self._segments:
                with suppress(OSError, ValueError):  # it is gone already, or not allocated yet
                    self._open(path, new=new)
        return there

    def _open(self, path: Path, *, new: bool) -> None:
        file = os.open(path, os.O_RDONLY)
        try:
            seen = mmap.mmap(file, 0, access=mmap.ACCESS_READ)
        finally:
            os.close(file)
        magic, incarnation, _, api = journal.HEADER.unpack_from(seen)
        if magic != journal.MAGIC:
            return  # of another release: whoever drains says so
        at = journal.HEADER.size if new else _end(seen)
        self._segments[path.name] = _Segment(api.rstrip(b"\0").decode(), incarnation, seen, at)

    def close(self) -> None:
        """Let go of the files."""
        for segment in self._segments.values():
            segment.seen.close()
        self._segments.clear()


def _end(segment: mmap.mmap) -> int:
    """Behind the last entry: found by their lengths, which is quick; nothing is checked."""
    at, end = journal.HEADER.size, len(segment)
    while at + journal.FRAME.size <= end:
        number, _, length = journal.FRAME.unpack_from(segment, at)
        if number == 0 or length == 0 or at + journal.FRAME.size + length > end:
            break
        at += journal.FRAME.size + length
    return at

"""Draining the journals into the readings: exactly once, whoever dies when.

A segment's entries and the mark up to which they were read are one transaction. A segment whose writer lives is locked
by it; one that can be locked here is finished, and goes once all of it is in the readings.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from limen.app import App
from limen.control import recording
from limen.core.people import Actor
from limen.core.problems import StoreDown
from limen.core.usage import Decided, Outcome, Tally
from limen.core.verdict import Code
from limen.gate import journal

BATCH = 5_000
"""Entries a transaction."""

WORKER = Actor("worker", "drain")
_SLUGS = {code.value: code.slug for code in Code}


def decode(number: int, body: bytes) -> Decided | Outcome | Tally:
    """The entry that *body* is."""
    kind = body[0]
    if kind == journal.KIND_DECISION:
        _, code, at, length = journal.DECISION.unpack_from(body)
        behind = journal.DECISION.size + length
        locator, parts = body[journal.DECISION.size : behind], body[behind:].split(b"\0", 4)
        method, operation, version = _texts(parts[0], parts[1], parts[2])
        path, address = _text(parts[4]), _text(parts[3])
        return Decided(number, at, locator, _SLUGS[code], method, operation, version, path, address)
    if kind == journal.KIND_OUTCOME:
        _, at, incarnation, reading, status, took_us = journal.OUTCOME.unpack(body)
        return Outcome(incarnation, reading, status, at, None if took_us == journal.UNKNOWN_US else took_us)
    _, minute, count = journal.TALLY.unpack_from(body)
    code, prefix, block = body[journal.TALLY.size :].decode().split("\0")
    return Tally(minute, code, prefix, block, count)


@lru_cache(maxsize=4_096)
def _text(part: bytes) -> str:
    return part.decode("utf-8", "backslashreplace").replace("\0", "\\x00")  # PostgreSQL keeps no NUL


@lru_cache(maxsize=4_096)
def _texts(method: bytes, operation: bytes, version: bytes) -> tuple[str, str, str]:
    return _text(method), _text(operation), _text(version)


def _segments(folder: Path) -> Iterator[Path]:
    """All segments of all APIs, those of one journal in their order."""
    return iter(sorted(folder.glob("*/*.seg")))


def batches(app: App) -> Iterator[int]:
    """Put everything that the journals hold by now into the readings, batch by batch; of how many entries each was.

    Under the lock of the room. Raises StoreDown, or what else was wrong with a segment once those behind it are done.
    """
    failure = None
    for path in _segments(app.settings.state_folder / "journal"):
        try:
            yield from _drain_segment(app, path)
        except StoreDown:
            raise
        except Exception as error:  # what is wrong with one segment must not hold up those behind it
            failure = failure or error
    if failure is not None:
        raise failure


def _drain_segment(app: App, path: Path) -> Iterator[int]:
    file = os.open(path, os.O_RDWR)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            finished = True
        except BlockingIOError:
            finished = False
            os.fdatasync(file)  # power loss costs what was written since the last time here
        size = os.fstat(file).st_size
        if size > journal.HEADER.size:
            with mmap.mmap(file, size, access=mmap.ACCESS_READ) as segment:
                yield from _drain_entries(app, path.name, segment)
        if finished:
            path.unlink()
            _sync(path.parent)  # before the mark goes: after a power loss the segment must not come back without it
            app.note(recording.unseal, path.name, actor=WORKER)
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
        os.close(file)


def _sync(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _drain_entries(app: App, name: str, segment: mmap.mmap) -> Iterator[int]:
    magic, incarnation, _, api = journal.HEADER.unpack_from(segment)
    if not any(magic):
        return  # made, but never opened
    if magic != journal.MAGIC:
        raise ValueError(f"{name} is of another release of Limen, which has to drain it")
    with app.reading() as reader:
        start = behind = recording.mark_of(reader, name)

    def commit() -> int:
        app.note(
            recording.record,
            name,
            behind,
            api=api.rstrip(b"\0").decode(),
            incarnation=incarnation,
            entries=tuple(batch),
            actor=WORKER,
        )
        count = len(batch)
        batch.clear()
        return count

    batch: list[Decided | Outcome | Tally] = []
    for number, body, end in journal.entries(segment, start):
        batch.append(decode(number, body))
        behind = end
        if len(batch) == BATCH:
            yield commit()
    if batch:
        yield commit()

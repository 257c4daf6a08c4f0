"""Draining the journals into the readings: exactly once, whoever dies when.

A segment's entries and the mark up to which they were read are one transaction. A segment whose writer lives is locked
by it; one that can be locked here is finished, and goes once all of it is in the readings.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

from limen.app import App
from limen.control import usage
from limen.core.people import Actor
from limen.core.problems import StoreDown
from limen.core.usage import Decided, Outcome, Tally
from limen.core.verdict import Code
from limen.gate import journal

BATCH = 5_000
"""Entries a transaction."""

WORKER = Actor("worker", "drain")
_log = logging.getLogger("limen.drain")
_SLUGS = {code.value: code.slug for code in Code}


def decode(number: int, body: bytes) -> Decided | Outcome | Tally:
    """The entry that *body* is."""
    kind = body[0]
    if kind == journal.KIND_DECISION:
        _, code, at, length = journal.DECISION.unpack_from(body)
        rest = body[journal.DECISION.size + length :]
        method, operation, version, path = (part.decode("utf-8", "backslashreplace") for part in rest.split(b"\0", 3))
        locator = body[journal.DECISION.size : journal.DECISION.size + length]
        return Decided(number, at, locator, _SLUGS[code], method, operation, version, path)
    if kind == journal.KIND_OUTCOME:
        _, at, incarnation, reading, status = journal.OUTCOME.unpack(body)
        return Outcome(incarnation, reading, status, at)
    _, minute, count = journal.TALLY.unpack_from(body)
    code, prefix, block = body[journal.TALLY.size :].decode().split("\0")
    return Tally(minute, code, prefix, block, count)


def _segments(folder: Path) -> Iterator[Path]:
    """All segments of all APIs, those of one journal in their order."""
    return iter(sorted(folder.glob("*/*.seg")))


def drain(app: App) -> int:
    """Put everything that the journals hold by now into the readings; how many entries that was. Raises StoreDown.

    One drain at a time, over all processes: where another is at it, nothing is done here.
    """
    folder = app.settings.state_folder / "journal"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder / "drain.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        count, failure = 0, None
        for path in _segments(folder):
            try:
                count += _drain_segment(app, path)
            except StoreDown:
                raise
            except Exception as error:  # what is wrong with one segment must not hold up those behind it
                failure = failure or error
        if failure is not None:
            raise failure
        return count
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)  # closing is not enough: a child forked meanwhile has it open too
        os.close(lock)


def _drain_segment(app: App, path: Path) -> int:
    file = os.open(path, os.O_RDWR)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            finished = True
        except BlockingIOError:
            finished = False
            os.fdatasync(file)  # power loss costs what was written since the last time here
        size = os.fstat(file).st_size
        count = 0
        if size > journal.HEADER.size:
            with mmap.mmap(file, size, access=mmap.ACCESS_READ) as segment:
                count = _drain_entries(app, path.name, segment)
        if finished:
            path.unlink()
            _sync(path.parent)  # before the mark goes: after a power loss the segment must not come back without it
            app.act(usage.unseal, path.name, actor=WORKER)
        return count
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
        os.close(file)


def _sync(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _drain_entries(app: App, name: str, segment: mmap.mmap) -> int:
    magic, incarnation, _, api = journal.HEADER.unpack_from(segment)
    if magic != journal.MAGIC:
        return 0  # made, but never opened
    with app.reading() as reader:
        start = usage.mark_of(reader, name)
    count = 0
    batch: list[Decided | Outcome | Tally] = []
    behind = start
    for number, body, behind in journal.entries(segment, start):
        batch.append(decode(number, body))
        if len(batch) == BATCH:
            count += _commit(app, name, behind, api, incarnation, batch)
    return count + _commit(app, name, behind, api, incarnation, batch)


def _commit(
    app: App, name: str, offset: int, api: bytes, incarnation: int, batch: list[Decided | Outcome | Tally]
) -> int:
    count = len(batch)
    if count:
        app.act(
            usage.record,
            name,
            offset,
            api=api.rstrip(b"\0").decode(),
            incarnation=incarnation,
            entries=tuple(batch),
            actor=WORKER,
        )
        batch.clear()
    return count


class Drainer:
    """Drains in a thread of its own, until it is stopped."""

    def __init__(self, app: App) -> None:
        self._app, self._stop = app, Event()
        self._thread = Thread(target=self._run, name="limen-drain", daemon=True)
        self.failure: str = ""
        """Why the last round failed; empty when it did not."""
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(self._app.settings.drain_ms / 1000):
            try:
                drain(self._app)
                self.failure = ""
            except (StoreDown, OSError) as error:
                self.failure = str(error)  # the journal keeps what it has, and the next round tries again
            except Exception as error:  # a fault of ours, which must not end the thread: the journal would run full
                if str(error) != self.failure:
                    _log.exception("draining failed; it is tried again every round")
                self.failure = str(error)

    def stop(self) -> None:
        """Stop, once the round that runs is done."""
        self._stop.set()
        self._thread.join()

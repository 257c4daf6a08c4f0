"""``limen usage ingest``: what the API answered, from a proxy's access log."""

from __future__ import annotations

import gzip
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import IO, Annotated, cast

import typer

from limen.app import App
from limen.cli import show
from limen.cli.door import REFUSED, opened
from limen.cli.options import AsJson
from limen.cli.progress import bar
from limen.core.access_log import MOST_CHARS, Answered, Unclear, read_line
from limen.core.problems import StoreDown
from limen.drain import drain
from limen.gate.journal import UNKNOWN_US, Journal

EVERY_S = 0.2
"""How often a log that is followed is looked at."""

FOLDER = "outcomes"
"""The journal's folder beside those of the APIs: the status of any reading may stand in it."""

_PACKED = b"\x1f\x8b"
_ROOM_S = 30.0
_TOLD_EVERY = 1_000


@dataclass(slots=True)
class Unread:
    """Lines that were not understood, for one reason: how many, and which was the first."""

    reason: str
    count: int = 0
    first_line: int = 0


@dataclass(slots=True)
class Ingested:
    """What came of a log."""

    lines: int = 0
    outcomes: int = 0
    without_reading: int = 0
    """Lines of requests that no known key came with, or that Limen was not asked about."""
    not_understood: dict[str, Unread] = field(default_factory=dict)

    def read(self, line: str) -> Answered | None:
        """What the next *line* says; None for nothing."""
        self.lines += 1
        try:
            found = read_line(line)
        except Unclear as error:
            unread = self.not_understood.setdefault(str(error), Unread(str(error), 0, self.lines))
            unread.count += 1
            return None
        if found is None:
            self.without_reading += 1
        else:
            self.outcomes += 1
        return found


def _found(log: Path) -> Path:
    """*log*, which can be read. Raises a usage error that says what is there instead."""
    if str(log) == "-":
        return log
    what = "is not there" if not log.exists() else "is a folder" if log.is_dir() else ""
    if not what and not os.access(log, os.R_OK):
        what = "may not be read by this user"
    if what:
        raise typer.BadParameter(f"{log} {what}. Name a proxy's access log, or '-' for standard input.")
    return log


def ingest(
    log: Annotated[
        Path,
        typer.Argument(
            metavar="ACCESS_LOG",
            callback=_found,
            help="A proxy's access log, as it is or packed by gzip; '-': standard input.",
        ),
    ],
    *,
    follow: Annotated[bool, typer.Option("--follow", help="Go on as the log is written, until interrupted.")] = False,
    as_json: AsJson = False,
) -> None:
    """The status of each answer, from an access log of nginx, Caddy, Traefik or Envoy, into the journal.

    Each line names its reading: see 'Put it behind a proxy'. Read twice, it counts once. Exit code 1 where nothing in
    the log was understood, 2 where there is no log that can be read.
    """
    ingested = Ingested()
    with opened() as limen, _journal(limen) as journal, bar("reading") as tell:
        put = _putting(limen, journal)
        try:
            for line in _lines(log, follow=follow, tell=tell):
                if (found := ingested.read(line)) is not None:
                    put(found)
        except KeyboardInterrupt:
            if not follow:
                raise
    _say(ingested, as_json=as_json)
    if ingested.not_understood and not (ingested.outcomes or ingested.without_reading):
        raise typer.Exit(REFUSED)


def _say(ingested: Ingested, *, as_json: bool) -> None:
    show.one(ingested, as_json=as_json, leave_out=("not_understood",))
    if not as_json and ingested.not_understood:
        unread = sorted(ingested.not_understood.values(), key=lambda each: -each.count)
        show.many(unread, ("reason", "count", "first_line"), as_json=False, nothing="")


@contextmanager
def _journal(limen: App) -> Iterator[Journal]:
    """A journal of this command's own: the drain does the rest, as with those of the gates.

    Its name is the moment, in tenths of a millisecond: what was told first is drained first, and stands.
    """
    settings = limen.settings
    journal = Journal(
        settings.state_folder / "journal" / FOLDER,
        "",
        int(limen.clock.read()[0] * 10_000),
        segment_bytes=settings.segment_bytes,
        segments=settings.segments,
    )
    with closing(journal):
        yield journal


def _putting(limen: App, journal: Journal) -> Callable[[Answered], None]:
    """Writes into the journal; where it is full, it is drained. Raises StoreDown where that makes no room."""

    def put(found: Answered) -> None:
        took_us = UNKNOWN_US if found.took_us is None else found.took_us
        deadline = monotonic() + _ROOM_S
        while not journal.outcome(
            found.number, found.status, limen.clock.read()[0], incarnation=found.incarnation, took_us=took_us
        ):
            if monotonic() > deadline:
                raise StoreDown("The journal is full.")
            if not drain(limen):
                sleep(EVERY_S)

    return put


def _lines(log: Path, *, follow: bool, tell: Callable[[int, int], None]) -> Iterator[str]:
    """The lines of *log*. *follow*: also those to come; where it is put away and begun anew, of the new one."""
    if str(log) == "-":
        yield from _bounded(sys.stdin.buffer)
        return
    if not log.is_file():  # a pipe: what was read is gone, and it has no size
        with log.open("rb") as pipe:
            yield from _bounded(pipe)
        return
    file: IO[bytes] = log.open("rb")
    try:
        if file.read(len(_PACKED)) == _PACKED:
            if follow:
                raise typer.BadParameter(f"{log} is packed, so nothing is added to it.", param_hint="--follow")
            yield from _unpacked(log)
            return
        file.seek(0)
        size = os.fstat(file.fileno()).st_size
        part = ""
        while True:
            for number, line in enumerate(_bounded(file)):
                if number % _TOLD_EVERY == 0:
                    tell(min(file.tell(), size), size)
                part += line
                if part.endswith("\n") or len(part) > MOST_CHARS:  # the rest of a line may yet have to be written
                    yield part
                    part = ""
            if not follow:
                break
            sleep(EVERY_S)
            file = _anew(log, file)
        if part:
            yield part
    finally:
        file.close()


def _unpacked(log: Path) -> Iterator[str]:
    """The lines of a log that was put away packed. Raises a usage error where it breaks off or is damaged."""
    with gzip.open(log) as file:
        lines = _bounded(cast("IO[bytes]", file))
        while True:
            try:
                line = next(lines, None)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise typer.BadParameter(
                    f"{log} is no whole gzip file: {error}. What could be read of it is recorded.",
                    param_hint="ACCESS_LOG",
                ) from error
            if line is None:
                return
            yield line


def _bounded(file: IO[bytes]) -> Iterator[str]:
    """Lines, none longer than a little more than what is read of one."""
    while line := file.readline(2 * MOST_CHARS):
        yield line.decode("utf-8", "replace")


def _anew(log: Path, file: IO[bytes]) -> IO[bytes]:
    """The file that has the name *log* now: *file*, at its beginning where it was emptied, or another."""
    now = os.fstat(file.fileno())
    if now.st_size < file.tell():
        file.seek(0)
    try:
        there = log.stat()
    except FileNotFoundError:  # it is being put away
        return file
    same = (there.st_ino, there.st_dev) == (now.st_ino, now.st_dev)
    if same or file.tell() < now.st_size:  # what was written into the old one last is still to be read
        return file
    file.close()
    return log.open("rb")

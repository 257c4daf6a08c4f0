"""What an archive is: a zip file with a manifest, and a file a table with a JSON object a line."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import IO, Any

from limen.core.problems import ProblemError

FORMAT, VERSION = "limen-archive", 1
MANIFEST = "manifest.json"
_STEP = 1_000
_LONGEST = 64 * 1024 * 1024
"""Bytes in a line: a profile, with everything that may be in it, has some thousands."""


@dataclass(frozen=True, slots=True)
class Part:
    """A table in an archive."""

    name: str
    rows: int
    sha256: str
    """Of the file's content, in hex."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive says of itself."""

    exported_at: float
    release: str
    schema: str
    installation: str
    series: str
    """Of the tombstones that the database wrote last; empty where it wrote none."""
    number: int
    usage: bool
    tables: tuple[Part, ...]


def file_of(name: str) -> str:
    """The name, in the archive, of a table's file."""
    return f"tables/{name}.jsonl"


def write_manifest(archive: zipfile.ZipFile, manifest: Manifest) -> None:
    """The archive has its manifest."""
    told = {"format": FORMAT, "version": VERSION} | asdict(manifest)
    with archive.open(_info(MANIFEST), "w") as out:
        out.write(json.dumps(told, indent=2).encode() + b"\n")


def read_manifest(archive: zipfile.ZipFile) -> Manifest:
    """What the archive says of itself. Raises ProblemError (``archive_wrong``)."""
    try:
        told: dict[str, Any] = json.loads(archive.read(MANIFEST))
        if (told.pop("format"), told.pop("version")) != (FORMAT, VERSION):
            raise ProblemError("archive_wrong", f"The archive is not of the form {FORMAT} {VERSION}.")
        parts = tuple(Part(**part) for part in told.pop("tables"))
        return Manifest(**told, tables=parts)
    except (KeyError, TypeError, ValueError) as error:
        raise ProblemError("archive_wrong", f"The archive's manifest cannot be read: {error}.") from error


def write_table(archive: zipfile.ZipFile, name: str, rows: Iterable[Any]) -> Part:
    """The archive has a table's rows, a line each; what the manifest says of it."""
    digest, count = hashlib.sha256(), 0
    with archive.open(_info(file_of(name)), "w", force_zip64=True) as out:
        for row in rows:
            line = json.dumps(row, separators=(",", ":")).encode() + b"\n"
            digest.update(line)
            out.write(line)
            count += 1
    return Part(name, count, digest.hexdigest())


def read_table(archive: zipfile.ZipFile, part: Part) -> Iterator[Any]:
    """A table's rows, one by one. Raises ProblemError (``archive_wrong``), at the latest behind the last one."""
    digest, count = hashlib.sha256(), 0
    try:
        with archive.open(file_of(part.name)) as file:
            while line := file.readline(_LONGEST):
                digest.update(line)
                count += 1
                yield json.loads(line)
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ProblemError("archive_wrong", f"{file_of(part.name)} cannot be read: {error}.") from error
    if (count, digest.hexdigest()) != (part.rows, part.sha256):
        raise ProblemError(
            "archive_wrong", f"{file_of(part.name)} is not what the manifest says: rows or digest differ."
        )


def counted(rows: Iterable[Any], done: int, total: int, progress: Callable[[int, int], None]) -> Iterator[Any]:
    """*rows*, telling *progress* of every thousandth: *done* of *total* came before them."""
    for number, row in enumerate(rows, done + 1):
        if number % _STEP == 0 or number == total:
            progress(number, total)
        yield row


def opened(file: IO[bytes]) -> zipfile.ZipFile:
    """The archive in *file*, to be read. Raises ProblemError (``archive_wrong``)."""
    try:
        return zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        raise ProblemError("archive_wrong", f"The file is no archive: {error}.") from error


def _info(name: str) -> zipfile.ZipInfo:
    """Of one moment, so that the same rows are the same bytes."""
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    return info

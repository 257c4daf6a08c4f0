"""Peppers: the secrets under which keys are stored. They lie in a file of their own, never in the database (C004).

The file has a line a version: its number, a colon, 64 hexadecimal digits. The highest is used for new keys; the others
are needed for as long as a key is stored under them. The database holds a known answer under each, so that a process
with the wrong file does not start.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Connection, insert, select

from limen.core.keys import PEPPER_BYTES, Digest, Entropy, digester, same
from limen.core.problems import ProblemError
from limen.db.tables import peppers

_LINE = re.compile(r"(\d{1,6}):([0-9a-f]{64})")
_KNOWN = b"limen/pepper/known-answer"


def write_new(path: Path, entropy: Entropy) -> None:
    """Make the file *path* with one new pepper, readable by its owner alone; whole and on the disk, or not there.

    Raises ProblemError (``pepper_wrong``) where it cannot be made, and FileExistsError where it is: never overwrites.
    """
    unnamed = path.with_name(f".{path.name}.{entropy(8).hex()}")
    try:
        file = os.open(unnamed, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(file, "w") as out:
                out.write(f"1:{entropy(PEPPER_BYTES).hex()}\n")
                out.flush()
                os.fsync(out.fileno())
            os.link(unnamed, path)
        finally:
            unnamed.unlink()
        _sync_folder(path.parent)
    except FileExistsError:
        raise
    except OSError as error:
        raise ProblemError("pepper_wrong", f"The pepper file {path} cannot be made: {error.strerror}.") from error


def _sync_folder(folder: Path) -> None:
    """The names in *folder* survive power loss: without the pepper's, every key would be lost."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def read(path: Path) -> dict[int, Digest]:
    """Pepper version to digest, the newest last. Raises ProblemError, never showing what the file holds."""
    try:
        mode = path.stat().st_mode
        lines = path.read_text("ascii", errors="replace").split()
    except OSError as error:
        raise ProblemError("pepper_wrong", f"The pepper file {path} cannot be read: {error.strerror}.") from error
    if stat.S_IMODE(mode) & 0o077:
        raise ProblemError("pepper_wrong", f"The pepper file {path} can be read by others. Run 'chmod 600 {path}'.")
    found: dict[int, Digest] = {}
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ProblemError("pepper_wrong", f"Line {number} of the pepper file {path} is not VERSION:64-HEX-DIGITS.")
        if int(match[1]) in found:
            raise ProblemError("pepper_wrong", f"The pepper file {path} has version {int(match[1])} twice.")
        found[int(match[1])] = digester(bytes.fromhex(match[2]))
    if not found:
        raise ProblemError("pepper_wrong", f"The pepper file {path} is empty.")
    return dict(sorted(found.items()))


def remember(connection: Connection, digests: Mapping[int, Digest], now: float) -> None:
    """Store the known answer of each pepper that the database does not know yet.

    Raises ProblemError unless those that it knows are in *digests*: a wrong file teaches it nothing.
    """
    known = _answers(connection)
    _require(known, digests)
    for version, digest in digests.items():
        if version not in known:
            connection.execute(insert(peppers).values(version=version, answer=digest(_KNOWN), created_at=now))


def verify(connection: Connection, digests: Mapping[int, Digest]) -> None:
    """Raises ProblemError unless *digests* has the peppers of the database, and no others (C005)."""
    known = _answers(connection)
    if not known:
        raise ProblemError("store_not_ready", "The database knows no pepper. Run 'limen init'.")
    _require(known, digests)
    if new := sorted(digests.keys() - known.keys()):
        raise ProblemError(
            "pepper_wrong", f"The database does not know version {new[0]} of the pepper file. Run 'limen init'."
        )


def _answers(connection: Connection) -> dict[int, bytes]:
    return {row.version: row.answer for row in connection.execute(select(peppers.c.version, peppers.c.answer))}


def _require(known: Mapping[int, bytes], digests: Mapping[int, Digest]) -> None:
    for version, answer in known.items():
        if version not in digests:
            raise ProblemError("pepper_wrong", f"The pepper file has no version {version}, which the database needs.")
        if not same(digests[version](_KNOWN), answer):
            raise ProblemError(
                "pepper_wrong", f"Version {version} of the pepper is not the one the keys were stored under."
            )

"""Peppers and secrets: what keys are stored under. They lie in a file of their own, never in the database (C004).

The file has a line a pepper: its version, a colon, 64 hexadecimal digits. The highest that the database knows is used
for new keys; the others are needed for as long as a key is stored under them. And it has a line a secret: its name, a
colon, 32 to 128 hexadecimal digits. The secret ``locator`` is made with the file, others came with imported keys. The
database holds a known answer of each, so that a process with the wrong file does not start.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from sqlalchemy import Connection, insert, select

from limen.core.keys import PEPPER_BYTES, Entropy, same
from limen.core.problems import ProblemError
from limen.core.schemes import LOCATOR, SECRET_NAME, Keyring
from limen.db.tables import pepper_secrets, peppers

SECRET_BYTES = (16, 64)
"""How long a secret is. HMAC-SHA-256 hashes a longer one before it is used (RFC 2104), so that none is needed."""

Answers = tuple[Mapping[int, bytes], Mapping[str, bytes]]
"""The known answers of the peppers by version, and of the secrets by name."""

_PEPPER = re.compile(r"(\d{1,6}):([0-9a-f]{64})")
_SECRET = re.compile(rf"({SECRET_NAME.pattern}):((?:[0-9a-f]{{2}}){{{SECRET_BYTES[0]},{SECRET_BYTES[1]}}})")
_KNOWN = b"limen/pepper/known-answer"
_PERSON = b"limen/secret/v1"


def write_new(path: Path, entropy: Entropy) -> None:
    """Make the file *path* with a pepper and the locators' secret, readable by its owner alone; whole, or not there.

    Raises ProblemError (``pepper_wrong``) where it cannot be made, and FileExistsError where it is: never overwrites.
    """
    text = f"1:{entropy(PEPPER_BYTES).hex()}\n{LOCATOR}:{entropy(PEPPER_BYTES).hex()}\n"
    try:
        _place(path, text, entropy(8).hex(), os.link)
    except FileExistsError:
        raise
    except OSError as error:
        raise ProblemError("pepper_wrong", f"The pepper file {path} cannot be made: {error.strerror}.") from error


def add(path: Path, name: int | str, value: bytes) -> None:
    """The file has a line of the pepper, or of the secret, *name*. Raises ProblemError; then it is as it was."""
    _rewrite(path, lambda lines: [*lines, f"{name}:{value.hex()}"])


def drop(path: Path, name: int | str) -> None:
    """The file has no line *name*. Raises ProblemError; then it is as it was."""
    _rewrite(path, lambda lines: [line for line in lines if _name(line) != str(name)])


def _name(line: str) -> str:
    name = line.partition(":")[0]
    return str(int(name)) if name.isdigit() else name


def _rewrite(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Put a file with other lines into the place of *path*: who reads it meets the one or the other, whole.

    Only under the store's write lock: two that did so at once would lose a line.
    """
    read(path)  # a file that cannot be read is not made worse
    path = path.resolve()
    lines = path.read_text("ascii").split()
    if (changed := change(lines)) == lines:
        return
    try:
        _place(path, "".join(f"{line}\n" for line in changed), "new", os.replace)
    except OSError as error:
        raise ProblemError("pepper_wrong", f"The pepper file {path} cannot be written: {error.strerror}.") from error


def _place(path: Path, text: str, mark: str, move: Callable[[Path, Path], None]) -> None:
    """Write *text* beside *path*, onto the disk, and *move* it there."""
    unnamed = path.with_name(f".{path.name}.{mark}")
    unnamed.unlink(missing_ok=True)  # left by a writer that was killed
    file = os.open(unnamed, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(file, "w") as out:
            if path.exists() and (before := path.stat()).st_uid != os.geteuid():  # root's command, a server's file
                os.fchown(file, before.st_uid, before.st_gid)
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        move(unnamed, path)
    finally:
        unnamed.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """The names in *folder* survive power loss: without the pepper's, every key would be lost."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _private(found: os.stat_result) -> bool:
    """Whether this user alone reads the file; or, as a secret is mounted into a container, root's group, which is ours.

    There the file is root's, its group is the one that the container was given, and nobody writes it.
    """
    mode = stat.S_IMODE(found.st_mode)
    mounted = found.st_uid == 0 != os.geteuid() and not mode & 0o037
    return mounted or not mode & 0o077


def read(path: Path) -> Keyring:
    """What the file holds, the newest pepper last. Raises ProblemError, never showing any of it."""
    try:
        found_at = path.stat()
        lines = path.read_text("ascii", errors="replace").split()
    except OSError as error:
        raise ProblemError("pepper_wrong", f"The pepper file {path} cannot be read: {error.strerror}.") from error
    if not _private(found_at):
        raise ProblemError("pepper_wrong", f"The pepper file {path} can be read by others. Run 'chmod 600 {path}'.")
    found: dict[int, bytes] = {}
    secrets: dict[str, bytes] = {}
    for number, line in enumerate(lines, 1):
        if match := _PEPPER.fullmatch(line):
            if int(match[1]) in found:
                raise ProblemError("pepper_wrong", f"The pepper file {path} has version {int(match[1])} twice.")
            found[int(match[1])] = bytes.fromhex(match[2])
        elif match := _SECRET.fullmatch(line):
            if match[1] in secrets:
                raise ProblemError("pepper_wrong", f"The pepper file {path} has the secret {match[1]!r} twice.")
            secrets[match[1]] = bytes.fromhex(match[2])
        else:
            raise ProblemError(
                "pepper_wrong",
                f"Line {number} of the pepper file {path} is not VERSION:64-HEX-DIGITS, nor NAME:32-TO-128-HEX-DIGITS.",
            )
    if not found:
        raise ProblemError("pepper_wrong", f"The pepper file {path} {'has no pepper' if secrets else 'is empty'}.")
    return Keyring(dict(sorted(found.items())), secrets)


def answers(connection: Connection) -> Answers:
    """The known answers of the database."""
    of_peppers = connection.execute(select(peppers.c.version, peppers.c.answer)).all()
    of_secrets = connection.execute(select(pepper_secrets.c.name, pepper_secrets.c.answer)).all()
    return {row.version: row.answer for row in of_peppers}, {row.name: row.answer for row in of_secrets}


def proven(keyring: Keyring, known: Answers) -> Keyring:
    """What is on *keyring* and gives the *known* answer."""
    told = keyring.secrets if LOCATOR in keyring.secrets else {}
    return Keyring(
        {v: key for v, key in keyring.peppers.items() if v in known[0] and same(_answer(keyring, v), known[0][v])},
        {n: key for n, key in told.items() if n in known[1] and same(_answer(keyring, n), known[1][n])},
    )


def remember(connection: Connection, keyring: Keyring, now: float) -> None:
    """Store the known answer of each newer pepper, and of each secret, that the database does not know yet.

    An older pepper that it does not know was retired. Raises ProblemError unless those it knows are on *keyring*: a
    wrong file teaches it nothing.
    """
    known = answers(connection)
    _require(keyring, known)
    newest = max(known[0], default=-1)
    for version in (version for version in keyring.peppers if version > newest):
        values = {"version": version, "answer": _answer(keyring, version), "created_at": now}
        connection.execute(insert(peppers).values(values))
    if LOCATOR in keyring.secrets:
        for name in keyring.secrets.keys() - known[1].keys():
            values = {"name": name, "answer": _answer(keyring, name), "created_at": now}
            connection.execute(insert(pepper_secrets).values(values))


def verify(connection: Connection, keyring: Keyring) -> None:
    """Raises ProblemError unless *keyring* has the peppers and secrets of the database (C005).

    It may have more: a file is changed before the database, and what the database does not know is not used.
    """
    known = answers(connection)
    if not known[0]:
        raise ProblemError("store_not_ready", "The database knows no pepper. Run 'limen init'.")
    _require(keyring, known)


def _answer(keyring: Keyring, name: int | str) -> bytes:
    """The known answer of a pepper; of a secret one that is keyed, as a secret of another system may be guessed."""
    if isinstance(name, int):
        return keyring.digest(name)(_KNOWN)
    content = b"" if name == LOCATOR else keyring.secrets[name]
    return hashlib.blake2b(content, key=keyring.secrets[LOCATOR], digest_size=32, person=_PERSON).digest()


def _require(keyring: Keyring, known: Answers) -> None:
    for version, answer in known[0].items():
        if version not in keyring.peppers:
            raise ProblemError("pepper_wrong", f"The pepper file has no version {version}, which the database needs.")
        if not same(_answer(keyring, version), answer):
            raise ProblemError(
                "pepper_wrong", f"Version {version} of the pepper is not the one the keys were stored under."
            )
    for name in sorted(known[1], key=lambda name: name != LOCATOR):  # the answers of the others depend on it
        if name not in keyring.secrets:
            raise ProblemError("pepper_wrong", f"The pepper file has no secret {name!r}, which the database needs.")
        if not same(_answer(keyring, name), known[1][name]):
            raise ProblemError("pepper_wrong", f"The secret {name!r} of the pepper file is not the one it was.")

"""The peppers and secrets that one process has: read when it starts, and again once the database knows of more.

So a pepper is added, and an old one retired, while processes run. What the file holds counts only once the database has
its known answer: the file is written first, and a file that was mixed up does no harm to a process that runs.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection

from limen.core.keys import Digest, Entropy
from limen.core.people import Actor
from limen.core.problems import ProblemError
from limen.core.schemes import PLAIN, Keyring
from limen.db import pepper
from limen.db.pepper import Answers
from limen.db.transaction import Tx

UNKNOWN = 0
"""The number of what this process cannot make now: no digest has it, so that the gate asks the store again."""

_FIRST_OTHER = 1_000_000
"""The first number of a digest that is not that of a pepper alone; versions are below it."""


class Ring:
    """What a process has, and the digests made with it. ``digests`` is what its gates look into on every request."""

    def __init__(self, path: Path, answers: Callable[[], Answers]) -> None:
        """What the file *path* holds; *answers* reads those of the database. Raises ProblemError."""
        self._path, self._answers = path, answers
        self._lock = Lock()
        self._signature = _signature(path)  # before it is read: what changes meanwhile is read again
        self._file = pepper.read(path)
        self._proven = Keyring()
        self._numbers: dict[tuple[int, str], int] = {}
        self.keyring = self._file
        """What counts: of the file that which the database has proven; all of it while a database is set up."""
        self.current = max(self._file.peppers)
        """The version that new keys are stored under."""
        self.digests: dict[int, Digest] = {}

    def number(self, version: int, scheme: str) -> int:
        """What ``digests`` has the digest by *scheme* under pepper *version* as; ``UNKNOWN``: it cannot be made here.

        Where it cannot, the file is looked at again: one look at its date, unless it has changed. Raises StoreDown.
        """
        if scheme == PLAIN and version in self.digests:
            return version
        known = self._numbers.get((version, scheme))
        if known is None and not self._make(version, scheme):
            self.learn(self._answers())
            self._make(version, scheme)
        return self._numbers.get((version, scheme), UNKNOWN)

    def _make(self, version: int, scheme: str) -> bool:
        try:
            digest = self.keyring.digest(version, scheme)
        except (LookupError, ValueError):
            return False
        with self._lock:
            other = _FIRST_OTHER + len(self._numbers)
            number = self._numbers.setdefault((version, scheme), version if scheme == PLAIN else other)
            self.digests[number] = digest
        return True

    def learn(self, known: Answers) -> None:
        """Take up what the database knows by now: ``current`` is the highest version of it that this process has.

        A file that cannot be read is no reason to stop: what was read from it before still holds.
        """
        with self._lock:
            had = self._proven
            if known[0].keys() - had.peppers.keys() or known[1].keys() - had.secrets.keys():
                self._read_again()
                new = pepper.proven(self._file, known)
                had = Keyring({**new.peppers, **had.peppers}, {**new.secrets, **had.secrets})
                if had.peppers:  # else the database is being set up, or refuses this file in a moment
                    self.keyring = self._proven = had
                for version in had.peppers.keys() - self.digests.keys():
                    self.digests[version] = had.digest(version)
            self.current = max(had.peppers.keys() & known[0].keys(), default=self.current)

    def tx(self, connection: Connection, now: float, actor: Actor, entropy: Entropy) -> Tx:
        """What a verb is handed: with the newest pepper, also where that came a moment ago."""
        self.learn(pepper.answers(connection))
        keyring, current = self.keyring, self.current
        return Tx(connection, now, actor, entropy, current, keyring.digest(current), keyring)

    def _read_again(self) -> None:
        if (found := _signature(self._path)) != self._signature:
            with suppress(ProblemError):
                self._file = pepper.read(self._path)
                self._signature = found


def _signature(path: Path) -> tuple[int, int, int]:
    """What tells one state of a file from the next, whoever wrote it."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)

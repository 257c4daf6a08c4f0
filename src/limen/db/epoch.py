"""The epoch: eight bytes that every process on a host maps, and the lock under which they move (ADR 0005).

Odd while a change commits, even after. Whoever changes something holds the write lock from before its transaction to
after the epoch is even again, so an odd epoch under the lock was left by a writer that died; it is mended by moving
on to the next even number, which makes every reader look at the change log.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from time import monotonic, sleep

from limen.core.problems import ProblemError, StoreDown

LOCK_TIMEOUT_S = 30.0
"""How long a writer waits for those before it: a drain's batch takes 0.1 s."""


class Epoch:
    """The epoch of one store. ``cell[0]`` is its value, at the cost of one memory read."""

    def __init__(self, folder: Path) -> None:
        """Map the epoch of *folder*, which exists; the file is made if it is not there. Raises StoreDown."""
        self._path, self._lock_path = folder / "epoch", folder / "write.lock"
        self._thread_lock = Lock()
        file = _opened(self._path)
        try:
            if os.fstat(file).st_size < mmap.PAGESIZE:
                os.posix_fallocate(file, 0, mmap.PAGESIZE)
            self._inode = os.fstat(file).st_ino
            self.cell = memoryview(mmap.mmap(file, mmap.PAGESIZE)).cast("Q")
        except OSError as error:
            raise StoreDown(f"{self._path} cannot be used: {error.strerror}.") from error
        finally:
            os.close(file)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the write lock, over all threads and processes; mend what a writer that died left behind.

        Raises StoreDown; ProblemError (``store_not_ready``) where the epoch's file is another one by now.
        """
        with self._thread_lock:
            file = _opened(self._lock_path)
            try:
                _lock(file, self._lock_path)
                self._require_same_file()
                if self.cell[0] & 1:
                    self.cell[0] += 1
                yield
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)  # closing is not enough: a child forked meanwhile has it open too
                os.close(file)

    def stands(self) -> bool:
        """Whether the file is still the one that is mapped here. Another would be moved by others, unseen here."""
        try:
            return self._path.stat().st_ino == self._inode
        except OSError:
            return False

    def _require_same_file(self) -> None:
        if not self.stands():
            raise ProblemError(
                "store_not_ready",
                f"{self._path} was replaced while it was in use. Stop every process of this installation, then start.",
            )

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Around a commit, under ``held``: odd within, then the next even number, whether it was committed or not."""
        self.cell[0] += 1
        try:
            yield
        finally:
            self.cell[0] += 1


def retire(folder: Path) -> None:
    """The epoch of *folder* stays odd for ever, so that nobody who maps it answers from memory; another has its place.

    Nobody works on the installation, as far as is known: this is for whoever is not known. Raises StoreDown, OSError.
    """
    old = Epoch(folder)
    with old.held():
        old.cell[0] |= 1
        fresh = folder / "epoch.new"
        file = os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o600)
        try:
            os.pwrite(file, (old.cell[0] + 1).to_bytes(8, sys.byteorder).ljust(mmap.PAGESIZE, b"\0"), 0)
            os.fsync(file)
        finally:
            os.close(file)
        fresh.replace(folder / "epoch")


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise StoreDown(f"{path} cannot be opened: {error.strerror}.") from error


def _lock(file: int, path: Path) -> None:
    """Lock *file*, waiting for as long as a statement waits for another's. Raises StoreDown."""
    deadline = monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if monotonic() > deadline:
                raise StoreDown(f"{path} is held by another writer for more than {LOCK_TIMEOUT_S:g} s.") from None
            sleep(0.001)

"""The epoch: eight bytes that every process on a host maps, and the lock under which they move (ADR 0005).

Odd while a change commits, even after. Whoever changes something holds the write lock from before its transaction to
after the epoch is even again, so an odd epoch under the lock was left by a writer that died; it is mended by moving
on to the next even number, which makes every reader look at the change log.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from limen.core.problems import ProblemError, StoreDown


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
                fcntl.flock(file, fcntl.LOCK_EX)
                self._require_same_file()
                if self.cell[0] & 1:
                    self.cell[0] += 1
                yield
            finally:
                os.close(file)

    def _require_same_file(self) -> None:
        """A new file would be moved by new processes, and this one would go on reading the old."""
        if not self._path.exists() or self._path.stat().st_ino != self._inode:
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


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise StoreDown(f"{path} cannot be opened: {error.strerror}.") from error

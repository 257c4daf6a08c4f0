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


class Epoch:
    """The epoch of one store. ``cell[0]`` is its value, at the cost of one memory read."""

    def __init__(self, folder: Path) -> None:
        """Map the epoch of *folder*, which exists; the file is made if it is not there."""
        self._path, self._lock_path = folder / "epoch", folder / "write.lock"
        self._thread_lock = Lock()
        file = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            if os.fstat(file).st_size < mmap.PAGESIZE:
                os.posix_fallocate(file, 0, mmap.PAGESIZE)
            self._inode = os.fstat(file).st_ino
            self.cell = memoryview(mmap.mmap(file, mmap.PAGESIZE)).cast("Q")
        finally:
            os.close(file)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the write lock, over all threads and processes; mend what a writer that died left behind."""
        with self._thread_lock:
            file = os.open(self._lock_path, os.O_CREAT | os.O_RDWR, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                if os.stat(self._path).st_ino != self._inode:
                    raise RuntimeError(
                        f"{self._path} was replaced while it was in use; restart every process of this store"
                    )
                if self.cell[0] & 1:
                    self.cell[0] += 1
                yield
            finally:
                os.close(file)

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Around a commit, under ``held``: odd within, the next even number after, whether it came to a commit or not."""
        self.cell[0] += 1
        try:
            yield
        finally:
            self.cell[0] += 1

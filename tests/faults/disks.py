"""Disks of a few hundred kilobytes, that can be filled and emptied, and folders that can only be read."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.processes import ANSWER_S


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, timeout=ANSWER_S, check=False)
    if done.returncode:
        pytest.skip(f"NO DISK FAULT WAS TRIED: '{' '.join(words)}' needs the right to mount: {done.stderr.strip()}")


class Disk:
    """A small disk, mounted at *folder*."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._filler = folder, folder / "filler"

    def fill(self) -> None:
        """Leave no room on it."""
        with self._filler.open("ab", buffering=0) as filler:
            size = 65_536
            while size:
                try:
                    filler.write(b"\0" * size)
                except OSError:
                    size //= 2

    def empty(self) -> None:
        """Make room again."""
        self._filler.unlink()


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Disk]:
    """A disk at *folder*. Skips the test, loudly, where it cannot be mounted; it is unmounted when the block ends."""
    folder.mkdir(parents=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={kilobytes}k,mode=700", "tmpfs", str(folder))
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], timeout=ANSWER_S, check=True)


@contextmanager
def read_only(folder: Path, at: Path) -> Iterator[Path]:
    """*folder*, seen at *at*, where nothing in it can be changed."""
    at.mkdir(parents=True)
    _run("mount", "--bind", str(folder), str(at))
    try:
        _run("mount", "-o", "remount,bind,ro", str(at))
        yield at
    finally:
        subprocess.run(["umount", "--lazy", str(at)], timeout=ANSWER_S, check=True)

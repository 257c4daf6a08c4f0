"""Disks of a few hundred kilobytes, that can be filled and emptied, and folders that can only be read."""

from __future__ import annotations

import subprocess
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


class Mounts:
    """What a test mounts under *folder*, until ``close``. A test that cannot is skipped, loudly."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._mounted = folder, list[Path]()

    def disk(self, kilobytes: int) -> Disk:
        """A disk of its own."""
        at = self._new()
        _run("mount", "-t", "tmpfs", "-o", f"size={kilobytes}k,mode=700", "tmpfs", str(at))
        self._mounted.append(at)
        return Disk(at)

    def read_only(self, folder: Path) -> Path:
        """*folder*, seen where nothing in it can be changed."""
        at = self._new()
        _run("mount", "--bind", str(folder), str(at))
        self._mounted.append(at)
        _run("mount", "-o", "remount,bind,ro", str(at))
        return at

    def _new(self) -> Path:
        at = self._folder / f"mount{len(self._mounted)}"
        at.mkdir()
        return at

    def close(self) -> None:
        """Unmount everything."""
        for at in self._mounted:
            subprocess.run(["umount", "--lazy", str(at)], timeout=ANSWER_S, check=True)

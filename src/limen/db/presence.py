"""Who works on an installation: every process says so for as long as it does, and who replaces it must be alone.

A lock of the state folder's file: shared by all, or held by one. It goes with its process, by a kill too.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from limen.core.problems import ProblemError, StoreDown
from limen.db.doctor import is_held

FILE = "presence.lock"


def enter(folder: Path) -> int:
    """Work on the installation of *folder*, until the file that is returned is handed to ``leave``. 10 µs.

    Raises ProblemError (``in_use``) where somebody replaces it, StoreDown.
    """
    return _locked(folder, fcntl.LOCK_SH, "The installation is being replaced, by 'limen restore' or 'limen import'.")


@contextmanager
def entered(folder: Path) -> Iterator[None]:
    """As ``enter``, for as long as the block runs."""
    file = enter(folder)
    try:
        yield
    finally:
        leave(file)


def leave(file: int) -> None:
    """What ``enter`` or ``alone`` locked, this process works on no more."""
    fcntl.flock(file, fcntl.LOCK_UN)  # closing is not enough: a child forked meanwhile has it open too
    os.close(file)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """No other process works on the installation of *folder*, and none begins to. Raises as ``enter`` does."""
    file = _locked(folder, fcntl.LOCK_EX, f"{_who(folder)} Stop servers, workers, applications with a guard, commands.")
    try:
        yield
    finally:
        leave(file)


def _locked(folder: Path, how: int, taken: str) -> int:
    path = folder / FILE
    try:
        file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise StoreDown(f"{path} cannot be opened: {error.strerror}.") from error
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise ProblemError("in_use", taken) from None
    return file


def _who(folder: Path) -> str:
    """What is known of the processes of the installation: of those that decide, their numbers."""
    found = [
        f"process {', '.join(path.read_text('ascii', 'replace').split()) or 'unknown'} decides for {path.stem[5:]}"
        for path in sorted(folder.glob("gate-*.lock"))
        if is_held(path)
    ]
    return f"Processes of this installation are running{': ' if found else ''}{', '.join(found)}."

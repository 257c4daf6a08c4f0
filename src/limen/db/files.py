"""Files that are there whole, and survive power loss, or are not there."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from limen.core.problems import ProblemError

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def sync(path: Path) -> None:
    """What the file *path* holds survives power loss."""
    _sync(path, os.O_RDWR)


def sync_folder(folder: Path) -> None:
    """The names in *folder* survive power loss."""
    _sync(folder, os.O_RDONLY)


def _sync(path: Path, how: int) -> None:
    file = os.open(path, how)
    try:
        os.fsync(file)
    finally:
        os.close(file)


@contextmanager
def whole(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """An empty file beside *path*, for this user alone, to be written: when the block ends it is *path*, durably.

    When the block raises, nothing is left; after a kill at most the file beside, which the next one takes over. Raises
    ProblemError (``file_exists``) where *path* is there and not to be replaced, or is being written; OSError.
    """
    if not replace:
        _require_free(path)
    beside = path.with_name(f".{path.name}.partial")
    file = os.open(beside, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ProblemError("file_exists", f"Another process is writing {path}.") from None
        try:
            _require_same(file, beside)
            os.ftruncate(file, 0)
            yield beside
            sync(beside)
            _name(beside, path, replace=replace)
            sync_folder(path.absolute().parent)
        except BaseException:
            with suppress(FileNotFoundError):
                beside.unlink()
            raise
    finally:
        os.close(file)


def _require_same(file: int, beside: Path) -> None:
    """Between opening and locking it another process may have finished it: it has its name by now."""
    if not beside.exists() or beside.stat().st_ino != os.fstat(file).st_ino:
        raise ProblemError("file_exists", f"Another process has written {beside} just now.")


def _name(beside: Path, path: Path, *, replace: bool) -> None:
    if replace:
        beside.replace(path)
        return
    try:
        os.link(beside, path)
    except FileExistsError:
        _require_free(path)
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _require_free(path)  # a file system without links: between this line and the next it could be made
        beside.replace(path)
    else:
        beside.unlink()


def _require_free(path: Path) -> None:
    if os.path.lexists(path):
        raise ProblemError("file_exists", f"{path} is there already. Choose another name, or add --force.")

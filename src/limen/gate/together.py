"""How one process counts for an API beside the others of its host, if there are any.

Who is alone counts in memory. Whoever comes second rings; the first then puts its windows into the host's file
(``gate.windows``), where both count from then on, and everybody who comes later. What was counted stays in the file
when a process ends in order, so that the next one goes on with it.

Locks say who is there: who is alone holds the API's lock for itself, who counts in the file shares it. Nobody begins
while another does (the *door*), so that between the two nobody can take himself for alone.
"""

from __future__ import annotations

import fcntl
import logging
import os
import select
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic, sleep

from limen.gate.counters import Counters, MemoryCounters
from limen.gate.counting import AuthorityGone
from limen.gate.sharing import SharedCounters
from limen.gate.windows import HostWindows, Left, Mark, boottime, mark

_log = logging.getLogger("limen.counting")

HAND_OVER_S = 10.0
"""How long whoever comes second waits for the windows of the first."""

ROUND_S = 0.5
"""How often a process that counts in the file says that it is alive, and gives back what it holds in vain."""


class HeldAlone(Exception):
    """Another process counts for the API alone, and does not hand its windows over. *holders*: as the lock names it."""

    def __init__(self, holders: str) -> None:
        super().__init__(holders)
        self.holders = holders


class Together:
    """This process's counters for one API: others, when a second process comes."""

    def __init__(self, folder: Path, api: str) -> None:
        """*folder* is the state folder. Raises HeldAlone; OSError where its files cannot be made; AuthorityGone."""
        self._path = folder / f"gate-{api}.lock"
        self._bell_path = folder / f"gate-{api}.bell"
        self._told: Callable[[Counters], None] = lambda _: None
        self._folder, self._api = folder / "windows", api
        self._windows: HostWindows | None = None
        self._shared: SharedCounters | None = None
        self._alone: MemoryCounters | None = None
        self._processes = 2
        self._ended, self._telling = Event(), Lock()
        self._bell = self._ringing = -1
        self._lock = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            self._enter(folder / f"gate-{api}.door")
        except BaseException:
            os.close(self._lock)
            self._close_file()
            raise
        self._thread = Thread(target=self._watch, name="limen-together", daemon=True)
        self._thread.start()

    @property
    def counters(self) -> Counters:
        """What counts now."""
        found = self._shared or self._alone
        assert found is not None  # noqa: S101  (one of them is made before anybody can ask)
        return found

    def tell(self, told: Callable[[Counters], None]) -> None:
        """Hand *told* what counts, now and whenever that changes. The counters of before ask those of after."""
        with self._telling:
            self._told = told
            told(self.counters)

    def _enter(self, door: Path) -> None:
        file = os.open(door, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            deadline = monotonic() + 2 * HAND_OVER_S  # whoever is before this one has given up by then
            while not _locks(file, fcntl.LOCK_EX):
                if monotonic() > deadline:
                    raise HeldAlone(self._holders())
                sleep(0.002)
            if self._locks(fcntl.LOCK_EX):
                left = self._file().left() if (self._folder / self._api).exists() else {}
                self._alone = MemoryCounters(_Before(left))
                self._listen()
            else:
                self._ring_until_shared()
                self._shared = self._sharing()
            self._sign()
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)  # closing is not enough: a child forked meanwhile has it open too
            os.close(file)

    def _locks(self, how: int) -> bool:
        return _locks(self._lock, how)

    def _holders(self) -> str:
        return os.pread(self._lock, 256, 0).decode("ascii", "replace").strip() or "unknown"

    def _listen(self) -> None:
        with suppress(FileExistsError):
            os.mkfifo(self._bell_path, 0o600)
        self._bell = os.open(self._bell_path, os.O_RDONLY | os.O_NONBLOCK)
        self._ringing = os.open(self._bell_path, os.O_WRONLY | os.O_NONBLOCK)  # and so it never comes to an end

    def _ring_until_shared(self) -> None:
        deadline = monotonic() + HAND_OVER_S
        while not self._locks(fcntl.LOCK_SH):
            if monotonic() > deadline:
                raise HeldAlone(self._holders())
            with suppress(OSError):  # nobody listens: whoever held the lock has just ended
                bell = os.open(self._bell_path, os.O_WRONLY | os.O_NONBLOCK)
                try:
                    os.write(bell, b"!")
                finally:
                    os.close(bell)
            sleep(0.005)

    def _file(self) -> HostWindows:
        """The host's file, made when it is first needed: who is alone starts on a full disk too."""
        if self._windows is None:
            self._windows = HostWindows(self._folder, self._api)
        return self._windows

    def _close_file(self) -> None:
        if self._windows is not None:
            self._windows.close()

    def _sharing(self) -> SharedCounters:
        windows = self._file()
        windows.live()
        return SharedCounters(
            windows, processes=lambda: self._processes, at_once=windows.decide, clock=boottime, drift=0.0
        )

    def _sign(self) -> None:
        """Write into the lock whose it is: the processes that are there."""
        with suppress(OSError):  # a full disk: the lock holds all the same, and only its holders are not told
            said = os.pread(self._lock, 4_096, 0).decode("ascii", "replace").split()
            there = [name for name in said if self._shared is not None and Path(f"/proc/{name}").exists()]
            names = [*there, str(os.getpid())]
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, " ".join(dict.fromkeys(names)).encode(), 0)

    def _watch(self) -> None:
        if self._shared is None:
            select.select([self._bell], [], [])
            if self._ended.is_set():
                return
            os.read(self._bell, 4_096)
            while not self._hand_over():
                if self._ended.wait(ROUND_S):
                    return
        while not self._ended.wait(ROUND_S):
            with suppress(AuthorityGone):  # it is in use, or gone: the next round
                self._processes = self._file().live()
            if self._shared is not None:
                self._shared.give_back()

    def _hand_over(self) -> bool:
        """Put the windows into the file, and count there from now on."""
        alone = self._alone
        assert alone is not None  # noqa: S101
        try:
            shared = self._sharing()
            alone.hand_over(self._file().put, shared)
        except (AuthorityGone, OSError) as error:
            _log.warning("the windows of %s cannot be handed over: %s", self._path.stem, error)
            return False
        with self._telling:
            self._shared, self._alone = shared, None
            self._told(shared)
        fcntl.flock(self._lock, fcntl.LOCK_SH)  # whoever has rung waits for it
        return True

    def close(self) -> None:
        """Leave the windows in the file, for the others or for whoever comes next."""
        self._ended.set()
        if self._ringing >= 0:
            os.write(self._ringing, b"!")
        self._thread.join()
        if self._shared is not None:
            self._shared.close()
        elif self._alone is not None:
            with suppress(AuthorityGone, OSError):
                self._alone.hand_over(self._file().put, MemoryCounters())
            self._close_file()
        fcntl.flock(self._lock, fcntl.LOCK_UN)  # closing is not enough: a child forked meanwhile has it open too
        self._let_go()

    def abandon(self) -> None:
        """In a forked child: let go of what is the parent's, without a word to it."""
        if self._windows is not None:
            self._windows.abandon()
        self._let_go()

    def _let_go(self) -> None:
        for file in (self._lock, self._bell, self._ringing):
            if file >= 0:
                os.close(file)
        self._lock = self._bell = self._ringing = -1


def _locks(file: int, how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class _Before:
    """What the file had of windows when a process began to count alone."""

    def __init__(self, left: dict[Mark, Left]) -> None:
        self._left = left
        self._until = max((ends_at for ends_at, _ in left.values()), default=0.0)

    def __call__(self, windows: str, whose: bytes, at: float) -> Left | None:
        """What is left of a window, if it is still open; asked for once."""
        if at >= self._until:
            self._left = {}
            return None
        found = self._left.pop(mark(windows, whose), None)
        return found if found is not None and at < found[0] else None

"""The windows of one API on one host: a file of its own that its processes map, and a lock for whoever counts.

A header of a page, then tables of slots, each twice as large as the one before; a slot is a window, and another's once
that has ended. Whoever is killed while it writes leaves a window that is too full, never one that is too empty: all is
written in stores of eight bytes, in the order that makes it so. Nothing is synced: after a loss of power windows may
begin anew.

Windows end by CLOCK_BOOTTIME, which begins anew with the machine. Then they are carried over by the wall clock, and
none lasts longer than it had left when the file was last in use.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import struct
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from time import CLOCK_BOOTTIME, clock_gettime, monotonic, sleep, time

from limen.gate.counting import Answer, AuthorityBusy, AuthorityGone, Grant, Request, Return

_log = logging.getLogger("limen.windows")

WAIT_S = 1.0
"""How long a call waits for its turn. Who counts has its turn for some microseconds, unless it is stopped in it."""

LARGEST = 1 << 23
"""How many windows the file has room for at most, open at once: 256 MB."""

ALIVE_S = 5.0
"""How long a process is taken for alive after it has said so."""

_MAGIC = int.from_bytes(b"LIMENW01", sys.byteorder)
_HEADER, _SLOT = 512, 4  # in words of eight bytes
_TABLES, _BOOT, _AHEAD, _SEEN = 1, 2, 4, 5  # where in the header; the boot's id has two words
ALIVE, PLACES = 64, 64
"""Where in the header processes say that they are alive, and how many can; as many words after that are theirs too."""
_FIRST, _PROBES = 4_096, 8  # slots of the first table, and how many of a table may hold one window
_FULL = (1 << 63) - 1
_REMEMBERED = 100_000  # of how many windows a process remembers the slot
_LONGEST_S = 1e9

_Bits = struct.Struct("=d"), struct.Struct("=q")
Mark = tuple[int, int]
"""Which window a slot is of: a digest of the limit's windows and the holder."""

Left = tuple[float, int]
"""What is left of a window: when it ends, and how many it has admitted."""


def boottime() -> float:
    """Seconds since boot, with the time spent asleep."""
    return clock_gettime(CLOCK_BOOTTIME)


def boot() -> bytes:
    """What tells this run of the machine from every other, in 16 bytes."""
    return bytes.fromhex(Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip().replace("-", ""))


def mark(windows: str, whose: bytes) -> Mark:
    """How the file knows the window of *whose* among *windows*."""
    found = blake2b(b"%b\0%b" % (windows.encode(), whose), digest_size=16).digest()
    return int.from_bytes(found[:8], "little") or 1, int.from_bytes(found[8:], "little")


class HostWindows:
    """An authority (``gate.counting``) for the processes of one host. A call takes some microseconds."""

    def __init__(
        self,
        folder: Path,
        api: str,
        *,
        now: Callable[[], float] = boottime,
        wall: Callable[[], float] = time,
        run: bytes | None = None,
    ) -> None:
        """The file of *api* in *folder*, made if it is not there. *run*: default, this run of the machine.

        Raises OSError where it cannot be made, AuthorityBusy.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path, self._now, self._wall = folder / api, now, wall
        self._run = struct.unpack("=2Q", boot() if run is None else run)
        self._lock = Lock()
        self._place = self._tables = 0
        self._known: dict[tuple[str, bytes], tuple[int, int, int]] = {}
        self._file = os.open(folder / f"{api}.lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            self._enter(WAIT_S)
            try:
                self._open()
            finally:
                self._leave()
        except BaseException:
            os.close(self._file)
            raise

    def decide(
        self, requests: Sequence[Request], returns: Sequence[Return] = (), wait_s: float = WAIT_S
    ) -> list[Answer]:
        """As ``Authority.decide``. Raises AuthorityBusy when it is nobody's turn here within *wait_s*."""
        self._enter(wait_s)
        try:
            now = self._now()
            for given in returns:
                self._take_back(given, now)
            return [self._answer(request, now) for request in requests]
        finally:
            self._leave()

    def put(self, left: Iterable[tuple[str, bytes, Left]]) -> None:
        """Windows as another counter leaves them, in place of what the file has of them. Raises as ``decide``."""
        self._enter(WAIT_S)
        try:
            now = self._now()
            for windows, whose, (ends_at, used) in left:
                if ends_at > now:
                    self._open_window(self._find(windows, whose), ends_at, used)
        finally:
            self._leave()

    def left(self) -> dict[Mark, Left]:
        """Every window that is open. Raises AuthorityBusy."""
        self._enter(WAIT_S)
        try:
            now, words, moments = self._now(), self._words, self._moments
            return {
                (words[at], words[at + 1]): (moments[at + 2], words[at + 3])
                for at in self._slots()
                if words[at] and moments[at + 2] > now
            }
        finally:
            self._leave()

    def live(self) -> int:
        """Say that this process counts here, to be repeated within ``ALIVE_S``; how many do. Raises AuthorityBusy."""
        self._enter(WAIT_S)
        try:
            moments, now = self._moments, self._now()
            places = range(ALIVE, ALIVE + PLACES)
            self._place = self._place or min(places, key=lambda place: moments[place])
            moments[self._place] = moments[_SEEN] = now
            moments[_AHEAD] = self._wall() - now
            return sum(now - moments[place] < ALIVE_S for place in places)
        finally:
            self._leave()

    def close(self) -> None:
        """Let go of the file; what is counted in it stays."""
        with self._lock:
            if self._file >= 0:
                if self._place:
                    self._moments[self._place] = 0.0
                os.close(self._file)
                self._file = -1

    def abandon(self) -> None:
        """In a forked child: let go of what the parent has open, and touch nothing in it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _enter(self, wait_s: float) -> None:
        """Have the file for oneself, over all threads and processes."""
        if not self._lock.acquire(timeout=wait_s):
            raise AuthorityBusy("the windows are in use")
        try:
            if self._file < 0:
                raise AuthorityGone("the windows are closed")
            deadline = 0.0
            while True:
                try:
                    fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    deadline = deadline or monotonic() + wait_s
                    if monotonic() > deadline:
                        raise AuthorityBusy(f"{self._path} is in use for more than {wait_s:g} s") from None
                    sleep(0.000_02)
        except BaseException:
            self._lock.release()
            raise
        if self._tables and self._words[_TABLES] != self._tables:
            self._map()

    def _leave(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)  # a child forked meanwhile has it open too
        self._lock.release()

    def _answer(self, request: Request, now: float) -> Answer:
        words, moments = self._words, self._moments
        found = []
        granted = True
        for claim in request:
            limit, least = claim.limit, claim.least
            place = self._find(limit.windows, claim.whose)
            at = place[0]
            is_open = at > 0 and now < moments[at + 2]
            rest = limit.count - words[at + 3] if is_open else limit.count
            if rest < least and not limit.shadow:
                granted = False
            found.append((claim, place, is_open, rest))
        grants = []
        for claim, place, is_open, rest in found:
            units, at = 0, place[0]
            if granted and rest >= claim.least:
                units = min(claim.most, max(claim.least, rest // claim.parts))
                if is_open:
                    words[at + 3] += units
                else:
                    at = self._open_window(place, now + claim.limit.window_s, units)
            if is_open or units:
                ends_at = self._moments[at + 2]  # not by the name above: the file may have grown
                grants.append(Grant(units, max(0, rest - units), ends_at - now, _opened(ends_at)))
            else:
                grants.append(Grant(0, max(0, rest), float(claim.limit.window_s), 0))
        return Answer(granted, tuple(grants))

    def _take_back(self, given: Return, now: float) -> None:
        at = self._find(given.limit.windows, given.whose)[0]
        if at and now < (ends_at := self._moments[at + 2]) and _opened(ends_at) == given.opened:
            self._words[at + 3] = max(0, self._words[at + 3] - given.units)

    def _find(self, windows: str, whose: bytes) -> tuple[int, int, int]:
        """Where the window's slot is, or 0; and its mark. What has room for a new one is looked for when it opens."""
        words, key = self._words, (windows, whose)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            first, second = mark(windows, whose)
        elif words[known[0]] == known[1] and words[known[0] + 1] == known[2]:
            return known
        else:
            _, first, second = known
        for start in self._buckets(first):
            for at in range(start, start + _PROBES * _SLOT, _SLOT):
                if words[at] == first and words[at + 1] == second:
                    found = self._known[key] = (at, first, second)
                    return found
                if words[at] == 0:  # nobody ever came this far
                    break
        return 0, first, second

    def _open_window(self, place: tuple[int, int, int], ends_at: float, used: int) -> int:
        """A window, in its own slot or in that of one that has ended. Killed within: nothing, or a window too full."""
        at, first, second = place
        words = self._words
        if not at or words[at] != first or words[at + 1] != second:  # it has none, or has lost it a moment ago
            at = self._room(first)
            words = self._words
            words[at + 1] = second
            words[at] = first
        words[at + 3] = _FULL
        self._moments[at + 2] = ends_at
        words[at + 3] = used
        return at

    def _room(self, first: int) -> int:
        """A slot for a new window. Raises AuthorityGone where there is no room."""
        now = self._now()
        while True:
            for start in self._buckets(first):
                for at in range(start, start + _PROBES * _SLOT, _SLOT):
                    if self._words[at] == 0 or self._moments[at + 2] <= now:
                        return at
            if _FIRST * (2 << self._tables) > LARGEST:
                raise AuthorityGone(f"{self._path} has no room for another window")
            self._grow(self._tables + 1)

    def _buckets(self, first: int) -> Iterator[int]:
        """Where a window may be: eight slots of every table."""
        base, size = _HEADER, _FIRST
        for _ in range(self._tables):
            yield base + (first % (size // _PROBES)) * _PROBES * _SLOT
            base, size = base + size * _SLOT, size * 2

    def _slots(self) -> Iterator[int]:
        return iter(range(_HEADER, len(self._words), _SLOT))

    def _grow(self, tables: int) -> None:
        file = os.open(self._path, os.O_RDWR)
        try:
            os.posix_fallocate(file, 0, _size(tables))  # or a full disk would be met inside a window
        except OSError as error:
            raise AuthorityGone(f"{self._path}: {error.strerror}") from error
        finally:
            os.close(file)
        self._words[_TABLES] = tables
        self._map()

    def _map(self) -> None:
        file = os.open(self._path, os.O_RDWR)
        try:
            mapped = memoryview(mmap.mmap(file, os.fstat(file).st_size))
        finally:
            os.close(file)
        self._words, self._moments = mapped.cast("Q"), mapped.cast("d")
        self._tables = self._words[_TABLES]

    def _open(self) -> None:
        if self._path.exists() and _is_whole(self._path):
            self._map()
            if tuple(self._words[_BOOT : _BOOT + 2]) == self._run:
                return
            kept = list(self._carried())
            _log.warning("the machine was started anew: %d windows of %s go on", len(kept), self._path.name)
        else:
            kept = []
        fresh = self._path.with_name(f"{self._path.name}.new")
        header = struct.pack("=4Qd", _MAGIC, 1, *self._run, self._wall() - self._now())
        file = os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o600)
        try:
            os.posix_fallocate(file, 0, _size(1))
            os.pwrite(file, header, 0)
        finally:
            os.close(file)
        path, self._path = self._path, fresh
        self._map()
        for first, second, ends_at, used in kept:
            self._open_window((0, first, second), ends_at, used)
        fresh.replace(path)
        self._path = path

    def _carried(self) -> Iterator[tuple[int, int, float, int]]:
        """The windows that were left when the machine went down, by the clock of this run."""
        words, moments, now = self._words, self._moments, self._now()
        ahead, seen = moments[_AHEAD], moments[_SEEN]
        for at in self._slots():
            ends_at = moments[at + 2]
            left = min(ends_at - seen, ends_at + ahead - self._wall())
            if words[at] and 0 < left < _LONGEST_S:
                yield words[at], words[at + 1], now + left, words[at + 3]


def _size(tables: int) -> int:
    return 8 * (_HEADER + _SLOT * _FIRST * ((1 << tables) - 1))


def _opened(ends_at: float) -> int:
    """What names a window: no two of one holder end at the same moment."""
    return int(_Bits[1].unpack(_Bits[0].pack(ends_at))[0])


def _is_whole(path: Path) -> bool:
    """Whether *path* is such a file; what is none, after a loss of power, is replaced."""
    with path.open("rb") as file:
        said = file.read(16)
        size = os.fstat(file.fileno()).st_size
    if len(said) < 16:
        return False
    magic, tables = struct.unpack("=2Q", said)
    return bool(magic == _MAGIC and 1 <= tables <= 11 and size >= _size(tables))

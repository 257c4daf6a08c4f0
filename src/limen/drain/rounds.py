"""Rounds: the journals are drained, the chores are done; one process at a time, and a thread that goes on with it."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread

from limen.app import App
from limen.core.problems import StoreDown
from limen.drain.chores import Rota
from limen.drain.journals import batches

LOCK = "drain.lock"
"""The file in the journal's folder that who drains has locked. It holds what failed in the last round, or nothing."""

_log = logging.getLogger("limen.drain")


@dataclass(frozen=True, slots=True)
class Round:
    """What came of a round."""

    drained: int = 0
    """Entries that became readings."""
    failures: dict[str, Exception] = field(default_factory=dict)
    """What failed, by its name: ``drain``, or a chore's."""

    def __str__(self) -> str:
        """What failed, in a line; empty where nothing did."""
        return "; ".join(f"{name}: {error}" for name, error in self.failures.items())


def drain(app: App) -> int:
    """Put everything that the journals hold by now into the readings; how many entries that was. Raises StoreDown.

    One drain at a time, over all processes: where another is at it, nothing is done here.
    """
    with _alone(app) as lock:
        return sum(batches(app)) if lock is not None else 0


def work(app: App, rota: Rota | None = None) -> Round:
    """Drain, and do the chores of *rota* whose turn it is; without one, all. What fails holds up nothing else.

    One at a time, over all processes: where another is at it, nothing is done here. While the store is down, no chore
    is tried: it would wait as long as the drain did, for the same.
    """
    once, rota = rota is None, rota or Rota()
    with _alone(app) as lock:
        if lock is None:
            return Round()
        drained, failed = 0, {}
        try:
            for count in batches(app):
                drained += count
                rota.do(app)  # in between: draining may take minutes, and the audit's chain is to keep up
        except Exception as error:  # told with the round; the chores go on
            failed["drain"] = error
        if not isinstance(failed.get("drain"), StoreDown):
            rota.do(app)
        if once:
            rota.finish()
        done = Round(drained, failed | rota.failures)
        _leave_word(lock, str(done))
        return done


@contextmanager
def _alone(app: App) -> Iterator[int | None]:
    """The lock's file, while it is held; None where another process, or thread, holds it."""
    folder = app.settings.state_folder / "journal"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield lock
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)  # closing is not enough: a child forked meanwhile has it open too
        os.close(lock)


def _leave_word(lock: int, said: str) -> None:
    """Leave *said* in the lock's file, for the check-up: it is another process's business to look."""
    content = said.encode("utf-8", "backslashreplace")[:4_096]
    with suppress(OSError):  # a full disk is found by its own check
        if os.pread(lock, 4_097, 0) != content:
            os.truncate(lock, 0)
            os.pwrite(lock, content, 0)


class Drainer:
    """Makes rounds in a thread of its own, until it is stopped."""

    def __init__(self, app: App) -> None:
        self._app, self._stop = app, Event()
        self._thread = Thread(target=self._run, name="limen-drain", daemon=True)
        self.failure: str = ""
        """Why the last round failed, and which chores do; empty when none did."""
        self._thread.start()

    def _run(self) -> None:
        rota = Rota()
        while not self._stop.wait(self._app.settings.drain_ms / 1000):
            try:
                done = work(self._app, rota)
            except Exception as error:  # no round at all: the lock's file cannot be opened
                done = Round(failures={"drain": error})
            self._tell(done)
        rota.finish()

    def _tell(self, done: Round) -> None:
        """What failed is tried again every round; a fault of ours is told to the log, once."""
        said = str(done)
        if said != self.failure:
            for name, error in done.failures.items():
                if not isinstance(error, StoreDown | OSError):
                    _log.error("%s failed; it is tried again", name, exc_info=error)
        self.failure = said

    def stop(self) -> None:
        """Stop, once the round that runs is done."""
        self._stop.set()
        self._thread.join()

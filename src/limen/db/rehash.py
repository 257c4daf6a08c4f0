"""Storing keys anew as they are used: under the newest pepper, and without the hash that another system had made.

A text is seen only while its request is decided. Its new digest is made then, and waits here; the text does not. What
finds no room comes again when its record is loaded again: nothing depends on it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import NamedTuple

from limen.core.problems import ProblemError

_log = logging.getLogger("limen.rehash")

BOUND = 10_000
"""How many keys wait at most."""

BATCH = 500
"""How many are stored in one transaction: each makes every gate look at the change log."""

PAUSE_S = 0.5
"""For how long more are gathered before a transaction."""


class Proof(NamedTuple):
    """That the text of the key at *place* was seen, and matched *digest*: *anew* is what its text is under *pepper*."""

    place: bytes
    digest: bytes
    anew: bytes
    pepper: int
    weak: bool | None
    """Whether the text looks easy to guess; None: it is not looked at."""


class Rehash:
    """The proofs that wait, and the thread that has them written: started by the first of them."""

    def __init__(self, write: Callable[[list[Proof]], object]) -> None:
        """*write* stores proofs in one transaction. Where it raises ProblemError, they are written later."""
        self._write = write
        self._waiting: dict[bytes, Proof] = {}
        self._lock, self._closed = Lock(), Event()
        self._thread: Thread | None = None

    def put(self, proof: Proof) -> None:
        """Have *proof* written before long, if there is room. Never waits, never raises."""
        with self._lock:
            if self._closed.is_set() or len(self._waiting) >= BOUND:
                return
            self._waiting[proof.place] = proof
            if self._thread is None:
                self._thread = Thread(target=self._run, name="limen-rehash", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        """Write what waits, until nothing does."""
        while not self._closed.wait(PAUSE_S):
            with self._lock:
                batch = [self._waiting.pop(place) for place in list(self._waiting)[:BATCH]]
                if not batch:
                    self._thread = None
                    return
            try:
                self._write(batch)
            except ProblemError:  # the store is down: once more, unless they have come again by then
                with self._lock:
                    self._waiting = {each.place: each for each in batch} | self._waiting
            except Exception:  # a fault of ours, which must not end the thread
                _log.exception("keys could not be stored anew; they are when they are loaded again")

    def close(self) -> None:
        """Write no more, once what is being written is."""
        with self._lock:
            self._closed.set()
            running = self._thread
        if running is not None:
            running.join()

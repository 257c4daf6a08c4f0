"""Locator to record: what this process knows of keys, how much of it, and the guard that keeps old news out.

Bounded without a clock or a list to keep: two generations. Records are born young; when the young are half of the
bound they become the old, and the old are forgotten. A record that is asked for from among the old is young again.
Locators that name nothing are remembered apart, so that garbage cannot push good keys out.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping
from threading import Lock

from limen.core.keys import BODY_CHARS, ID_CHARS, Digest, locator, same
from limen.core.record import Record

_ID_FROM, _ID_TO = -BODY_CHARS, ID_CHARS - BODY_CHARS

FREEZE_EVERY = 20_000
"""After how many fills the garbage collector is told to leave alone what it has seen so far. Over a million records a
full collection would stop every request for 0.4 s; over 20,000 it takes 10 ms."""

STALE_BOUND = 10_000
"""How many changed owners are remembered one by one; beyond them everything is forgotten."""


class Directory:
    """The records that this process holds. Look-ups take no lock; fills and forgettings take one."""

    def __init__(self, digests: Mapping[int, Digest], *, bound: int, unknown_bound: int, freezes: bool = False) -> None:
        """*digests*: a record's ``pepper`` to the digest that it is compared with; more may come while this is in use.

        At most *bound* records and *unknown_bound* unknown locators are held.

        *freezes*: records are taken out of the garbage collector's sight, and with them whatever else the process
        holds at that moment: for a process that is the gate's own."""
        self._digests = digests
        self._any = next(iter(digests.values()))
        self._half, self._unknown_half = max(1, bound // 2), max(1, unknown_bound // 2)
        self._young: dict[bytes, Record] = {}
        self._old: dict[bytes, Record] = {}
        self._stale: dict[str, int] = {}  # owner to the change that made what was read of it before that stale
        self._unknown: dict[bytes, None] = {}
        self._unknown_old: dict[bytes, None] = {}
        self._lock = Lock()
        self._fills, self._freezes = 0, freezes
        self.applied = 0
        """The change up to which everything held here is known to be right."""

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def find(self, text: bytes, at: bytes = b"") -> Record | None:
        """The record of the key *text*, *at* its locator if that is not its id.

        None where none is held, or *text* is not the whole of it.
        """
        place = at or text[_ID_FROM:_ID_TO]  # locator(text), without the call
        record = self._young.get(place) or self._promote(place)
        if record is None or (self._stale and self._is_stale(record)):
            return None
        digest = self._digests.get(record.pepper)  # one that this process lacks is the store's to find
        return record if digest is not None and same(digest(text), record.digest) else None

    def settled(self, text: bytes, at: bytes = b"") -> str:
        """Why *text* was not found: ``wrong_secret``, ``unknown_id``, or ``""`` where only the store can tell.

        An unknown id costs a digest and a comparison too, so that it takes as long as a wrong secret (C008).
        """
        place = at or locator(text)
        record = self._young.get(place) or self._old.get(place)
        if record is not None:
            digest = self._digests.get(record.pepper)
            if digest is None or self._is_stale(record) or same(digest(text), record.digest):
                return ""  # or it has been filled since it was not found
            return "wrong_secret"
        made = self._any(text)
        same(made, made)
        return "unknown_id" if place in self._unknown or place in self._unknown_old else ""

    def _is_stale(self, record: Record) -> bool:
        return record.snapshot < self._stale.get(record.owner.owner_id, 0)

    def _promote(self, place: bytes) -> Record | None:
        if place not in self._old:
            return None
        with self._lock:
            record = self._old.pop(place, None)
            if record is not None:
                self._admit(place, record)
        return record

    def _admit(self, place: bytes, record: Record) -> None:
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[place] = record

    def put(self, place: bytes, record: Record | None, snapshot: int) -> None:
        """Hold what the store said of *place* at *snapshot*: its record, or that there is none.

        Afterwards it is held, unless a change that came after *snapshot* has been applied here already: what was read
        before a revocation must not stand after it (the fill guard; a build without it is caught by its test).
        """
        with self._lock:
            if snapshot < self.applied:
                return
            if record is not None:
                record.snapshot = self.applied if snapshot == self.applied else snapshot  # one number, not a million
                self._old.pop(place, None)
                self._admit(place, record)
                self._fills += 1
            else:
                if len(self._unknown) >= self._unknown_half:
                    self._unknown_old, self._unknown = self._unknown, {}
                self._unknown[place] = None
            due = self._freezes and record is not None and self._fills % FREEZE_EVERY == 0
        if due:
            gc.collect()  # what is garbage by now must not be frozen with the rest
            gc.freeze()

    def forget(self, *, places: Iterable[bytes], owners: Iterable[str], head: int) -> None:
        """Drop what the changes up to *head* made stale; what was read before *head* will not be put any more."""
        with self._lock:
            for place in places:
                for held in (self._young, self._old, self._unknown, self._unknown_old):
                    held.pop(place, None)
            self._stale.update(dict.fromkeys(owners, head))
            self.applied = max(self.applied, head)
            if len(self._stale) > STALE_BOUND:
                self._empty()

    def clear(self, head: int) -> None:
        """Drop everything, and hold what is right up to *head*: a new profile may read every record differently."""
        with self._lock:
            self._empty()
            self.applied = head

    def _empty(self) -> None:
        self._young, self._old, self._stale = {}, {}, {}
        self._unknown, self._unknown_old = {}, {}

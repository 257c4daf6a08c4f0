"""Locator to record: what this process knows of keys, how much of it, and the guard that keeps old news out.

Bounded without a clock or a list to keep: two generations. Records are born young; when the young are half of the
bound they become the old, and the old are forgotten. A record that is asked for from among the old is young again.
Locators that name nothing are remembered apart, so that garbage cannot push good keys out.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping
from threading import Lock

from limen.core.keys import Digest, locator, same
from limen.core.record import Owner, Record

FREEZE_STEP = 0.25
"""How much the directory grows before it is taken out of the garbage collector's sight again."""


class Directory:
    """The records that this process holds. Look-ups take no lock; fills and forgettings take one."""

    def __init__(self, digests: Mapping[int, Digest], *, bound: int, unknown_bound: int) -> None:
        """*digests*: pepper version to digest. At most *bound* records and *unknown_bound* unknown locators are held."""
        self._digests = digests
        self._half, self._unknown_half = max(1, bound // 2), max(1, unknown_bound // 2)
        self._young: dict[bytes, Record] = {}
        self._old: dict[bytes, Record] = {}
        self._owners: dict[str, Owner] = {}
        self._unknown: dict[bytes, None] = {}
        self._unknown_old: dict[bytes, None] = {}
        self._lock = Lock()
        self._frozen = 4_000
        self.applied = 0
        """The change up to which everything held here is known to be right."""

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def find(self, text: bytes) -> Record | None:
        """The record of the key *text*; None where none is held, or *text* is not the whole of it."""
        place = locator(text)
        record = self._young.get(place) or self._promote(place)
        if record is None or not record.owner.known:
            return None
        return record if same(self._digests[record.pepper](text), record.digest) else None

    def settled(self, text: bytes) -> str:
        """Why *text* was not found: ``wrong_secret``, ``unknown_id``, or ``""`` where only the store can tell.

        An unknown id costs a digest and a comparison too, so that it takes as long as a wrong secret (C008).
        """
        place = locator(text)
        record = self._young.get(place) or self._old.get(place)
        if record is not None:
            return "wrong_secret" if record.owner.known else ""
        digest = next(iter(self._digests.values()))(text)
        same(digest, digest)
        return "unknown_id" if place in self._unknown or place in self._unknown_old else ""

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
            self._owners = {
                owner.owner_id: owner for owner in (held.owner for held in self._old.values()) if owner.known
            }
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
                record.owner = self._owners.setdefault(record.owner.owner_id, record.owner)
                self._old.pop(place, None)
                self._admit(place, record)
            else:
                if len(self._unknown) >= self._unknown_half:
                    self._unknown_old, self._unknown = self._unknown, {}
                self._unknown[place] = None
        if len(self) > self._frozen:
            self._frozen = int(len(self) * (1 + FREEZE_STEP))
            gc.freeze()  # a full collection over a million records would stop every request for 0.4 s

    def forget(self, *, places: Iterable[bytes], owners: Iterable[str], head: int) -> None:
        """Drop what the changes up to *head* made stale; what was read before *head* will not be put any more."""
        with self._lock:
            for place in places:
                for held in (self._young, self._old, self._unknown, self._unknown_old):
                    held.pop(place, None)
            for owner_id in owners:
                owner = self._owners.pop(owner_id, None)
                if owner is not None:
                    owner.known = False
            self.applied = max(self.applied, head)

    def clear(self, head: int) -> None:
        """Drop everything: a new profile may read every record differently."""
        with self._lock:
            self._young, self._old, self._owners = {}, {}, {}
            self._unknown, self._unknown_old = {}, {}
            self.applied = max(self.applied, head)

"""What a gate reads by: the change log, the rules and the records of one API, as the database has them."""

from __future__ import annotations

from dataclasses import replace

from limen.core.foreign import Foreign
from limen.core.problems import ProblemError
from limen.core.profile import Profile
from limen.core.record import Record
from limen.core.rules import Rules
from limen.db import pepper
from limen.db.changes import changes_since, current_rules
from limen.db.engine import Store
from limen.db.records import SharedTerms, load_record
from limen.db.rehash import Proof, Rehash
from limen.db.ring import Ring
from limen.gate.cold import Changes


class Records:
    """What one gate reads by: the store, seen from one API."""

    def __init__(self, store: Store, api: str, ring: Ring, rehash: Rehash) -> None:
        self._store, self._api, self._ring, self._rehash = store, api, ring, rehash
        self._known: tuple[Profile, SharedTerms] | None = None  # one value: terms go with the profile they were made by
        self._foreign: Foreign | None = None

    def changes(self, since: int) -> Changes:
        """What changed after change number *since*."""
        with self._store.read() as connection:
            found = changes_since(connection, since, api=self._api)
        return Changes(found.head, found.places, found.owners, found.rules, found.everything)

    def rules(self) -> Rules:
        """The rules as they stand now. Raises ``api_unknown``."""
        with self._store.read() as connection:
            found = current_rules(connection, self._api)
            self._ring.learn(pepper.answers(connection))
        if found is None:
            raise ProblemError("api_unknown", f"There is no API {self._api!r}.")
        patterns = found.profile.keys.foreign
        self._foreign = Foreign(self._api, patterns, self._ring.keyring) if patterns else None
        self._known = (found.profile, {})
        return replace(found, foreign=self._foreign)

    def load(self, place: bytes) -> tuple[Record | None, int]:
        """The record at *place* if there is one, and the change up to which that is right."""
        profile, shared = self._known or (self.rules().profile, {})
        with self._store.read() as connection:
            return load_record(
                connection, place, api=self._api, profile=profile, shared=shared, numbered=self._ring.number
            )

    def proved(self, record: Record, text: bytes) -> None:
        """*text* is that of *record*: where it is stored in an older way than new keys are, it is stored anew."""
        current = self._ring.current
        if record.pepper != current:
            weak = None if self._foreign is None else self._foreign.looks_weak(text)
            self._rehash.put(Proof(record.locator, record.digest, self._ring.digests[current](text), current, weak))

"""What the profile and the store say to each entry of an import, before anything is written."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from limen.control import owners
from limen.control.imports import _rows
from limen.control.imports.entries import LONGEST_S, Entry, Import, Wrong
from limen.control.keys import NewKey
from limen.core.foreign import Foreign, hash_of
from limen.core.problems import ProblemError
from limen.core.profile import ForeignKeys, Profile
from limen.core.schemes import LOCATOR, Keyring
from limen.core.strength import ENOUGH_BITS, is_weak
from limen.db.transaction import Reader

_CHARACTER_BITS = math.log2(94)
"""As much as a printable character of ASCII can have."""


_HARMLESS = frozenset({"import_wrong", "expiry_wrong", "origins_wrong", "owner_type_wrong", "plan_feature_missing"})
"""Problems that repeat nothing of what they are about."""

_INSTEAD = {
    "request_malformed": "An owner's id has 1 to 100 of letters, digits, _ . : @ -.",
    "addresses_wrong": "An address range is written as 192.0.2.0/24.",
}
"""What is said of others, in place of a sentence that repeats it."""


@dataclass(frozen=True, slots=True)
class Found:
    """An entry that can be brought along, and what is written of it."""

    entry: Entry
    pattern: ForeignKeys
    place: bytes
    columns: dict[str, Any]
    slot: str | None
    weak: bool


@dataclass(frozen=True, slots=True)
class Checked:
    """What can be brought along of the entries, and what cannot."""

    kind: str
    """Of which kind the API's owners are."""
    found: tuple[Found, ...]
    present: tuple[int, ...]
    wrong: tuple[Wrong, ...]
    missing: dict[str, str]
    """The owners that have yet to be made, and their names."""
    allowed: frozenset[str]
    """Those of the owners that are on the API's allow-list."""


class Examiner:
    """Looks at the entries of one import, in their order."""

    def __init__(self, reader: Reader, profile: Profile, keyring: Keyring, wanted: Import) -> None:
        """Raises ``import_wrong`` where the profile lists no foreign keys, or weak keys would live too long;
        ``pepper_wrong`` where none can be found."""
        if wanted.weak_life_s is not None and not 1 <= wanted.weak_life_s <= LONGEST_S:
            raise ProblemError(
                "import_wrong", f"Weak keys live 1 to {LONGEST_S} s (3650 d), not {wanted.weak_life_s} s."
            )
        if not profile.keys.foreign:
            raise ProblemError(
                "import_wrong",
                f"The profile of {wanted.api} lists no keys of another system: say how they look, under keys.foreign.",
            )
        if LOCATOR not in keyring.secrets:
            raise ProblemError(
                "pepper_wrong",
                f"The pepper file has no secret {LOCATOR!r}, by which imported keys are found. "
                f"Run 'limen pepper add-secret {LOCATOR}'.",
            )
        self._reader, self._profile, self._keyring, self._wanted = reader, profile, keyring, wanted
        self._placer = keyring.placer(wanted.api)
        self._foreign = Foreign(wanted.api, profile.keys.foreign, keyring)
        self._owners: dict[str, owners.Owner] = {}
        self._known: set[str] = set()
        self._made: set[str] = set()

    def examine(self, entries: Iterable[Entry]) -> Checked:
        """What becomes of *entries*: of two that have one text, or one place, the first counts."""
        found: list[Found] = []
        present: list[int] = []
        wrong: list[Wrong] = []
        located = []
        for entry in entries:
            try:
                located.append((entry, *self._located(entry)))
            except ProblemError as error:
                wrong.append(Wrong(entry.number, error.problem.code, error.detail))
        self._known = _rows.owners(self._reader.connection, {entry.owner for entry, _, _ in located})
        there = _rows.places(self._reader.connection, (place for _, _, place in located))
        taken = _rows.slots(self._reader.connection, {slot for each in located if (slot := self._slot(each[0]))})
        for entry, pattern, place in located:
            if place in there:
                present.append(entry.number)
                continue
            try:
                judged = self._judged(entry, pattern, place, taken)
            except ProblemError as error:
                wrong.append(Wrong(entry.number, error.problem.code, self._unrepeated(error)))
                continue
            found.append(judged)
            there.add(place)
            if judged.slot is not None:
                taken.add(judged.slot)
        brought = {each.entry.owner: each.entry.owner_name for each in reversed(found)}
        return Checked(
            kind=self._profile.owner_type,
            found=tuple(found),
            present=tuple(present),
            wrong=tuple(sorted(wrong, key=lambda each: each.number)),
            missing={owner: brought[owner] for owner in reversed(brought) if owner in self._made},
            allowed=frozenset(owner for owner, known in self._owners.items() if _is_allowed(known, self._wanted.api)),
        )

    def _slot(self, entry: Entry) -> str | None:
        return f"{self._wanted.api}:{entry.owner}" if self._profile.keys.max_active_per_owner == 1 else None

    def _located(self, entry: Entry) -> tuple[ForeignKeys, bytes]:
        """What the key of *entry* looks like, and its locator."""
        pattern = self._pattern(entry)
        for given, said, of in (
            (entry.key_class, pattern.key_class, "class"),
            (entry.environment, pattern.environment, "environment"),
        ):
            if given and given != said:
                raise ProblemError("import_wrong", f"By the profile, such keys are of {of} {said!r}, and of no other.")
        try:
            hasher = self._keyring.hasher(hash_of(pattern))
        except LookupError:
            raise ProblemError(
                "import_wrong",
                f"The pepper file has no secret {pattern.secret!r}. Run 'limen pepper add-secret {pattern.secret}'.",
            ) from None
        hashed = hasher(entry.text.encode()) if entry.text else entry.hashed
        return pattern, self._placer(hashed)

    def _pattern(self, entry: Entry) -> ForeignKeys:
        if entry.text:
            found = self._foreign.pattern(entry.text.encode())
            if found is None:
                raise ProblemError("import_wrong", "The text looks like none of the keys that the profile lists.")
            return found
        patterns = [each for each in self._profile.keys.foreign if each.hash == entry.hash]
        if not patterns:
            known = ", ".join(sorted({each.hash for each in self._profile.keys.foreign}))
            raise ProblemError("import_wrong", f"The profile lists no keys by {entry.hash}, but by {known}.")
        fitting = [
            each
            for each in patterns
            if entry.key_class in ("", each.key_class) and entry.environment in ("", each.environment)
        ]
        if len({(each.key_class, each.environment, each.secret) for each in fitting}) > 1:
            raise ProblemError(
                "import_wrong", "The profile lists several keys by this hash: say class and environment."
            )
        return (fitting or patterns)[0]

    def _judged(self, entry: Entry, pattern: ForeignKeys, place: bytes, taken: set[str]) -> Found:
        """The entry, with what the profile says to it. Raises ProblemError for what it does not allow."""
        slot = self._slot(entry)
        if slot in taken:
            raise ProblemError("slot_taken")
        weak = self._is_weak(entry, pattern)
        new = NewKey(
            self._wanted.api,
            entry.owner,
            entry.name,
            key_class=pattern.key_class,
            environment=pattern.environment,
            scopes=entry.scopes,
            expires_at=entry.expires_at,
            origins=entry.origins,
            addresses=entry.addresses,
        )
        columns = new.columns(self._reader, self._profile, self._owner(entry))
        if entry.created_at is not None and entry.created_at > self._reader.now:
            raise ProblemError("import_wrong", "The key was made in the future, it says: created_at lies behind.")
        if weak and self._wanted.weak_life_s is not None:
            latest = self._reader.now + self._wanted.weak_life_s
            columns |= {"expires_at": min(latest, columns["expires_at"] or math.inf)}
        return Found(entry, pattern, place, columns, slot, weak)

    def _unrepeated(self, error: ProblemError) -> str:
        """What the *error* says, without what stood in the entry: what is in the wrong column may be a key."""
        code = error.problem.code
        if code in _HARMLESS:
            return error.detail
        if code == "scope_unknown":
            return f"{error.problem.detail} Known: {', '.join(self._profile.catalogue.scopes)}."
        return _INSTEAD.get(code, error.problem.detail)

    def _is_weak(self, entry: Entry, pattern: ForeignKeys) -> bool:
        """Whether the key is easier to guess than ours, or nothing is known of that (C021)."""
        if entry.text:
            return is_weak(entry.text[len(pattern.prefix) :])
        longest = (pattern.longest - len(pattern.prefix)) * _CHARACTER_BITS
        return not self._wanted.trusted or longest < ENOUGH_BITS

    def _owner(self, entry: Entry) -> owners.Owner:
        """The owner of the key, who may have yet to be made."""
        found = self._owners.get(entry.owner)
        if found is None:
            if entry.owner in self._known or not self._wanted.create_owners:
                found = owners.require(self._reader, entry.owner)
            else:
                kind = self._profile.owner_type
                owners.NewOwner(kind, entry.owner_name, entry.owner).check()
                found = owners.Owner(entry.owner, kind, entry.owner_name, "active", "", self._reader.now, ())
                self._made.add(entry.owner)
            self._owners[entry.owner] = found
        return found


def _is_allowed(owner: owners.Owner, api: str) -> bool:
    return any(standing.api == api and standing.allowed for standing in owner.standings)

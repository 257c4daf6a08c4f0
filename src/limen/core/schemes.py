"""How what is stored of a key is made of its text: the column ``scheme``, and the keyring that it is made with.

Whatever the scheme, the outermost step is a keyed BLAKE2b-256 under the pepper that the row names (ADR 0003). ``b2``
takes the text itself. Behind a slash stands what it takes in place of the text, from the outside in: ``b2.1``, what was
stored under pepper 1 before the row was wrapped; then ``sha256``, ``sha512`` or ``hmac-sha256:NAME``, the hash that
another system had stored of a key that was imported. ``b2/b2.1/sha256`` under pepper 2 is
``B(p2, B(p1, sha256(text)))``.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from limen.core.keys import OF_DIGEST, OF_TEXT, Digest, digester

PLAIN: Final = "b2"
"""The scheme of the keys that Limen makes."""

LOCATOR: Final = "locator"
"""The secret under which foreign keys are found. It never changes, as the locators made with it never do."""

FOREIGN_MARK: Final = b"~"
"""What the locator of a foreign key begins with: no id has it."""

LOCATOR_BYTES: Final = 16

SECRET_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
HASH_BYTES: Final = {"sha256": 32, "sha512": 64, "hmac-sha256": 32}
"""The hashes by which other systems store keys, and how long they are."""

_HMAC = "hmac-sha256:"
_SCHEME = re.compile(rf"b2((?:/b2\.\d{{1,6}})*)(?:/(sha256|sha512|{_HMAC}{SECRET_NAME.pattern}))?", re.ASCII)
_PLACE = b"limen/locator/v1"


@dataclass(frozen=True, slots=True)
class Scheme:
    """A scheme, read."""

    wrapped: tuple[int, ...] = ()
    """The peppers under which it was stored before, the last one first."""
    hash: str = ""
    """``sha256``, ``sha512``, ``hmac-sha256:NAME``; empty: what is stored was made of the text."""

    @property
    def secret(self) -> str:
        """The name of the secret that the hash needs; empty: none."""
        return self.hash.removeprefix(_HMAC) if self.hash.startswith(_HMAC) else ""

    def around(self, pepper: int) -> Scheme:
        """The scheme of what was stored by this one under *pepper*, once it is wrapped under another."""
        return replace(self, wrapped=(pepper, *self.wrapped))

    def __str__(self) -> str:
        """As it is stored: ``b2/b2.1/sha256``."""
        return "/".join((PLAIN, *(f"b2.{version}" for version in self.wrapped), *([self.hash] if self.hash else ())))


def read_scheme(text: str) -> Scheme:
    """The scheme that *text* says. Raises ValueError."""
    match = _SCHEME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no scheme")
    return Scheme(tuple(int(step[3:]) for step in match[1].split("/")[1:]), match[2] or "")


@dataclass(frozen=True, slots=True)
class Keyring:
    """The peppers, by their versions, and the secrets, by their names. Shows none of them."""

    peppers: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def digest(self, pepper: int, scheme: str = PLAIN) -> Digest:
        """Key text to what is stored of it under *pepper* by *scheme*.

        Raises LookupError for a pepper or a secret that is not on the ring, ValueError for what is no scheme.
        """
        read = read_scheme(scheme)
        steps = [self.hasher(read.hash)] if read.hash else []
        for version in (*reversed(read.wrapped), pepper):
            steps.append(digester(self.peppers[version], OF_DIGEST if steps else OF_TEXT))
        if len(steps) == 1:
            return steps[0]

        def digest(text: bytes) -> bytes:
            for step in steps:
                text = step(text)
            return text

        return digest

    def around(self, pepper: int) -> Digest:
        """What was stored under another pepper, or by another system, to what is stored of it under *pepper*.

        Raises LookupError.
        """
        return digester(self.peppers[pepper], OF_DIGEST)

    def hasher(self, hashed: str) -> Digest:
        """Key text to its hash: *hashed* as in ``Scheme.hash``, or empty for the text itself. Raises LookupError."""
        if not hashed:
            return bytes
        if hashed.startswith(_HMAC):
            secret = self.secrets[hashed.removeprefix(_HMAC)]
            return lambda text: hmac.digest(secret, text, "sha256")
        made = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}[hashed]
        return lambda text: made(text).digest()

    def placer(self, api: str) -> Digest:
        """The hash of a foreign key's text to its locator on *api*. Raises LookupError.

        A locator tells nothing of the key to whoever lacks the secret ``locator``; one key has as many as it has APIs.
        """
        digest_bytes = LOCATOR_BYTES - len(FOREIGN_MARK)
        keyed = hashlib.blake2b(key=self.secrets[LOCATOR], digest_size=digest_bytes, person=_PLACE)
        keyed.update(api.encode() + b"\0")

        def place(hashed: bytes) -> bytes:
            state = keyed.copy()
            state.update(hashed)
            return FOREIGN_MARK + state.digest()

        return place

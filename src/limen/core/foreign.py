"""Keys that another system made: which texts are meant, and what finds the record of one.

They have no id and no checksum of ours. What finds the record is a keyed digest of the hash that the other system had
stored: it can be worked out from a text when a request comes, and from the hash alone when the key is brought along.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from limen.core.keys import Digest
from limen.core.profile import ForeignKeys
from limen.core.schemes import FOREIGN_MARK, LOCATOR, Keyring
from limen.core.strength import is_weak

NOWHERE: Final = FOREIGN_MARK
"""The locator of a text that fits, where this process lacks a secret to find it by: no key has it."""


def hash_of(pattern: ForeignKeys) -> str:
    """The hash of *pattern* as schemes write it: ``hmac-sha256:NAME``; empty for plain texts."""
    if pattern.hash == "plain":
        return ""
    return f"{pattern.hash}:{pattern.secret}" if pattern.secret else pattern.hash


class Foreign:
    """The foreign keys of one API, compiled: nothing is looked up in the profile on a request."""

    __slots__ = ("_patterns", "_placer")

    def __init__(self, api: str, patterns: Sequence[ForeignKeys], keyring: Keyring) -> None:
        self._patterns = [(each, each.prefix.encode(), _hasher(each, keyring)) for each in patterns]
        self._placer = keyring.placer(api) if LOCATOR in keyring.secrets else None

    def pattern(self, text: bytes) -> ForeignKeys | None:
        """The first pattern that *text* fits."""
        found = self._find(text)
        return None if found is None else found[0]

    def place(self, text: bytes) -> bytes:
        """The locator of *text*: empty where it fits no pattern. 2 to 6 µs, by its hash."""
        found = self._find(text)
        if found is None:
            return b""
        if found[2] is None or self._placer is None:
            return NOWHERE
        return self._placer(found[2](text))

    def looks_weak(self, text: bytes) -> bool | None:
        """Whether what follows the prefix of *text* looks easy to guess (C021); None where it fits no pattern."""
        found = self._find(text)
        return None if found is None else is_weak(text[len(found[1]) :].decode("latin-1"))

    def _find(self, text: bytes) -> tuple[ForeignKeys, bytes, Digest | None] | None:
        size = len(text)
        for found in self._patterns:
            if found[0].shortest <= size <= found[0].longest and text.startswith(found[1]):
                return found
        return None


def _hasher(pattern: ForeignKeys, keyring: Keyring) -> Digest | None:
    """Text to hash; None where the secret that this takes is not on the ring."""
    try:
        return keyring.hasher(hash_of(pattern))
    except LookupError:
        return None

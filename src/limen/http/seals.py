"""Keyed digests of what leaves this process and comes back, or of what is kept only to be recognised."""

from __future__ import annotations

from hashlib import blake2b

from limen.app import App
from limen.core.schemes import LOCATOR


def seal(app: App, purpose: bytes, said: bytes, size: int) -> bytes:
    """A digest of *said* that nobody outside can make, *size* bytes long; another for each *purpose*.

    Its secret is the one that outlasts every pepper.
    """
    secret = app.ring.keyring.secrets[LOCATOR]
    return blake2b(said, key=secret, digest_size=size, person=b"limen/" + purpose).digest()

"""The audit's arithmetic: salted digests of what is personal, and the chain over its rows."""

from __future__ import annotations

import hashlib

SALT_BYTES = 16


def personal_digest(salt: bytes, value: str) -> str:
    """What the audit's row has in place of a personal *value*: once value and salt are erased, it tells nothing."""
    return hashlib.blake2b(value.encode(), salt=salt, digest_size=32, person=b"limen/audit/own").hexdigest()

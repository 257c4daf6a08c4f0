"""The audit's arithmetic: salted digests of what is personal, and the chain over its rows."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SALT_BYTES = 16
DIGEST_BYTES = 32
START = bytes(DIGEST_BYTES)
"""What stands before the first link."""

_HEAD = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")


def personal_digest(salt: bytes, value: str) -> str:
    """What the audit's row has in place of a personal *value*: once value and salt are erased, it tells nothing."""
    return hashlib.blake2b(value.encode(), salt=salt, digest_size=32, person=b"limen/audit/own").hexdigest()


def canonical(row: Mapping[str, Any]) -> bytes:
    """*row* as the chain reads it: JSON in ASCII, names in order, no spaces; moments as stored, in Unix seconds.

    Every row has such bytes, also one that no verb of ours wrote: nothing that is put into the table stops the chain.
    """
    return json.dumps(row, sort_keys=True, separators=(",", ":"), default=repr).encode()


def link(previous: bytes, row: Mapping[str, Any]) -> bytes:
    """The digest of *row* behind a chain that ends in *previous*: BLAKE2b-256 of both.

    It binds every row before it, their order and their number; ``START`` is what the first has before it.
    """
    content = previous + canonical(row)
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES, person=b"limen/audit/link").digest()


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: how many links it has, and the digest of the last, in hex. It stands for all before it."""

    position: int = 0
    digest: str = START.hex()

    def __str__(self) -> str:
        return f"{self.position}:{self.digest}"


def read_head(text: str) -> Head:
    """The head written as ``POSITION:DIGEST``. Raises ValueError, saying what is allowed."""
    match = _HEAD.fullmatch(text.strip())
    if match is None:
        raise ValueError("a head is a position, a colon and 64 digits of 0-9a-f, as 'limen audit head' prints it")
    return Head(int(match[1]), match[2])

"""ETags: what a representation is told by, so that of two who edit the same thing the second finds out (RFC 9110 §8.8).

What a thing is set to, and what was only observed of it, have a part of the tag each: a key that is used between being
read and being changed is still the key that was read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

OBSERVED = frozenset(
    {
        *("last_used_at", "limited_at"),  # of a key
        *("failures", "failing_at", "tried_7d", "arrived_7d", "last_arrived_at", "last_failed_at"),  # of a channel
    }
)
"""Members that nobody sets: they change by themselves."""

_DIGEST_BYTES = 12
_TAG = re.compile(r'(W/)?"([!#-~]*)"')
_TAGS = re.compile(rf"{_TAG.pattern}(?:[ \t]*,[ \t]*{_TAG.pattern})*")


def etag_of(shown: Any) -> str:
    """The strong ETag of a representation, as JSON has it."""
    seen = {name: shown[name] for name in OBSERVED if name in shown} if isinstance(shown, dict) else {}
    if not seen:
        return f'"{_digest(shown)}"'
    return f'"{_digest({name: value for name, value in shown.items() if name not in seen})}.{_digest(seen)}"'


def _digest(shown: Any) -> str:
    written = json.dumps(shown, sort_keys=True, separators=(",", ":")).encode()
    return blake2b(written, digest_size=_DIGEST_BYTES, person=b"limen/etag").hexdigest()


def is_tags(given: str) -> bool:
    """Whether *given* is ``*`` or a list of entity tags."""
    return given == "*" or _TAGS.fullmatch(given) is not None


def is_current(given: str, shown: Any) -> bool:
    """Whether ``If-Match: given`` holds of what is there: by what is set, not by what was observed meanwhile.

    A weak tag never matches (RFC 9110 §13.1.1).
    """
    now = _settled(etag_of(shown).strip('"'))
    return given == "*" or any(not weak and _settled(tag) == now for weak, tag in _parsed(given))


def is_known(given: str, etag: str) -> bool:
    """Whether who sends ``If-None-Match: given`` has the very representation of this *etag* already."""
    now = etag.strip('"')
    return given == "*" or any(tag == now for _, tag in _parsed(given))


def _parsed(given: str) -> Sequence[tuple[str, str]]:
    return _TAG.findall(given)


def _settled(tag: str) -> str:
    return tag.partition(".")[0]

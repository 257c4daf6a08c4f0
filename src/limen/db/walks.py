"""The ways along which keys are listed: an index each, so that every list is read in its order, and nothing is sorted.

An index costs something whenever a key is made, so these are few. A key that was deleted leaves all but two of them.
"""

from __future__ import annotations

from dataclasses import dataclass

_SHOWN = "deleted_at is null"
_NEWEST = ("created_at", "key")


@dataclass(frozen=True, slots=True)
class Walk:
    """An index on keys: *by* what it is entered, in which *order* it is walked from there."""

    index: str
    by: tuple[str, ...]
    order: tuple[str, ...] = _NEWEST
    only: str = _SHOWN
    """Which keys it has. SQLite goes by it only where a statement says the same, word by word."""


AGE = Walk("keys_by_age", ("api",))
KIND = Walk("keys_by_kind", ("api", "state", "class", "environment"))
MAKER = Walk("keys_by_maker", ("api", "created_by"))
NAME = Walk("keys_by_name", ("api",), ("folded", *_NEWEST))
HINT = Walk("keys_by_hint", ("api",), ("hint", *_NEWEST))
USE = Walk("keys_by_use", ("api",), ("last_used_at", *_NEWEST))
UNUSED = Walk(USE.index, ("api", "last_used_at"))
EXPIRY = Walk("keys_by_expiry", ("api", "state"), ("expires_at", "key"), f"expires_at is not null and {_SHOWN}")
WEAK = Walk("keys_weak", ("api",), only=f"weak and {_SHOWN}")
LEAKED = Walk("keys_leaked", ("api",), only=f"leaked_at is not null and {_SHOWN}")
DELETED = Walk("keys_deleted", ("api",), only="deleted_at is not null")
OWNER = Walk("keys_by_owner", ("owner", "api", "state"), only="true")
ID = Walk("sqlite_autoindex_keys_1", (), ("key",), only="true")
"""The primary key's own."""

INDEXES = (AGE, KIND, MAKER, NAME, HINT, USE, EXPIRY, WEAK, LEAKED, DELETED)
"""Those that are partial indexes of their own."""

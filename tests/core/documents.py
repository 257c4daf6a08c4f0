"""A profile as plain data, ways to change it, and what is wrong with it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from limen.core.profile import Mistake, ProfileError
from limen.core.profile_diff import ABSENT
from limen.core.profile_reader import read_profile

DOCUMENT: dict[str, Any] = {
    "profile": "example",
    "title": "Example API",
    "support": "support@example.com",
    "words": {},
    "owners": {"type": "user"},
    "carriers": [{"header": "X-Api-Key"}, "bearer", {"query": "api_key"}],
    "keys": {
        "max_active_per_owner": 1,
        "issuance": "approval",
        "classes": {
            "secret": {"prefixes": {"live": "sk_live_", "test": "sk_test_"}, "scopes": "all"},
            "public": {"prefixes": {"live": "pk_"}, "scopes": ["read:chat"], "default_scopes": ["read:chat"]},
        },
    },
    "scopes": {
        "read:chat": "Read chats",
        "write:chat": {"description": "Write chats", "implies": ["read:chat"]},
        "admin": {"description": "Everything", "implies": "all", "extension": "on"},
    },
    "versioning": {
        "carrier": "header",
        "header": "X-Api-Version",
        "format": "date",
        "next_header": "X-Next-Version",
        "versions": {
            "2025-01-01": {"deprecated": "2025-06-01", "sunset": "2026-01-01T12:00:00Z", "successor": "2025-06-01"},
            "2025-06-01": {},
        },
    },
    "limits": {"per": "key", "default": "100 per 60 s", "headers": {}},
    "plans": {"free": {"title": "Free", "limit": "10 per 1 min"}, "large": {"title": "Large", "limit": "custom"}},
    "operations": [
        {"id": "listChats", "call": "GET /chats", "scopes": ["read:chat"]},
        {"id": "createChat", "call": "POST /chats", "scopes": ["write:chat"], "write": True, "limit": "5 per 1 h"},
        {"id": "getChat", "call": "GET /chats/{id}", "scopes": []},
        {"id": "status", "call": "GET /status", "public": "on"},
    ],
    "errors": {"style": "compat", "compat": {"429": {"retryAfter": "{retry_after}"}, "scope_missing": {"a": [None]}}},
}
SECRET, PUBLIC = "keys.classes.secret", "keys.classes.public"
OLD, NEW = "versioning.versions.2025-01-01", "versioning.versions.2025-06-01"
GET = {"id": "x", "call": "GET /x", "scopes": []}
"""One more operation."""


def edited(changes: Mapping[str, Any], document: Mapping[str, Any] = DOCUMENT) -> dict[str, Any]:
    """*document* with other values at dotted paths; ``ABSENT`` takes the field out."""
    new: dict[str, Any] = copy.deepcopy(dict(document))
    for path, value in changes.items():
        *above, last = path.split(".")
        place: Any = new
        for name in above:
            place = place[int(name)] if isinstance(place, list) else place[name]
        if isinstance(place, list) and int(last) == len(place):
            place.append(value)
        elif value is ABSENT:
            del place[last]
        else:
            place[int(last) if isinstance(place, list) else last] = value
    return new


def numbered(value: Any, path: str = "", lines: dict[str, int] | None = None) -> dict[str, int]:
    """A line of its own for every path of a document."""
    lines = {} if lines is None else lines
    lines[path] = len(lines) + 1
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, content in inner:
        numbered(content, f"{path}.{name}" if path else str(name), lines)
    return lines


def mistakes(document: Any) -> tuple[Mistake, ...]:
    """What is wrong with a document, each at its own line."""
    with pytest.raises(ProfileError) as caught:
        read_profile(document, numbered(document))
    assert str(caught.value).splitlines() == [str(mistake) for mistake in caught.value.mistakes]
    return caught.value.mistakes

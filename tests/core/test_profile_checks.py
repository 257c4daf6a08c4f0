"""What the fields of a profile must be to one another."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.core.profile_checks import cycles, odd
from limen.core.profile_diff import ABSENT
from limen.core.profile_reader import read_profile
from tests.core.documents import GET, NEW, OLD, PUBLIC, SECRET, edited, mistakes, numbered

PUT = {"id": "x", "call": "PUT /x", "scopes": [], "write": True}
OLDER = {"prefix": "old-", "length": 40, "hash": "sha256", "class": "secret", "environment": "live"}
"""Keys of a system that was there before."""

BETWEEN: list[tuple[dict[str, Any], str, str, str]] = [  # changes, path of the one mistake, found, allowed
    ({"scopes.write:chat.implies": ["admin"]}, "scopes.write:chat.implies",
     "the cycle write:chat → admin → write:chat", "scopes that do not lead back"),
    ({"scopes.read:chat": {"description": "x", "implies": ["read:chat"]}}, "scopes.read:chat.implies",
     "the cycle read:chat → read:chat", "scopes that do not lead back"),
    ({"scopes.write:chat.implies": ["reed:chat"]}, "scopes.write:chat.implies.0",
     "the unknown scope 'reed:chat'", "read:chat, write:chat, admin; did you mean 'read:chat'?"),
    ({f"{PUBLIC}.scopes": ["read:chat", "fan"]}, f"{PUBLIC}.scopes.1", "the unknown scope 'fan'", "read:chat"),
    ({f"{SECRET}.default_scopes": ["root"]}, f"{SECRET}.default_scopes.0", "the unknown scope 'root'", "read:chat, wr"),
    ({f"{PUBLIC}.default_scopes": ["write:chat"]}, f"{PUBLIC}.default_scopes.0",
     "'write:chat'", "what the class may hold: read:chat"),
    ({f"{PUBLIC}.scopes": "all"}, f"{PUBLIC}.scopes", "'admin', which implies every scope", "in the class public"),
    ({f"{PUBLIC}.scopes": ["read:chat", "admin"]}, f"{PUBLIC}.scopes.1",
     "'admin', which implies every scope", "in the class public, scopes that do not"),
    ({f"{PUBLIC}.prefixes": {}}, f"{PUBLIC}.prefixes", "no prefix", "a prefix for live, for test, or for both"),
    ({f"{SECRET}.prefixes.test": "sk_live_"}, f"{SECRET}.prefixes.test",
     f"'sk_live_', which is {SECRET}.prefixes.live already", "a prefix of its own"),
    ({f"{PUBLIC}.prefixes.live": "sk_test_"}, f"{PUBLIC}.prefixes.live",
     f"'sk_test_', which is {SECRET}.prefixes.test already", "a prefix of its own"),
    ({"keys.overlap": "1 h"}, "keys.overlap", "an overlap of 3600 s with max_active_per_owner: 1", "0 s"),
    ({"carriers.0": {"header": "X-A", "query": "a"}}, "carriers.0", "header and query", "one of header: NAME, bearer"),
    ({"carriers.1": {"bearer": "off"}}, "carriers.1", "no carrier", "one of header: NAME, bearer, query: NAME"),
    ({"carriers.3": {"header": "x-api-KEY"}}, "carriers.3", "header x-api-KEY again", "each carrier once"),
    ({"carriers.3": "bearer"}, "carriers.3", "bearer again", "each carrier once"),
    ({"carriers.3": {"query": "api_key"}}, "carriers.3", "query api_key again", "each carrier once"),
    ({"carriers.0.header": "x-api-version"}, "carriers.0", "the header of the version, 'x-api-version'", "of its own"),
    ({"limits.headers": {"reset": "x-ratelimit-limit"}}, "limits.headers.reset",
     "'x-ratelimit-limit'", "another header than limit's"),
    ({"versioning.header": ABSENT}, "versioning.header", "nothing", "the request header that carries the version"),
    ({"versioning.carrier": "path"}, "versioning.header", "'X-Api-Version'", "no header, as the version travels in"),
    ({"versioning.versions.2025-13-01": {}}, "versioning.versions.2025-13-01", "'2025-13-01'", "a real day"),
    ({"versioning.versions.v1": {}}, "versioning.versions.v1", "'v1'", "a real day, as 2026-06-26"),
    ({"versioning.format": "segment", "versioning.versions": {"1": {}}}, "versioning.versions.1", "'1'", "as v1"),
    ({f"{OLD}.sunset": "2025-05-31"}, f"{OLD}.sunset", "a sunset before deprecated", "the same moment or a later one"),
    ({f"{OLD}.deprecated": ABSENT}, f"{OLD}.sunset", "a sunset without deprecated", "deprecated first"),
    ({f"{OLD}.successor": ABSENT}, f"{OLD}.successor", "a sunset without a successor", "to move to (R81): 2025-06-01"),
    ({f"{OLD}.successor": "2025-07-01"}, f"{OLD}.successor",
     "the unknown version '2025-07-01'", "2025-01-01, 2025-06-01; did you mean '2025-0"),
    ({f"{NEW}.successor": "2025-01-01"}, f"{OLD}.successor",
     "the cycle 2025-01-01 → 2025-06-01 → 2025-01-01", "a version that leads on"),
    ({"operations.4": GET | {"id": "getChat"}}, "operations.4.id", "'getChat' again", "an id of its own; operations.2"),
    ({"operations.4": GET | {"call": "GET /chats/{other}", "scopes": ["admin"]}}, "operations.4.call",
     "GET /chats/{other} again", "a call of its own; getChat (GET /chats/{id}) has this one"),
    ({"operations.4": GET | {"call": "GET /chats/mine", "scopes": ["read:chat"]}}, "operations.4.call",
     "x (GET /chats/mine) beside getChat (GET /chats/{id}): one path fits both, and they ask for different things",
     "the same scopes, public and write in both"),
    ({"operations.4": {"id": "x", "call": "GET /chats/mine", "public": True}}, "operations.4.call",
     "x (GET /chats/mine) beside getChat (GET /chats/{id}): one path fits both, and they ask for different things", ""),
    ({"operations.4": PUT | {"write": False}, "operations.5": PUT | {"id": "y", "call": "PUT /{any}"}},
     "operations.5.call",
     "y (PUT /{any}) beside x (PUT /x): one path fits both, and they ask for different things", "or paths that"),
    ({"operations.2.scopes": ABSENT}, "operations.2.scopes", "nothing", "[] where any valid key will do, or public: t"),
    ({"operations.3.scopes": ["read:chat"]}, "operations.3.scopes", "scopes of a public operation", "none, as no key"),
    ({"operations.3.limit": "1 per 1 s"}, "operations.3.limit", "a limit of a public operation", "none, as it would"),
    ({"operations.0.scopes": ["reed:chat"]}, "operations.0.scopes.0",
     "the unknown scope 'reed:chat'", "did you mean 'read:chat'?"),
    ({"operations.1.write": ABSENT}, "operations.1.write",
     "nothing", "say write: true, or write: false for a call that only reads"),
    ({"operations.0.write": "true"}, "operations.0.write", "write: true of a GET", "write: false"),
    ({"versioning": {"carrier": "path", "format": "segment", "next_header": "X-N", "versions": {"v1": {}}},
      "operations.4": GET | {"call": "GET /v1/x"}},
     "operations.4.call", "the version in '/v1/x'", "the path as it stands after the version segment"),
    ({"versioning": {"carrier": "path", "format": "segment", "next_header": "X-N", "versions": {"v1": {}},
                     "missing": "pin"}}, "versioning.missing", "pin with carrier: path", "refuse, as a path without"),
    ({"plans.free.granular_scopes": "off", f"{SECRET}.default_scopes": []}, f"{SECRET}.default_scopes",
     "no default scopes, with plans.free.granular_scopes: off", "what a key gets that may name none (R225)"),
    ({"keys.foreign": [OLDER | {"hash": "hmac-sha256"}]}, "keys.foreign.0.secret", "nothing", "the name of the secret"),
    ({"keys.foreign": [OLDER | {"secret": "theirs"}]}, "keys.foreign.0.secret", "'theirs'", "none, as sha256 has no"),
    ({"keys.foreign": [OLDER | {"class": "secrets"}]}, "keys.foreign.0.class",
     "the unknown class 'secrets'", "secret, public; did you mean 'secret'?"),
    ({"keys.foreign": [OLDER | {"class": "public", "environment": "test"}]}, "keys.foreign.0.environment",
     "'test'", "an environment of the class public"),
    ({"keys.foreign": [OLDER | {"prefix": "sk_live_", "length": "40-58"}]}, "keys.foreign.0",
     f"texts that are those of {SECRET}.prefixes.live too", "another prefix, or other lengths"),
    ({"keys.foreign": [OLDER | {"length": "53-53"}, OLDER | {"prefix": "old", "length": "50-60"}]}, "keys.foreign.1",
     "texts that are those of keys.foreign.0 too", "another prefix, or other lengths"),
    ({"keys.foreign": [{name: value for name, value in OLDER.items() if name != "prefix"} | {"length": 53}]},
     "keys.foreign.0", f"texts that are those of {PUBLIC}.prefixes.live too", "another prefix, or other lengths"),
]  # fmt: skip


@pytest.mark.req("R40", "R42", "R50", "R127", "R197")
@pytest.mark.parametrize(("changes", "path", "found", "allowed"), BETWEEN)
def test_fields_that_do_not_fit_each_other_are_a_mistake(
    changes: dict[str, Any], path: str, found: str, allowed: str
) -> None:
    document = edited(changes)
    lines = numbered(document)
    (mistake,) = mistakes(document)
    assert (mistake.path, mistake.found) == (path, found)
    assert mistake.line == lines.get(path, lines[path.rpartition(".")[0]])
    assert allowed in mistake.allowed


@pytest.mark.req("R127")
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_call_that_may_write_says_whether_it_does(method: str) -> None:
    silent = {"id": "x", "call": f"{method} /x", "scopes": []}
    (mistake,) = mistakes(edited({"operations.4": silent}))
    assert mistake.path == "operations.4.write"
    assert read_profile(edited({"operations.4": silent | {"write": False}})).operations[4].write is False


@given(st.dictionaries(st.integers(0, 7), st.sets(st.integers(0, 9)).map(sorted)))
def test_cycles_are_found_where_there_are_any(edges: dict[int, list[int]]) -> None:
    named = {str(name): [str(other) for other in to] for name, to in edges.items()}
    found = cycles(named)
    for cycle in found:
        assert all(after in named[name] for name, after in zip(cycle, [*cycle[1:], cycle[0]], strict=True))
    left = {name: set(to) for name, to in named.items() if not any(name in cycle for cycle in found)}
    while ends := [name for name in left if not left[name] & left.keys()]:
        left = {name: to for name, to in left.items() if name not in ends}
    assert not left


@pytest.mark.parametrize(
    "foreign",
    [
        [OLDER],
        [OLDER | {"prefix": "sk_live_", "length": "24-57"}],
        [OLDER | {"prefix": "pk_", "length": 54}],
        [OLDER, OLDER | {"length": "41-512"}, OLDER | {"prefix": "older-", "hash": "hmac-sha256", "secret": "theirs"}],
    ],
)
def test_foreign_keys_may_look_like_ours_but_for_their_length(foreign: list[dict[str, Any]]) -> None:
    found = read_profile(edited({"keys.foreign": foreign})).keys.foreign
    assert [each.prefix for each in found] == [each["prefix"] for each in foreign]


def test_odd_limits_of_a_profile_are_told_with_their_place() -> None:
    changes = {
        "limits.default": "100 per 60 s, 200000 per 1 d",
        "plans.free.limit": ["0 per 60 s"],
        f"{PUBLIC}.limit": "1 per 1 s, 100 per 10 s",
        "operations.1.limit": "5 per 1 h, shadow 5 per 1 min",
    }
    assert odd(read_profile(edited({}))) == []
    assert odd(read_profile(edited(changes))) == [
        "limits.default: '200000 per 86400 s' can never be reached: '100 per 60 s' admits at most 144100 in that time",
        "plans.free.limit: '0 per 60 s' refuses every request",
        "keys.classes.public.limit: '100 per 10 s' can never be reached: '1 per 1 s' admits at most 11 in that time",
    ]

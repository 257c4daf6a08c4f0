"""A profile as plain data: what is read from it, and every mistake that it can have."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.core.limits import write_limits
from limen.core.profile import ForeignKeys, Mistake, ProfileError
from limen.core.profile_diff import ABSENT
from limen.core.profile_form import MOST_MISTAKES
from limen.core.profile_reader import read_profile
from tests.core.documents import DOCUMENT, OLD, PUBLIC, SECRET, edited, mistakes, numbered


def test_what_is_written_is_what_is_read() -> None:
    profile = read_profile(DOCUMENT)
    assert (profile.name, profile.owner_type, profile.allowlist, profile.documentation) == ("example", "user", True, "")
    assert profile.words == {"key": "API key", "owner": "user"}
    assert [(carrier.kind, carrier.name) for carrier in profile.carriers] == [
        ("header", "X-Api-Key"),
        ("bearer", ""),
        ("query", "api_key"),
    ]
    keys = profile.keys
    assert (keys.max_active_per_owner, keys.on_overflow, keys.overlap_s, keys.max_lifetime_s) == (1, "reject", 0, None)
    assert keys.classes["secret"].scopes == ("read:chat", "write:chat", "admin")
    assert keys.classes["public"].prefixes == {"live": "pk_"}
    assert profile.catalogue.scopes["admin"].implies == {"read:chat", "write:chat"}
    assert profile.catalogue.scopes["admin"].extension
    assert profile.plans["large"].limits == ()
    assert profile.rate_headers.reset == "X-RateLimit-Reset"
    assert profile.versioning is not None
    old = profile.versioning.versions[0]
    assert (old.deprecated_at, old.sunset_at, old.successor) == (1748736000, 1767268800, "2025-06-01")
    assert [(each.name, each.tag, each.public, each.write) for each in profile.operations[1::2]] == [
        ("createChat", b"createChat", False, True),
        ("status", b"status", True, False),
    ]


@pytest.mark.req("R113", "R114")
@pytest.mark.parametrize(
    "written", ["100 per 60 s, 5000 per 1 d", ["100 per 60 s", "5000 per 1 d"], ["100 per 1 min, 5000 per 24 h"]]
)
def test_several_windows_are_written_with_commas_or_as_a_list(written: object) -> None:
    places = ("limits.default", "plans.free.limit", f"{PUBLIC}.limit", "operations.1.limit")
    profile = read_profile(edited(dict.fromkeys(places, written)))
    found = (profile.default_limits, profile.plans["free"].limits, profile.keys.classes["public"].limits)
    assert [write_limits(each) for each in (*found, profile.operations[1].limits)] == [
        "100 per 60 s, 5000 per 86400 s"
    ] * 4


def test_what_leaving_a_field_out_amounts_to() -> None:
    profile = read_profile(DOCUMENT)
    assert (profile.keys.on_leak, profile.keys.foreign, profile.plans["free"].granular_scopes) == ("revoke", (), True)
    assert profile.versioning is not None
    assert profile.versioning.missing == "refuse"


def test_foreign_keys_are_read() -> None:
    older = {"prefix": "old-", "length": "32-64", "hash": "hmac-sha256", "secret": "theirs", "class": "public"}
    plain = {"length": 20, "hash": "plain", "class": "secret", "environment": "test"}
    found = read_profile(edited({"keys.foreign": [older | {"environment": "live"}, plain]})).keys.foreign
    assert found == (
        ForeignKeys("old-", 32, 64, "hmac-sha256", "theirs", "public", "live"),
        ForeignKeys("", 20, 20, "plain", "", "secret", "test"),
    )


@pytest.mark.req("R113", "R114")
def test_limits_of_one_kind_share_a_name() -> None:
    """Limits of one name share their windows: an allowance goes on when it changes, and no other kind joins it."""
    profile = read_profile(edited({f"{PUBLIC}.limit": "7 per 1 d"}))
    free, ceiling, own = (
        profile.plans["free"].limits,
        profile.keys.classes["public"].limits,
        profile.operations[1].limits,
    )
    every = (*profile.default_limits, *free, *ceiling, *own)
    told = [(limit.name, limit.count, limit.window_s) for limit in every]
    assert told == [
        ("allowance", 100, 60),
        ("allowance", 10, 60),
        ("class:public", 7, 86400),
        ("operation:createChat", 5, 3600),
    ]


@pytest.mark.parametrize(
    ("path", "value", "seconds"), [("overlap", "5 min", 300), ("overlap", "0s", 0), ("max_lifetime", "90 d", 7776000)]
)
def test_durations_are_seconds(path: str, value: str, seconds: int) -> None:
    keys = read_profile(edited({"keys.max_active_per_owner": "unlimited", f"keys.{path}": value})).keys
    assert (keys.max_active_per_owner, getattr(keys, f"{path}_s")) == (None, seconds)


@pytest.mark.parametrize(
    ("written", "said"), [("on", True), ("true", True), (True, True), ("off", False), (False, False)]
)
def test_switches(written: object, said: bool) -> None:
    assert read_profile(edited({"owners.allowlist": written})).allowlist is said


def test_an_api_without_versions() -> None:
    assert read_profile(edited({"versioning": ABSENT})).versioning is None


@pytest.mark.req("R50")
def test_a_profile_is_read_again_from_its_document() -> None:
    profile = read_profile(DOCUMENT)
    again = read_profile(json.loads(json.dumps(profile.document)))
    assert profile.document == DOCUMENT
    assert profile.document is not DOCUMENT
    assert dataclasses.asdict(again) == dataclasses.asdict(profile)


MANY = "all, or a list of scopes, each once"
PREFIX = "2 to 24 of a-z, 0-9 and _, with _ at the end"
MOMENT = "a day, as 2026-06-26 (midnight UTC), or an instant"
DURATION = "a duration up to 100 years, as '0 s'"

FIELDS: list[tuple[str, Any, str, str]] = [  # field, what is written there, what is said to be found and allowed
    ("profile", "Example", "'Example'", "a small letter, then small letters, digits, _ or -"),
    ("title", "", "''", "text on one line"),
    ("title", "a\nb", "'a\\nb'", "text on one line"),
    ("title", True, "true", "text on one line"),
    ("support", "nobody", "'nobody'", "an e-mail address, or an https:// address"),
    ("support", "javascript:a@b", "'javascript:a@b'", "an e-mail address, or an https:// address"),
    ("documentation", "javascript:alert(1)", "'javascript:alert(1)'", "an http:// or https:// address"),
    ("words", [], "a list", "a mapping of key, owner"),
    ("owners.type", "team", "'team'", "user, organisation"),
    ("owners.type", None, "nothing", "user, organisation"),
    ("owners.allowlist", "maybe", "'maybe'", "on, off (or true, false)"),
    ("owners.allowlist", 1, "1", "on, off (or true, false)"),
    ("carriers", [], "0 items", "a list of 1 to 20; each: header: NAME, bearer, or query: NAME"),
    ("carriers", "bearer", "'bearer'", "a list of 1 to 20"),
    ("carriers.1", "cookie", "'cookie'", "header: NAME, bearer, or query: NAME"),
    ("carriers.0.header", "X Key", "'X Key'", "a header's name: letters, digits and"),
    ("carriers.0.header", "authorization", "'authorization'", "not Authorization: that is what bearer is for"),
    ("carriers.2.query", "a&b", "'a&b'", "a query parameter's name"),
    ("keys.max_active_per_owner", 2, "2", "1, unlimited"),
    ("keys.max_active_per_owner", True, "true", "1, unlimited"),
    ("keys.on_overflow", "drop", "'drop'", "replace, reject"),
    ("keys.issuance", "nobody", "'nobody'", "self_service, approval"),
    ("keys.overlap", "none", "'none'", DURATION),
    ("keys.overlap", "1 week", "'1 week'", DURATION),
    ("keys.overlap", "999999999 d", "'999999999 d'", DURATION),
    ("keys.max_lifetime", "0 s", "'0 s'", "none, or a duration from 1 s"),
    ("keys.classes", {}, "0 entries", "a mapping with 1 to 100 entries"),
    ("keys.on_leak", "ignore", "'ignore'", "revoke, warn"),
    ("keys.foreign", {}, "a mapping", "a list of 0 to 20"),
    ("keys.foreign.0.length", "40-30", "'40-30'", "the number of characters, as 40 or 32-64; 8 to 512"),
    ("keys.foreign.0.length", 7, "7", "8 to 512"),
    ("keys.foreign.0.length", "32-513", "'32-513'", "8 to 512"),
    ("keys.foreign.0.hash", "md5", "'md5'", "plain, sha256, sha512, hmac-sha256"),
    ("keys.foreign.0.prefix", "a b", "'a b'", "at most 64 printable characters of ASCII, no space, no comma"),
    ("keys.foreign.0.prefix", "a,b", "'a,b'", "no comma"),
    ("keys.foreign.0.environment", "staging", "'staging'", "live, test"),
    (f"{SECRET}.prefixes.live", "sk", "'sk'", PREFIX),
    (f"{SECRET}.prefixes.live", "_", "'_'", PREFIX),
    (f"{SECRET}.prefixes.live", "Sk_", "'Sk_'", PREFIX),
    (f"{SECRET}.prefixes.live", "s" * 24 + "_", "'" + "s" * 24 + "_'", PREFIX),
    (f"{SECRET}.scopes", "most", "'most'", MANY),
    (f"{SECRET}.scopes", ["admin", "admin"], "a list", MANY),
    (f"{SECRET}.default_scopes", "all", "'all'", "a list of scopes, each once"),
    (
        f"{SECRET}.limit",
        "100 per minute",
        "'100 per minute'",
        "a limit, as '100 per 60 s' (units: s, min, h, d; 'shadow",
    ),
    (f"{SECRET}.limit", "1 per 0 s", "'1 per 0 s'", "a limit, as '100 per 60 s'"),
    ("scopes.read:chat", [], "a list", "a description, or a mapping of description, implies, extension"),
    ("scopes.admin.implies", 5, "5", MANY),
    ("versioning.carrier", "query", "'query'", "header, path"),
    ("versioning.format", "number", "'number'", "date, segment"),
    ("versioning.deprecation", "rfc8594", "'rfc8594'", "rfc9745, http-date"),
    ("versioning.versions", {}, "0 entries", "a mapping with 1 to 1000 entries"),
    (f"{OLD}.deprecated", "2025-02-30", "'2025-02-30'", MOMENT),
    (f"{OLD}.deprecated", "2025-02-01T10:00", "'2025-02-01T10:00'", MOMENT),
    (f"{OLD}.deprecated", "0001-01-01T00:00+23:59", "'0001-01-01T00:00+23:59'", MOMENT),
    (f"{OLD}.sunset", "9999-12-31", "'9999-12-31'", MOMENT),
    ("limits.per", "user", "'user'", "key, owner"),
    ("limits.in_flight", 0, "0", "a number from 1 to 10000"),
    ("limits.in_flight", "20 at once", "'20 at once'", "a number from 1 to 10000"),
    ("limits.in_flight", True, "true", "a number from 1 to 10000"),
    ("limits.default", 100, "100", "a limit, as '100 per 60 s'"),
    ("limits.default", "100 per 60 s, 200 per 1 min", "'100 per 60 s, 200 per 1 min'", "of different lengths"),
    ("limits.default", ["100 per 60 s", 5], "a list", "or up to 8 of different lengths"),
    ("limits.default", [], "a list", "as '100 per 60 s, 5000 per 1 d' or a list"),
    ("versioning.missing", "oldest", "'oldest'", "refuse, pin"),
    ("plans.free.granular_scopes", "maybe", "'maybe'", "on, off (or true, false)"),
    ("limits.headers.reset", "a b", "'a b'", "a header's name"),
    ("plans.free.limit", "none", "'none'", "5000 per 1 d' or a list; or custom"),
    ("operations", {}, "a mapping", "a list of 1 to 2000"),
    ("operations.0.id", "list_chats", "'list_chats'", "a letter, then letters and digits"),
    ("operations.0.call", "HEAD /chats", "'HEAD /chats'", "METHOD /path, with a method of GET, POST, PUT"),
    ("operations.0.call", "get /chats", "'get /chats'", "METHOD /path"),
    ("operations.0.call", "GET /a//b", "'GET /a//b'", "segments that are literal (letters, digits, _ . ~ -) or {name}"),
    ("operations.0.call", "GET /a/x{b}", "'GET /a/x{b}'", "or {name}"),
    ("operations.0.scopes", "read:chat", "'read:chat'", "a list of scopes, each once"),
    ("operations.1.limit", "5 per hour", "'5 per hour'", "a limit, as '100 per 60 s'"),
    ("errors.style", "xml", "'xml'", "problem, compat"),
    ("errors.compat.429", "slow down", "'slow down'", "a mapping, the JSON body to answer"),
    (
        "errors.compat.429.retryAfter",
        "{retry-after}",
        "the unknown placeholder '{retry-after}'",
        "did you mean '{retry_after}'?",
    ),
    ("errors.compat.429.retryAfter", "a } b", "the unknown placeholder '}'", "{title}, {detail}, {code}, {version}, "),
    ("errors.compat.429.retryAfter", "a\x1bb", "'a\\x1bb'", "text on one line"),
    ("errors.compat.429.retryAfter", 2**53, str(2**53), "whole numbers below 2^53"),
    ("errors.compat.429.retryAfter", 10**100, "a very large number", "whole numbers below 2^53"),
    ("errors.compat.429.retryAfter", 0.5, "0.5", "text, whole numbers"),
]


@pytest.mark.req("R40", "R50", "R113", "R114")
@pytest.mark.parametrize(("path", "value", "found", "allowed"), FIELDS)
def test_a_field_with_another_value_is_a_mistake(path: str, value: object, found: str, allowed: str) -> None:
    foreign = [{"prefix": "old-", "length": "32-64", "hash": "sha512", "class": "secret", "environment": "test"}]
    document = edited({path: value}, edited({"keys.foreign": foreign} if path.startswith("keys.foreign.") else {}))
    (mistake,) = mistakes(document)
    assert (mistake.path, mistake.line, mistake.found) == (path, numbered(document)[path], found)
    assert allowed in mistake.allowed


REQUIRED = """
    profile title support owners owners.type carriers keys keys.max_active_per_owner keys.issuance keys.classes
    keys.classes.secret.prefixes keys.classes.secret.scopes scopes scopes.admin.description versioning.carrier
    versioning.format versioning.next_header versioning.versions limits limits.per limits.default plans.free.title
    plans.free.limit operations operations.0.id operations.0.call
"""


@pytest.mark.parametrize("path", REQUIRED.split())
def test_a_required_field_is_missed_at_the_line_of_its_parent(path: str) -> None:
    document = edited({path: ABSENT})
    (mistake,) = mistakes(document)
    assert (mistake.path, mistake.found) == (path, "nothing")
    assert mistake.line == numbered(document)[path.rpartition(".")[0]]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("titel", "did you mean 'title'?"),
        ("words.keys", "key, owner; did you mean 'key'?"),
        ("owners.kind", "type, allowlist"),
        ("carriers.0.cookie", "header, bearer, query"),
        ("keys.on_overfow", "did you mean 'on_overflow'?"),
        (f"{SECRET}.prefixes.tset", "live, test; did you mean 'test'?"),
        (f"{SECRET}.scope", "did you mean 'scopes'?"),
        ("scopes.admin.imply", "did you mean 'implies'?"),
        ("versioning.version", "did you mean 'versions'?"),
        (f"{OLD}.deprecation", "did you mean 'deprecated'?"),
        ("limits.header", "did you mean 'headers'?"),
        ("limits.headers.retry", "limit, remaining, reset"),
        ("plans.free.limits", "did you mean 'limit'?"),
        ("operations.0.scope", "did you mean 'scopes'?"),
        ("errors.styles", "did you mean 'style'?"),
    ],
)
def test_an_unknown_field_is_a_mistake(path: str, allowed: str) -> None:
    document = edited({path: "x"})
    (mistake,) = mistakes(document)
    assert mistake.found == f"the unknown field {path.rpartition('.')[2]!r}"
    assert (mistake.path, mistake.line) == (path, numbered(document)[path])
    assert allowed in mistake.allowed


@pytest.mark.parametrize(
    ("changes", "path", "found", "allowed"),
    [
        ({"keys.classes.Bad": DOCUMENT["keys"]["classes"]["public"] | {"prefixes": {"test": "b_"}}},
         "keys.classes.Bad", "'Bad'", "a small letter"),
        ({"scopes.Read": "x"}, "scopes.Read", "'Read'", "verb:resource, or one word other than all"),
        ({"scopes.all": "x"}, "scopes.all", "'all'", "one word other than all"),
        ({"plans.A": DOCUMENT["plans"]["free"]}, "plans.A", "'A'", "a small letter"),
        ({"errors.compat.399": {}}, "errors.compat.399", "'399'", "a status from 400 to 599, or a code: credential_mi"),
        ({"errors.compat.ok": {}}, "errors.compat.ok", "'ok'", "a status from 400 to 599, or a code"),
        ({"errors.compat": {429: {}}}, "errors.compat", "the name 429", "a status from 400 to 599"),
        ({"errors.compat.400": {5: ""}}, "errors.compat.400", "the name 5", "names that are text"),
    ],
)  # fmt: skip
def test_a_name_of_another_form_is_a_mistake(changes: dict[str, Any], path: str, found: str, allowed: str) -> None:
    document = edited(changes)
    (mistake,) = mistakes(document)
    assert (mistake.path, mistake.line, mistake.found) == (path, numbered(document)[path], found)
    assert allowed in mistake.allowed


@pytest.mark.parametrize("data", [None, [], "profile: x", 5, {1: 2}, {"profile": {}}, {"title": 1 << 99}])
def test_what_is_no_profile_is_a_mistake(data: Any) -> None:
    assert mistakes(data)


def test_every_mistake_is_found_in_the_order_of_the_lines() -> None:
    document = edited({path: value for path, value, _, _ in FIELDS if path in {"title", "owners.type", "limits.per"}})
    found = mistakes(edited({"keys.on_overfow": 1, "operations.0.write": True, f"{OLD}.successor": "x"}, document))
    assert [mistake.path for mistake in found] == [
        "title",
        "owners.type",
        "keys.on_overfow",
        f"{OLD}.successor",
        "limits.per",
        "operations.0.write",
    ]


@pytest.mark.parametrize(
    ("mistake", "text"),
    [
        (Mistake("a.b", 12, "'x'", "y, z", "f.yaml"), "f.yaml:12: a.b: found 'x', allowed: y, z"),
        (Mistake("a.b", None, "'x'", "y", "f.yaml"), "f.yaml: a.b: found 'x', allowed: y"),
        (Mistake("a.b", 12, "'x'", "y"), "line 12: a.b: found 'x', allowed: y"),
        (Mistake("", None, "'x'", "y"), "found 'x', allowed: y"),
        (Mistake("a\x1b\ud800\n", None, "'x'", "y"), "a\\x1b\\ud800\\n: found 'x', allowed: y"),
    ],
)
def test_a_mistake_is_one_printable_line(mistake: Mistake, text: str) -> None:
    assert str(mistake) == text


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), st.binary(max_size=3), st.dates(),
    st.sampled_from(["all", "on", "bearer", "none", "custom", "GET /x", "1 per 1 s", "read:chat", 10**100, (), {1}]),
)  # fmt: skip
NAMES = st.one_of(
    st.text(max_size=8),
    st.integers(),
    st.none(),
    st.sampled_from(sorted({path.rpartition(".")[2] for path in numbered(DOCUMENT)})),
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)


@given(ANYTHING | st.dictionaries(st.sampled_from(sorted(DOCUMENT)), ANYTHING))
def test_nothing_but_a_profile_error_is_ever_raised(data: Any) -> None:
    with pytest.raises(ProfileError) as caught:
        read_profile(data)
    assert str(caught.value).isprintable() or len(caught.value.mistakes) > 1


@given(st.dictionaries(st.sampled_from(sorted(numbered(DOCUMENT))[1:]), ANYTHING, min_size=1, max_size=2))
def test_a_profile_with_anything_anywhere_is_read_or_refused(changes: dict[str, Any]) -> None:
    document: Any = copy.deepcopy(DOCUMENT)
    for path in sorted(changes, key=len, reverse=True):  # what stands within something goes before it
        document = edited({path: changes[path]}, document)
    try:
        profile = read_profile(document)
    except ProfileError:
        return
    again = read_profile(json.loads(json.dumps(profile.document)))
    assert dataclasses.asdict(again) == dataclasses.asdict(profile)


def test_a_document_that_holds_itself_is_refused() -> None:
    body: dict[str, Any] = {}
    body["again"] = body
    with pytest.raises(ProfileError, match="at most 8 levels"):
        read_profile(edited({}) | {"errors": {"compat": {"400": body}}})


def test_a_date_is_refused_as_it_is_no_plain_data() -> None:
    (mistake,) = mistakes(edited({f"{OLD}.deprecated": datetime.date(2025, 6, 1)}))
    assert (mistake.path, mistake.found) == (f"{OLD}.deprecated", "a date")


def test_a_file_with_very_many_mistakes_is_refused_with_the_first_of_them() -> None:
    document = edited({"words": {f"word{number}": "" for number in range(2 * MOST_MISTAKES)}})
    assert len(mistakes(document)) == MOST_MISTAKES

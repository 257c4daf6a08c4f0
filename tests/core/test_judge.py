"""The order of refusals, over the whole table of combinations; then each reason at its edge."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_network
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from limen.core import verdict
from limen.core.keys import State
from limen.core.measures import Measure
from limen.core.record import Record
from limen.core.routes import Operation
from limen.core.rules import Rules
from limen.core.scopes import Catalogue, Scope
from limen.core.verdict import PRECEDENCE, Ask, Code, Verdict, judge, reasons
from limen.core.versions import Brownout, Version

NOW = 1_800_000_000.0
ORDER = """
credential_missing credential_conflict credential_malformed unavailable credential_invalid
key_revoked key_expired key_inactive owner_suspended owner_not_allowed
environment_mismatch origin_not_allowed address_not_allowed operation_unknown
version_missing version_malformed version_unknown version_sunset version_brownout
writes_disabled access_blocked scope_missing limit_exceeded ok
"""
NUMBERS = """
credential_missing credential_conflict credential_malformed unavailable credential_invalid
key_revoked key_expired key_inactive owner_suspended owner_not_allowed
environment_mismatch origin_not_allowed address_not_allowed operation_unknown
version_missing version_malformed version_unknown version_sunset writes_disabled scope_missing limit_exceeded ok
access_blocked version_brownout
"""
CURRENT = Version("2026-01-15")
DEPRECATED = Version("2025-06-26", NOW - 100, NOW + 100, "2026-01-15")
SUNSET = Version("2024-01-01", NOW - 100, NOW - 1, "2026-01-15")
NOW_OUT = Brownout("b1", NOW - 10, NOW + 10, 410)
BROWNED_OUT = Version("2025-03-03", NOW - 100, NOW + 100, "2026-01-15", (NOW_OUT,))
VERSIONS = {version.name.encode(): version for version in (CURRENT, DEPRECATED, SUNSET, BROWNED_OUT)}
NETWORKS = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))


class Case(NamedTuple):
    """One way in which one part of a request can stand: what it changes, and the reasons that then hold."""

    reasons: frozenset[Code]
    changes: dict[str, Any]


def _case(*reasons: Code, **changes: Any) -> Case:
    return Case(frozenset(reasons), changes)


# Each axis is independent of the others, so every product of them is a request; its first case refuses nothing.
PAST, FUTURE = {"expires_at": NOW - 5}, {"expires_at": NOW + 5}
KEY = [
    _case(state=State.ACTIVE, expires_at=math.inf),
    _case(state=State.ACTIVE, **FUTURE),
    _case(Code.KEY_EXPIRED, state=State.ACTIVE, **PAST),
    _case(Code.KEY_EXPIRED, state=State.EXPIRED, **PAST),
    _case(Code.KEY_EXPIRED, state=State.EXPIRED, **FUTURE),
    _case(Code.KEY_INACTIVE, state=State.INACTIVE, **FUTURE),
    _case(Code.KEY_INACTIVE, Code.KEY_EXPIRED, state=State.INACTIVE, **PAST),
    _case(Code.KEY_REVOKED, state=State.REVOKED, **FUTURE),
    _case(Code.KEY_REVOKED, Code.KEY_EXPIRED, state=State.REVOKED, **PAST),
]
SUSPENSION = [_case(suspended=False), _case(Code.OWNER_SUSPENDED, suspended=True)]
ALLOWLIST = [
    _case(allowlist=True, allowed=True),
    _case(allowlist=False, allowed=False),
    _case(Code.OWNER_NOT_ALLOWED, allowlist=True, allowed=False),
]
ENVIRONMENT = [_case(environment=b"live"), _case(Code.ENVIRONMENT_MISMATCH, environment=b"test")]
ORIGIN = [
    _case(origins=None, origin=None),
    _case(origins=frozenset({b"https://a.example"}), origin=b"https://a.example"),
    _case(Code.ORIGIN_NOT_ALLOWED, origins=frozenset({b"https://a.example"}), origin=None),
    _case(Code.ORIGIN_NOT_ALLOWED, origins=frozenset({b"https://a.example"}), origin=b"https://b.example"),
]
ADDRESS = [
    _case(addresses=None, address=None),
    _case(addresses=NETWORKS, address="192.0.2.7"),
    _case(Code.ADDRESS_NOT_ALLOWED, addresses=NETWORKS, address=None),
    _case(Code.ADDRESS_NOT_ALLOWED, addresses=NETWORKS, address="198.51.100.7"),
]
OPERATION = [_case(known=True), _case(Code.OPERATION_UNKNOWN, known=False)]
VERSION = [
    _case(versioned=True, version=b"2026-01-15"),
    _case(versioned=True, version=b"2025-06-26"),
    _case(versioned=False, version=None),
    _case(Code.VERSION_MISSING, versioned=True, version=None),
    _case(Code.VERSION_MALFORMED, versioned=True, version=b"2026-13-15"),
    _case(Code.VERSION_UNKNOWN, versioned=True, version=b"2026-01-16"),
    _case(Code.VERSION_SUNSET, versioned=True, version=b"2024-01-01"),
    _case(Code.VERSION_BROWNOUT, versioned=True, version=b"2025-03-03"),
]
WRITES = [
    _case(read_only=True, write=False),
    _case(read_only=False, write=True),
    _case(Code.WRITES_DISABLED, read_only=True, write=True),
]
BLOCKS = [_case(blocked=False), _case(Code.ACCESS_BLOCKED, blocked=True)]
SCOPES = [
    _case(needed=frozenset({"read:chat"}), held=frozenset({"read:chat", "read:self"})),
    _case(needed=frozenset(), held=frozenset()),
    _case(Code.SCOPE_MISSING, needed=frozenset({"read:chat", "write:chat"}), held=frozenset({"read:chat"})),
]
AXES = (KEY, SUSPENSION, ALLOWLIST, ENVIRONMENT, ORIGIN, ADDRESS, OPERATION, VERSION, WRITES, BLOCKS, SCOPES)
OF_OPERATION = {Code.WRITES_DISABLED, Code.SCOPE_MISSING}
"""Reasons that hold of an operation: where it is not known, nobody can say."""
JUDGED = frozenset(code for axis in AXES for case in axis for code in case.reasons)


USUAL = {name: value for axis in AXES for name, value in axis[0].changes.items()}

Question = tuple[Record, Ask, Operation | None, Version | None, Rules]
Put = Callable[..., Question]
Decide = Callable[..., Code]


@pytest.fixture(scope="module")
def put(new: SimpleNamespace) -> Put:
    """What ``judge`` is asked about a request that nothing is wrong with, but for what a test changes."""
    blocks = (Measure("m1", "owner", "owner"),)

    @functools.cache
    def rules(allowlist: bool, dated: bool, read_only: bool, blocked: bool) -> Rules:
        profile = new.profile() if dated else new.profile(versioning=None)
        switches = {"allowlist": allowlist, "read_only": read_only, "blocks": blocks if blocked else ()}
        return new.rules(profile, tuple(VERSIONS.values()), **switches)

    @functools.cache
    def record(suspended: bool, allowed: bool, held: frozenset[str], *own: Any) -> Record:
        named = dict(zip(("state", "expires_at", "origins", "addresses"), own, strict=True))
        return new.record(owner=new.owner(suspended=suspended, allowed=allowed), scopes=held, **named)

    @functools.cache
    def operation(needed: frozenset[str], write: bool) -> Operation:
        return Operation("o", "GET", "/o", needed, write=write)

    def question(**changes: Any) -> Question:
        it = USUAL | changes
        held, needed = frozenset(it["held"]), frozenset(it["needed"])
        own = (it["state"], it["expires_at"], it["origins"], it["addresses"])
        ask = Ask(b"", b"GET", b"/", it["version"], it["environment"], it.get("now", NOW), 0.0)
        ask.origin, ask.address = it["origin"], it["address"]
        by = rules(it["allowlist"], it["versioned"], it["read_only"], it["blocked"])
        asked = operation(needed, it["write"]) if it["known"] else None
        return record(it["suspended"], it["allowed"], held, *own), ask, asked, by.versions.get(it["version"]), by

    return question


@pytest.fixture(scope="module")
def decide(put: Put) -> Decide:
    """What ``judge`` says of a request that nothing is wrong with, but for what a test changes."""
    return lambda **changes: judge(*put(**changes))


@pytest.mark.req("R3", "R271", "R273")
def test_of_all_reasons_that_hold_the_first_in_the_order_of_codes_is_given(put: Put) -> None:
    """Every combination of what can be wrong and of what can be right in several ways: 497,664 requests."""
    said, wrong = set(), []
    place = {code: number for number, code in enumerate(PRECEDENCE)}
    for cases in itertools.product(*AXES):
        asked = put(**{name: value for case in cases for name, value in case.changes.items()})
        holding = {reason for case in cases for reason in case.reasons}
        if Code.OPERATION_UNKNOWN in holding:
            holding -= OF_OPERATION
        expected = sorted(holding, key=place.__getitem__)
        code = judge(*asked)
        said.add(code)
        if code is not (expected[0] if expected else Code.OK) or reasons(*asked) != expected:
            wrong.append((code, cases))
    assert wrong[:3] == []
    assert said == JUDGED | {Code.OK}, "every reason was met, and none but these"


def test_the_table_leaves_out_no_reason_that_judge_is_there_for() -> None:
    """Before them come the codes of credential and store, after them the limit: others give those."""
    first, last = PRECEDENCE.index(Code.KEY_REVOKED), PRECEDENCE.index(Code.SCOPE_MISSING)
    assert set(PRECEDENCE[first : last + 1]) == JUDGED


def test_the_codes_keep_their_order_their_numbers_and_their_names() -> None:
    """The order is the contract, and the numbers are in the journal: a new code has the next, wherever it stands."""
    assert [code.slug for code in PRECEDENCE] == ORDER.split()
    assert [(code.slug, code.value) for code in Code] == [(slug, at) for at, slug in enumerate(NUMBERS.split(), 1)]
    assert all(getattr(verdict, code.name) is code for code in Code)


def test_only_ok_admits() -> None:
    assert [code for code in Code if Verdict(code, None, None, None).admitted] == [Code.OK]


@pytest.mark.req("R48")
@given(now=st.floats(0, 4e9), expires_at=st.floats(0, 4e9) | st.just(math.inf))
def test_a_revoked_key_is_revoked_at_any_time_and_an_active_one_is_not(
    decide: Decide, now: float, expires_at: float
) -> None:
    assert decide(state=State.REVOKED, expires_at=expires_at, now=now, versioned=False) is Code.KEY_REVOKED
    assert decide(state=State.ACTIVE, expires_at=math.inf, now=now, versioned=False) is Code.OK


@pytest.mark.req("R207")
@pytest.mark.check("C010")
@pytest.mark.parametrize("state", [State.ACTIVE, State.INACTIVE])
def test_a_key_stops_by_itself_at_the_very_second_of_its_date_without_its_row_saying_so(
    decide: Decide, state: State
) -> None:
    before = Code.OK if state is State.ACTIVE else Code.KEY_INACTIVE
    assert decide(state=state, expires_at=NOW, now=math.nextafter(NOW, 0)) is before
    assert decide(state=state, expires_at=NOW, now=NOW) is Code.KEY_EXPIRED
    assert decide(state=state, expires_at=NOW, now=NOW + 1e9, versioned=False) is Code.KEY_EXPIRED


@pytest.mark.req("R221")
def test_a_deactivated_key_is_refused_and_a_reactivated_one_is_not(decide: Decide) -> None:
    assert decide(state=State.INACTIVE) is Code.KEY_INACTIVE
    assert decide(state=State.ACTIVE) is Code.OK


@pytest.mark.req("R99")
def test_owners_that_are_not_on_the_list_are_refused_while_the_list_is_on(decide: Decide) -> None:
    assert decide(allowlist=True, allowed=False) is Code.OWNER_NOT_ALLOWED
    assert decide(allowlist=True, allowed=True) is Code.OK
    assert decide(allowlist=False, allowed=False) is Code.OK


@pytest.mark.req("R162")
def test_a_suspended_owner_is_refused_whatever_the_key_may_do(decide: Decide) -> None:
    assert decide(suspended=True) is Code.OWNER_SUSPENDED
    assert decide(suspended=True, allowlist=False, needed=set()) is Code.OWNER_SUSPENDED


@pytest.mark.req("R199", "R200")
@pytest.mark.check("C012")
@pytest.mark.parametrize("key", [b"live", b"test"])
@pytest.mark.parametrize("asked", [b"live", b"test", b"LIVE", b""])
def test_a_key_reaches_the_data_of_its_own_environment_alone(new: SimpleNamespace, key: bytes, asked: bytes) -> None:
    ask = Ask(b"", b"GET", b"/o", None, asked, NOW, 0.0)
    rules = new.rules(new.profile(versioning=None))
    code = judge(new.record(environment=key), ask, Operation("o", "GET", "/o"), None, rules)
    assert code is (Code.OK if key == asked else Code.ENVIRONMENT_MISMATCH)


ALLOWED = frozenset({b"https://a.example", b"https://b.example:8443"})


@pytest.mark.check("C011")
@pytest.mark.parametrize("origin", [b"https://a.example", b"https://b.example:8443"])
def test_an_origin_on_the_list_is_admitted(decide: Decide, origin: bytes) -> None:
    assert decide(origins=ALLOWED, origin=origin) is Code.OK


@pytest.mark.check("C011")
@pytest.mark.parametrize(
    "origin",
    [
        *(
            None,
            b"",
            b"null",
            b"https://a.example:443",
            b"http://a.example",
            b"https://a.example/",
            b"https://A.example",
        ),
        *(b"https://a.example.evil", b"https://evil-a.example", b"a.example", b"https://b.example", b"*"),
    ],
)
def test_any_other_origin_and_none_at_all_are_refused_where_a_key_lists_origins(
    decide: Decide, origin: bytes | None
) -> None:
    assert decide(origins=ALLOWED, origin=origin) is Code.ORIGIN_NOT_ALLOWED
    assert decide(origins=frozenset(), origin=origin) is Code.ORIGIN_NOT_ALLOWED, "an empty list is a list"
    assert decide(origins=None, origin=origin) is Code.OK


@pytest.mark.check("C011")
@given(number=st.integers(0, 2**32 - 1) | st.integers(0xC0000200 - 2, 0xC00002FF + 2))
def test_an_address_counts_as_itself_and_as_ipv6_that_maps_it(decide: Decide, number: int) -> None:
    expected = Code.OK if 0xC0000200 <= number <= 0xC00002FF else Code.ADDRESS_NOT_ALLOWED
    for address in (IPv4Address(number), IPv6Address((0xFFFF << 32) + number)):
        assert decide(addresses=NETWORKS, address=str(address)) is expected


@pytest.mark.check("C011")
@pytest.mark.parametrize(
    ("address", "inside"),
    [
        *(("2001:db8::1", True), ("2001:DB8:0:0::1", True), ("2001:db9::1", False), ("::1", False)),
        *(("::ffff:c000:207", True), ("::192.0.2.7", False), ("64:ff9b::192.0.2.7", False), ("2002:c000:207::", False)),
        *((None, False), ("", False), ("unknown", False), ("192.0.2.7:80", False), ("[2001:db8::1]", False)),
        *(
            ("192.0.2", False),
            ("192.0.2.007", False),
            ("3221225991", False),
            ("0xc0000207", False),
            (" 192.0.2.7", False),
        ),
        *(("192.0.2.7, 198.51.100.7", False), ("192.0.2.0/24", False), ("192.0.2.256", False), ("\uff11.0.0.1", False)),
    ],
)
def test_an_address_that_is_absent_or_not_plainly_in_a_range_is_refused(
    decide: Decide, address: str | None, inside: bool
) -> None:
    assert decide(addresses=NETWORKS, address=address) is (Code.OK if inside else Code.ADDRESS_NOT_ALLOWED)
    assert decide(addresses=(), address=address) is Code.ADDRESS_NOT_ALLOWED, "an empty list is a list"
    assert decide(addresses=None, address=address) is Code.OK


@pytest.mark.req("R54", "R55")
def test_a_version_is_asked_for_where_an_api_has_versions_and_nowhere_else(decide: Decide) -> None:
    assert decide(version=None) is Code.VERSION_MISSING
    assert decide(version=b"2026-01-16") is Code.VERSION_UNKNOWN
    for version in (None, b"2026-01-16", b"garbage", b"2024-01-01"):
        assert decide(versioned=False, version=version) is Code.OK


@pytest.mark.req("R40")
@given(version=st.binary(max_size=16).filter(lambda found: found not in VERSIONS))
@example(b"")
@example(b"2026-01-15\n")
@example(b" 2026-01-15")
@example(b"2026-02-30")
@example("２０２６-01-15".encode())  # noqa: RUF001
@example(b"2025-177")
def test_any_bytes_are_a_version_malformed_or_unknown_and_never_raise(decide: Decide, version: bytes) -> None:
    real = re.fullmatch(rb"\d{4}-\d\d-\d\d", version) and version != b"2026-02-30"
    assert decide(version=version) in ({Code.VERSION_UNKNOWN} if real else {Code.VERSION_MALFORMED})


@pytest.mark.req("R55")
def test_an_api_with_versions_in_its_path_knows_their_form_too(new: SimpleNamespace) -> None:
    versioning = dataclasses.replace(new.profile().versioning, carrier="path", form="segment")
    rules = new.rules(new.profile(versioning=versioning), (Version("v1"),))
    codes = [
        judge(
            new.record(), Ask(b"", b"GET", b"/o", named, b"live", NOW, 0.0), Operation("o", "GET", "/o"), found, rules
        )
        for named in (b"v1", b"v2", b"2026-01-15", b"v", None)
        for found in [rules.versions.get(named or b"")]
    ]
    assert [code.slug.removeprefix("version_") for code in codes] == [
        "ok",
        "unknown",
        "malformed",
        "malformed",
        "missing",
    ]


@pytest.mark.req("R56", "R57")
def test_a_version_is_served_until_the_very_second_of_its_sunset(decide: Decide) -> None:
    served = (b"2025-06-26", NOW - 100, NOW + 100)
    for now in (0.0, served[1], NOW, math.nextafter(served[2], 0)):
        assert decide(version=served[0], now=now) is Code.OK
    for now in (served[2], served[2] + 1e9):
        assert decide(version=served[0], now=now) is Code.VERSION_SUNSET


@pytest.mark.req("R166")
def test_a_brownout_lasts_from_its_first_second_to_its_end_while_the_version_is_deprecated(
    decide: Decide, new: SimpleNamespace
) -> None:
    name = b"2025-03-03"
    for now in (NOW - 11, math.nextafter(NOW - 10, 0), NOW + 10, NOW + 99):
        assert decide(version=name, now=now) is Code.OK
    for now in (NOW - 10, NOW, math.nextafter(NOW + 10, 0)):
        assert decide(version=name, now=now) is Code.VERSION_BROWNOUT
    long = Brownout("b1", NOW - 10, NOW + 10, 503)
    for version in (Version("v", None, None, None, (long,)), Version("v", NOW + 1, NOW + 2, "w", (long,))):
        assert version.brownout(NOW) is None, "what is not deprecated yet works"
    ending = Version("v", NOW - 5, NOW + 5, "w", (long,))
    assert [ending.brownout(NOW + second) for second in (-6, -5, 4, 5)] == [None, long, long, None]


@pytest.mark.req("R39")
def test_a_request_without_a_version_is_for_the_one_that_its_key_is_pinned_to(decide: Decide, put: Put) -> None:
    record, ask, operation, _, rules = put(version=None)
    for name, code in ((b"2025-06-26", Code.OK), (b"2024-01-01", Code.VERSION_SUNSET), (b"", Code.VERSION_MISSING)):
        assert judge(record, ask, operation, rules.versions.get(name), rules) is code


@pytest.mark.req("R127")
@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("write", [True, False])
def test_read_only_refuses_writes_and_nothing_else(decide: Decide, read_only: bool, write: bool) -> None:
    assert decide(read_only=read_only, write=write) is (Code.WRITES_DISABLED if read_only and write else Code.OK)


def test_head_is_judged_as_the_read_that_get_is(new: SimpleNamespace) -> None:
    """Also while the API is read-only, and by the same scopes."""
    listed = Operation("list", "GET", "/chats", frozenset({"read:chat"}))
    send = Operation("send", "POST", "/chats", frozenset({"write:chat"}), write=True)
    rules = new.rules(new.profile(versioning=None, operations=(listed, send)), read_only=True)
    codes = {
        (method, *held): judge(
            new.record(scopes=frozenset(held)),
            Ask(b"", method, b"/chats", None, b"live", NOW, 0.0),
            rules.routes.find(method, b"/chats"),
            None,
            rules,
        )
        for method in (b"GET", b"HEAD", b"POST")
        for held in ([], ["read:chat"], ["write:chat"])
    }
    for method in (b"GET", b"HEAD"):
        assert codes[(method,)] is codes[method, "write:chat"] is Code.SCOPE_MISSING
        assert codes[method, "read:chat"] is Code.OK
    assert codes[b"POST", "write:chat"] is Code.WRITES_DISABLED


@pytest.mark.req("R12", "R50", "R51")
@pytest.mark.check("C013")
@given(st.data())
def test_scopes_alone_decide_which_operations_a_key_reaches(decide: Decide, data: st.DataObject) -> None:
    names = ["admin", "read:chat", "write:chat", "read:self"]
    catalogue = Catalogue({name: Scope(name, name, frozenset(names[1:] if name == "admin" else ())) for name in names})
    held, needed = (data.draw(st.sets(st.sampled_from(names))) for _ in range(2))
    enough = "admin" in held or needed <= held
    code = decide(held=catalogue.expand(held), needed=needed)
    assert code is (Code.OK if enough else Code.SCOPE_MISSING)

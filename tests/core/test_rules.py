"""What a profile and staff's switches compile to: versions that are served, who is within, and which limits hold."""

from __future__ import annotations

import dataclasses
from ipaddress import IPv4Address, IPv6Address, ip_network
from types import SimpleNamespace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from limen.core.limits import Limit, Limits
from limen.core.profile import Carrier, Errors, KeyClass, Plan, Versioning
from limen.core.routes import Operation
from limen.core.rules import Rules
from limen.core.verdict import Ask
from limen.core.versions import Version

NOW = 1_800_000_000.0
ACTIVE = Version("2026-01-15")
DEPRECATED = Version("2025-06-26", NOW - 100, NOW + 100, "2026-01-15")
SUNSET = Version("2024-01-01", NOW - 100, NOW - 1, "2026-01-15")
PLAIN = Operation("list", "GET", "/things")
ASK = Ask(None, b"GET", b"/things", None, b"live", NOW, 0.0)


def test_what_is_not_sunset_is_supported_the_oldest_first(new: SimpleNamespace) -> None:
    rules = new.rules(versions=(ACTIVE, SUNSET, DEPRECATED))
    assert rules.supported(NOW) == ["2025-06-26", "2026-01-15"]
    assert rules.supported(NOW + 100) == ["2026-01-15"]
    assert new.rules().supported(NOW) == []


@pytest.mark.req("R40")
def test_a_version_has_the_form_that_the_profile_says(new: SimpleNamespace) -> None:
    dated, in_path = (
        new.rules(),
        new.rules(new.profile(versioning=Versioning("path", "", "segment", "rfc9745", "", ()))),
    )
    assert [dated.well_formed(name) for name in (b"2025-06-26", b"2025-02-30", b"v1", b"", b"\xff")] == [True] + [
        False
    ] * 4
    assert [in_path.well_formed(name) for name in (b"v1", b"v12345", b"2025-06-26")] == [True, False, False]


@pytest.mark.check("C011")
@pytest.mark.parametrize(
    ("address", "within"),
    [
        ("192.0.2.7", True),
        ("192.0.2.255", True),
        ("192.0.3.0", False),
        ("::ffff:192.0.2.7", True),
        ("::ffff:198.51.100.7", False),
        ("2001:db8::1", True),
        ("2001:DB8:0:0::1", True),
        ("2001:db9::1", False),
        (None, False),
        ("", False),
        ("localhost", False),
        ("192.0.2.7, 192.0.2.8", False),
        ("192.0.2.7:80", False),
        ("192.0.2.007", False),
        ("3221225991", False),
        ("0xc0.0.2.7", False),
        (" 192.0.2.7", False),
        ("192.0.2.7\n", False),
        ("192.0.2", False),
        ("[2001:db8::1]", False),
    ],
)
def test_an_address_is_within_where_it_is_one_and_lies_there(address: str | None, within: bool) -> None:
    assert Rules.within(address, (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))) is within


@given(st.none() | st.text(), st.ip_addresses().map(ip_network))
def test_what_is_no_address_lies_nowhere_and_raises_nothing(address: str | None, network: object) -> None:
    assert Rules.within(address, ()) is False
    assert Rules.within(address, (network,)) in (True, False)


@given(st.ip_addresses(), st.ip_addresses())
def test_a_network_of_one_address_holds_that_one(address: IPv4Address | IPv6Address, other: IPv4Address) -> None:
    assume(all(getattr(found, "ipv4_mapped", None) is None for found in (address, other)))
    assert Rules.within(str(address), (ip_network(address),)) is True
    assert Rules.within(str(other), (ip_network(address),)) is (other == address)


@pytest.mark.req("R255")
@pytest.mark.parametrize(
    ("plan", "of_owner", "of_key", "count"),
    [
        ("", None, None, 100),
        ("free", None, None, 10),
        ("basic", None, None, 1_000),
        ("enterprise", None, None, 100),
        ("enterprise", 50_000, None, 50_000),
        ("free", 50_000, None, 50_000),
        ("gone", None, None, 100),
        ("free", 7, 3, 3),
        ("free", None, 3, 3),
        ("free", 0, None, 0),
        ("free", 7, 0, 0),
    ],
)
def test_an_allowance_is_the_keys_own_else_its_owners_else_its_plans_else_the_default(
    new: SimpleNamespace, plan: str, of_owner: int | None, of_key: int | None, count: int
) -> None:
    plans = {
        "free": Plan("free", "Free", _allowance(10)),
        "basic": Plan("basic", "Basic", _allowance(1_000)),
        "enterprise": Plan("enterprise", "Enterprise", ()),
    }
    rules = new.rules(new.profile(plans=plans, default_limits=_allowance(100)))
    owner = new.owner(plan=plan, limits=() if of_owner is None else _allowance(of_owner))
    record = new.record(owner=owner, limits=() if of_key is None else _allowance(of_key), window=b"w")
    ((limit, whose),) = rules.limits(record, PLAIN, ASK)
    assert (limit.count, whose) == (count, b"w")


def _allowance(count: int) -> Limits:
    return (Limit("allowance", count, 60),)


@pytest.mark.req("R114", "R123", "R124")
def test_ceiling_operation_and_emergency_hold_beside_the_allowance_and_never_instead_of_it(
    new: SimpleNamespace,
) -> None:
    """Each has windows of its own: the owner's or chain's, the chain's, the chain's, everybody's."""
    ceiling, own, emergency = ((Limit(name, 5, 60),) for name in ("class:public", "operation:list", "emergency"))
    record = new.record(ceiling=ceiling, window=b"owner", lineage=b"chain", locator=b"key")
    limited = Operation("list", "GET", "/things", limits=own)
    found = new.rules(emergency=emergency).limits(record, limited, ASK)
    assert [(limit.name, whose) for limit, whose in found] == [
        ("default", b"owner"),
        ("class:public", b"chain"),
        ("operation:list", b"chain"),
        ("emergency", b""),
    ]
    assert len({limit.name for limit, _ in found}) == 4, "limits of one name would share their windows"


def test_switches_are_staffs_and_not_the_profiles(new: SimpleNamespace) -> None:
    profile = new.profile(allowlist=True)
    assert new.rules(profile, allowlist=False).allowlist is False
    assert new.rules(profile, allowlist=True, read_only=True).read_only is True
    assert new.rules(profile).emergency == ()


def test_every_prefix_and_environment_of_every_class_is_known(new: SimpleNamespace) -> None:
    classes = {
        "secret": KeyClass("secret", {"live": "sk_live_", "test": "sk_test_"}, (), ()),
        "public": KeyClass("public", {"live": "pk_"}, (), (), origins=True),
    }
    profile = new.profile(keys=_with_classes(new, classes))
    rules = new.rules(profile)
    assert rules.prefixes == {b"sk_live_", b"sk_test_", b"pk_"}
    assert rules.environments == {b"live", b"test"}
    assert rules.cross_origin
    assert not new.rules().cross_origin


def _with_classes(new: SimpleNamespace, classes: dict[str, KeyClass]) -> object:
    return dataclasses.replace(new.profile().keys, classes=classes)


@pytest.mark.req("R58", "R59", "R60", "R61")
@pytest.mark.parametrize(
    ("style", "said", "deprecation"),
    [
        ("problem", "rfc9745", b"@1799999900"),
        ("problem", "http-date", b"Fri, 15 Jan 2027 07:58:20 GMT"),
        ("compat", "rfc9745", b"Fri, 15 Jan 2027 07:58:20 GMT"),
    ],
)
def test_the_end_of_a_version_is_told_in_the_form_of_the_profile(
    new: SimpleNamespace, style: str, said: str, deprecation: bytes
) -> None:
    versioning = Versioning("header", "X-Api-Version", "date", said, "X-Next-Version", ())
    profile = new.profile(versioning=versioning, errors=Errors(style, {}))
    rules = new.rules(profile, (DEPRECATED, ACTIVE))
    assert rules.lifecycle(DEPRECATED, NOW) == (
        (b"deprecation", deprecation),
        (b"sunset", b"Fri, 15 Jan 2027 08:01:40 GMT"),
        (b"x-next-version", b"2026-01-15"),
    )


@pytest.mark.req("R61", "R81")
def test_the_version_to_move_to_is_one_that_still_works(new: SimpleNamespace) -> None:
    """A successor may be gone by now: then its own successor is named, and so on; a circle ends where it began."""
    first, second = Version("2024-01-01", 0, NOW, "2024-06-01"), Version("2024-06-01", 0, NOW + 10, "2025-01-01")
    third, lonely = Version("2025-01-01", 0, NOW + 20, "2024-01-01"), Version("2023-01-01", 0, NOW, None)
    rules = new.rules(versions=(first, second, third, lonely))
    assert [rules.onward(first, NOW + late) for late in (0, 9, 10, 19)] == ["2024-06-01"] * 2 + ["2025-01-01"] * 2
    assert rules.onward(first, NOW + 20) in {"2024-01-01", "2024-06-01", "2025-01-01"}
    assert rules.onward(lonely, NOW) is None
    assert rules.onward(Version("2022-01-01", 0, 0, "never registered"), NOW) == "never registered"


def test_a_preflight_is_for_an_operation_that_there_is(new: SimpleNamespace) -> None:
    rules = new.rules(new.profile(operations=(PLAIN, Operation("make", "POST", "/things"))))
    asked = (b"access-control-request-method", b"POST")
    assert rules.preflighted([asked], b"/things")
    assert not rules.preflighted([asked], b"/nowhere")
    assert not rules.preflighted([asked, asked], b"/things")
    assert not rules.preflighted([(asked[0], b"DELETE")], b"/things")
    assert not rules.preflighted([], b"/things")
    in_path = new.profile(operations=(PLAIN,), versioning=Versioning("path", "", "segment", "rfc9745", "", ()))
    assert new.rules(in_path).preflighted([(asked[0], b"GET")], b"/v1/things")


@pytest.mark.parametrize(
    ("carriers", "challenge"),
    [
        ((Carrier("header", "X-Api-Key"),), b'ApiKey realm="example", header="X-Api-Key"'),
        ((Carrier("bearer"),), b'Bearer realm="example"'),
        ((Carrier("header", "X-Api-Key"), Carrier("bearer")), b'Bearer realm="example"'),
    ],
)
def test_the_challenge_says_where_a_key_is_to_travel(
    new: SimpleNamespace, carriers: tuple[Carrier, ...], challenge: bytes
) -> None:
    assert new.rules(new.profile(carriers=carriers)).challenge == challenge

"""Measures, looked up: which of them hold for whom, from where, and until when."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.core.limits import read_limits
from limen.core.measures import TARGETS, Measure, Measures
from limen.core.routes import Operation
from limen.core.verdict import Ask

NOW = 1_800_000_000.0
SEND = Operation("send", "POST", "/messages")


def _ask(address: str | None = None, now: float = NOW) -> Ask:
    return Ask(None, b"POST", b"/messages", None, b"live", now, 0.0, None, address)


def _held(measures: Measures, *asked: object) -> list[str]:
    return [found.measure for found in measures.holding(*asked)]


EACH = (
    Measure("whole", "api", ""),
    Measure("owner", "owner", "u-1"),
    Measure("key", "key", "0123456789AB"),
    Measure("address", "address", "192.0.2.0/24"),
    Measure("operation", "operation", "send"),
)


@pytest.mark.req("R124")
def test_a_measure_holds_for_its_target_and_for_nothing_else(new: SimpleNamespace) -> None:
    assert {measure.target for measure in EACH} == set(TARGETS)
    measures = Measures(EACH)
    mine = new.record(owner=new.owner(owner_id="u-1"), key_id=b"BA9876543210", lineage=b"0123456789AB")
    other = new.record(lineage=b"BA9876543210")
    assert _held(measures, mine, SEND, _ask("192.0.2.7")) == ["whole", "operation", "owner", "key", "address"]
    assert _held(measures, other, SEND, _ask("198.51.100.7")) == ["whole", "operation"]
    assert _held(measures, other, Operation("list", "GET", "/messages"), _ask()) == ["whole"]
    assert _held(measures, None, None, _ask("192.0.2.7")) == ["whole", "address"]


def test_a_name_of_one_kind_is_not_that_of_another(new: SimpleNamespace) -> None:
    record = new.record(owner=new.owner(owner_id="send"), key_id=b"u-1", lineage=b"u-1")
    assert _held(Measures(EACH[1:]), record, SEND, _ask()) == ["operation"]


def test_a_measure_holds_until_the_very_second_of_its_end() -> None:
    measures = Measures([Measure("a", "api", "", ends_at=NOW), Measure("b", "api", "", ends_at=NOW + 1)])
    assert [_held(measures, None, None, _ask(now=now)) for now in (NOW - 1, NOW, NOW + 1)] == [["a", "b"], ["b"], []]


@pytest.mark.check("C011")
@pytest.mark.parametrize(
    ("network", "address", "inside"),
    [
        *(("192.0.2.0/24", "192.0.2.255", True), ("192.0.2.0/24", "192.0.3.0", False)),
        *(("192.0.2.0/24", "::ffff:192.0.2.7", True), ("::ffff:192.0.2.0/120", "192.0.2.7", True)),
        *(("::ffff:192.0.2.0/120", "::ffff:192.0.2.7", True), ("::ffff:192.0.2.0/120", "192.0.3.7", False)),
        *(("2001:db8::/32", "2001:DB8:0:0::1", True), ("2001:db8::/32", "2001:db9::1", False)),
        *(("0.0.0.0/0", "192.0.2.7", True), ("0.0.0.0/0", "2001:db8::1", False), ("::/0", "2001:db8::1", True)),
        *(("0.0.0.0/0", None, False), ("0.0.0.0/0", "", False), ("0.0.0.0/0", "unknown", False)),
        *(("192.0.2.7/32", "192.0.2.7:80", False), ("192.0.2.7/32", "192.0.2.007", False)),
    ],
)
def test_an_address_is_met_by_the_ranges_that_it_lies_in(network: str, address: str | None, inside: bool) -> None:
    assert bool(Measures([Measure("a", "address", network)]).holding(None, None, _ask(address))) is inside


ADDRESSES = st.ip_addresses(v=4, network="192.0.2.0/28") | st.ip_addresses(v=6, network="2001:db8::/124")


@given(st.lists(st.tuples(ADDRESSES, st.integers(0, 6)), max_size=8), ADDRESSES)
def test_ranges_are_looked_up_as_one_by_one(
    ranges: list[tuple[IPv4Address | IPv6Address, int]], address: IPv4Address | IPv6Address
) -> None:
    networks = [ip_network((int(found), found.max_prefixlen - free), strict=False) for found, free in ranges]
    networks = [network for network in networks if network.version in (4, 6)]
    measures = Measures(Measure(str(place), "address", str(network)) for place, network in enumerate(networks))
    expected = [
        str(place)
        for place, network in enumerate(networks)
        if network.version == address.version and ip_address(str(address)) in network
    ]
    assert sorted(_held(measures, None, None, _ask(str(address)))) == sorted(expected)


@pytest.mark.req("R123")
def test_every_limit_of_a_throttle_is_counted_in_one_window_for_all(new: SimpleNamespace) -> None:
    limits = read_limits("10 per 60 s, 100 per 1 d", "measure:m")
    throttles = (Measure("m", "owner", "owner", limits), Measure("n", "owner", "another", limits))
    rules = new.rules(throttles=throttles)
    found = rules.limits(new.record(window=b"w"), SEND, _ask())
    assert [(limit.windows, whose) for limit, whose in found] == [
        ("default/60", b"w"),
        ("measure:m/60", b""),
        ("measure:m/86400", b""),
    ]
    assert new.rules().throttles is None
    assert new.rules().blocks is None

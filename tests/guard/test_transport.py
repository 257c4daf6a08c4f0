"""Where a request came from, and whether it came safely: a peer's word counts only where a setting says so."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from limen.guard.asgi import Guard
from limen.guard.transport import is_loopback, origin_of, within
from tests.gate.scene import VERSION, NewScene
from tests.guard.conftest import Header
from tests.guard.served import ask, plain

PROXIES = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
OUTSIDE, PROXY = "203.0.113.9", "10.0.0.1"


def _for(*values: str) -> list[Header]:
    return [(b"x-forwarded-for", value.encode()) for value in values]


def _proto(*values: str) -> list[Header]:
    return [(b"x-forwarded-proto", value.encode()) for value in values]


@pytest.mark.req("R31", "R76")
@pytest.mark.parametrize(
    ("peer", "scheme", "safe"),
    [
        (OUTSIDE, "https", True),
        (OUTSIDE, "wss", True),
        (OUTSIDE, "http", False),
        (OUTSIDE, "ws", False),
        ("127.0.0.1", "http", True),
        ("127.8.9.1", "http", True),
        ("::1", "ws", True),
        ("::ffff:127.0.0.1", "http", True),
        (None, "http", True),
        ("", "http", True),
        ("localhost", "http", False),
    ],
)
def test_plain_http_is_safe_from_this_host_and_from_a_unix_socket_only(
    peer: str | None, scheme: str, safe: bool
) -> None:
    assert origin_of(peer, scheme, [], ()) == (peer or None, safe)


@pytest.mark.req("R76")
@pytest.mark.check("C011")
def test_nobody_who_is_not_trusted_is_believed() -> None:
    spoofed = [*_for("192.0.2.7"), *_proto("https")]
    for peer in (OUTSIDE, "127.0.0.1"):
        for trusted in ((), PROXIES):
            assert origin_of(peer, "http", spoofed, trusted) == (peer, peer == "127.0.0.1")


@pytest.mark.req("R76")
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", None, ""])
def test_that_a_caller_came_in_the_clear_is_believed_of_anybody(peer: str | None) -> None:
    """A proxy on this host that is not listed: it says http, so the key has been on an open line."""
    for said in ("http", "HTTP", "ws", " http "):
        assert origin_of(peer, "http", _proto(said), ()) == (peer or None, False)
    assert origin_of(peer, "http", _proto("https"), ()) == (peer or None, True)


@pytest.mark.check("C011")
@pytest.mark.parametrize(
    ("hops", "address"),
    [
        ([OUTSIDE], OUTSIDE),
        ([f"192.0.2.7, {OUTSIDE}"], OUTSIDE),
        (["192.0.2.7", OUTSIDE], OUTSIDE),
        ([f"{OUTSIDE}, 10.9.9.9"], OUTSIDE),
        ([f"192.0.2.7, {OUTSIDE}, 10.9.9.9, 2001:db8::9"], OUTSIDE),
        ([f"{OUTSIDE},10.9.9.9 ,  10.0.0.7"], OUTSIDE),
        (["10.9.9.9, 10.0.0.7"], PROXY),
        ([], PROXY),
        (["::ffff:203.0.113.9"], "::ffff:203.0.113.9"),
    ],
)
def test_of_the_hops_the_last_that_no_trusted_proxy_is_counts(hops: list[str], address: str) -> None:
    """What stands before it was written by whoever sent the request."""
    assert origin_of(PROXY, "http", [*_for(*hops), *_proto("https")], PROXIES) == (address, True)


@pytest.mark.req("R76")
@pytest.mark.parametrize(
    ("protocols", "safe"),
    [
        (["https"], True),
        (["HTTPS "], True),
        (["wss"], True),
        (["https", "https"], True),
        (["http"], False),
        (["ws"], False),
        (["https", "http"], False),
        (["https, http"], False),
        (["http,https"], False),
        ([""], False),
        (["gopher"], False),
        ([], False),
    ],
)
def test_of_a_trusted_proxy_its_own_word_counts_and_not_how_it_is_connected(protocols: list[str], safe: bool) -> None:
    for scheme in ("http", "https"):
        assert origin_of(PROXY, scheme, [*_for(OUTSIDE), *_proto(*protocols)], PROXIES)[1] is safe


def test_a_trusted_proxy_that_says_nothing_of_the_protocol_is_safe_for_callers_of_this_host_only() -> None:
    assert origin_of(PROXY, "http", _for("127.0.0.1"), PROXIES) == ("127.0.0.1", True)
    assert origin_of(PROXY, "http", _for(OUTSIDE), PROXIES) == (OUTSIDE, False)


def test_what_is_no_address_lies_nowhere() -> None:
    for address in ("", "unix", "10.0.0", "10.0.0.1:80", "[::1]", "10.0.0.1 "):
        assert not within(address, PROXIES)
        assert not is_loopback(address)
    assert within("::ffff:10.0.0.1", PROXIES)


@pytest.mark.req("R31", "R76")
async def test_plain_http_from_elsewhere_is_refused_whatever_key_it_brings(guard: Guard, headers: list[Header]) -> None:
    answer = await ask(guard, headers=headers, client=(OUTSIDE, 1))
    assert (answer.status, answer.body["code"]) == (403, "https_required")
    assert "replaced" in answer.body["detail"]
    assert answer.header("location") is None
    assert (await ask(guard, headers=headers, client=(OUTSIDE, 1), scheme="https")).status == 200
    assert (await ask(guard, headers=headers, client=(OUTSIDE, 1), scheme="https", type="http")).status == 200
    spoofed = [*headers, *_proto("https"), *_for("127.0.0.1")]
    assert (await ask(guard, headers=spoofed, client=(OUTSIDE, 1))).status == 403


async def test_through_a_unix_socket_a_request_is_served(guard: Guard, headers: list[Header]) -> None:
    for client in (None, ("", 0)):
        assert (await ask(guard, headers=headers, client=client)).status == 200


@pytest.mark.check("C011")
async def test_a_key_for_some_addresses_is_held_to_the_address_that_is_known_not_the_one_that_is_claimed(
    new_scene: NewScene,
) -> None:
    scene = new_scene(trusted_proxies=PROXIES)
    guard = Guard(plain, api=scene.api, settings=scene.settings)
    key = scene.key(addresses=("192.0.2.0/24",))
    headers = [(b"x-fanvue-api-key", key), (b"x-fanvue-api-version", VERSION.encode())]

    async def status(peer: str, *hops: str) -> int:
        sent = [*headers, *_for(*hops), *_proto("https")]
        return (await ask(guard, headers=sent, client=(peer, 1), scheme="https")).status

    assert await status("192.0.2.7") == 200
    assert await status(OUTSIDE) == 403
    assert await status(OUTSIDE, "192.0.2.7") == 403, "a spoofed header of somebody who is not trusted"
    assert await status(PROXY, "192.0.2.7") == 200
    assert await status(PROXY, f"192.0.2.7, {OUTSIDE}") == 403, "what a caller wrote in front of its own address"
    assert await status(PROXY, OUTSIDE, "192.0.2.7") == 200
    assert await status(PROXY, "not an address") == 403
    assert await status(PROXY) == 403
    guard.close()

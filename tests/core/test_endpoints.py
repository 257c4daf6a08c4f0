"""Addresses that are given to us to call: every notation and every special network that must not be reached."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from limen.core.endpoints import EndpointError, is_allowed, is_public, read_endpoint

LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://Example.COM:443/a?b=1", "https://example.com/a?b=1"),
        ("https://example.com:8443/", "https://example.com:8443/"),
        ("https://example.com./", "https://example.com/"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
    ],
)
def test_what_may_be_called(given: str, read: str) -> None:
    assert str(read_endpoint(given)) == read


@pytest.mark.check("C106")
@pytest.mark.parametrize(
    "given",
    [
        "",
        "example.com",
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "https:///x",
        "https://user@example.com/",
        "https://user:word@example.com/",
        "https://example.com@127.0.0.1/",
        "https://example.com:22/",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://example.com/#x",
        "https://example.com\\@127.0.0.1/",
        "https://example.com/\r\nX: y",
        "https://example.com/ x",
        "https://example.com\t/",
        "https://example.com/ä",
        "https://localhost/",
        "https://intranet/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://127.0.0.1./",
        "https://\uff11\uff12\uff17.0.0.1/",
        "https://127。0。0。1/",
        "https://8.8.8.8/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://example.0x1/",
        "https://-example.com/",
        "https://exa_mple.com/",
        "https://" + "a" * 64 + ".com/",
        "https://example.com/" + "a" * 2_048,
        "https://ex%61mple.com/",
        "https://example..com/",
    ],
)
def test_what_may_not_be(given: str) -> None:
    with pytest.raises(EndpointError) as caught:
        read_endpoint(given)
    assert not given or given not in str(caught.value)


CLOSED = """
    0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1
    172.31.255.255 192.0.0.1 192.0.0.170 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1
    203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
    :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1
    64:ff9b::7f00:1 64:ff9b::10.0.0.1 64:ff9b::169.254.169.254 64:ff9b:1::1 64:ff9b:1::808:808
    100::1 2001::1 2001:10::1 2001:db8::1 2002:7f00:1:: 2002:a00:1:: 2002:808:808:: 3fff::1 5f00::1
    fc00::1 fd00::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1 4000::1
    nothing 1.2.3 1.2.3.4.5 0x7f000001 2130706433 127.1
"""
OPEN = """
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1 172.15.255.255
    172.32.0.1 192.0.1.1 192.167.255.255 192.169.0.1 198.17.255.255 198.20.0.1 223.255.255.255
    2600:: 2a00:1450:4001::1 2001:4860:4860::8888 ::ffff:8.8.8.8 64:ff9b::808:808
"""


@pytest.mark.check("C106")
@pytest.mark.parametrize("address", CLOSED.split())
def test_what_is_special_is_not_public_in_any_disguise(address: str) -> None:
    assert not is_public(address)
    assert not is_allowed(address)


@pytest.mark.parametrize("address", OPEN.split())
def test_what_is_public_is(address: str) -> None:
    assert is_public(address)


def test_networks_of_ones_own_are_open_where_they_are_named_and_no_others() -> None:
    assert is_allowed("127.0.0.1", LOOPBACK)
    assert not is_allowed("10.0.0.1", LOOPBACK)
    assert not is_allowed("::1", LOOPBACK)
    assert str(read_endpoint("http://127.0.0.1:8000/x", LOOPBACK)) == "http://127.0.0.1:8000/x"
    for given in ("http://10.0.0.1/", "http://[::1]/", "http://[127.0.0.1]/", "ftp://127.0.0.1/", "http://127.1/"):
        with pytest.raises(EndpointError):
            read_endpoint(given, LOOPBACK)

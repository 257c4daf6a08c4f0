"""Addresses that somebody else gave us to call: what may be written, and which machines may be meant by it.

Two walls, and both are asked at every call: ``read_endpoint`` looks at the text, ``is_allowed`` at each address that a
name resolves to. What is not said to be public here is not called.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

Network = IPv4Network | IPv6Network

MOST_CHARS: Final = 2_048
PORTS: Final = (443, 8443)
_UNPRINTED = re.compile(r"[\s\x00-\x1f\x7f\\#]")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)")  # a last label that makes the host an IPv4 address, in whatever notation
_HOST_CHARS = 253

_CLOSED_4 = tuple(
    ip_network(each)
    for each in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
)
_OPEN_6 = ip_network("2000::/3")
"""Global unicast: whatever lies beyond is nobody's public server."""
_CLOSED_6 = tuple(ip_network(each) for each in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
_TRANSLATED = ip_network("64:ff9b::/96")
"""IPv4 addresses as NAT64 writes them (RFC 6052); a network without IPv4 has its DNS answer so."""


class EndpointError(ValueError):
    """The address cannot be called. Says what is allowed, and repeats nothing of what was given."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address, read: what to connect to, and what to ask there."""

    tls: bool
    host: str
    """As it goes into ``Host`` and TLS: small letters, ASCII, without a dot at its end."""
    port: int
    target: str
    """Path and query."""

    @property
    def authority(self) -> str:
        """What ``Host`` says."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return shown if self.port == (443 if self.tls else 80) else f"{shown}:{self.port}"

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.target}"


def read_endpoint(text: str, allowed: Sequence[Network] = ()) -> Endpoint:
    """The endpoint that *text* names. Raises EndpointError.

    It is ``https``, at port 443 or 8443 of a name with a dot in it, without a user, a password or a fragment. Where
    *allowed* names networks of one's own, for development, any port does, and ``http``, and an address in them.
    """
    if not 0 < len(text) <= MOST_CHARS or _UNPRINTED.search(text):
        raise EndpointError(f"an address has at most {MOST_CHARS} characters, no spaces, no backslash, no fragment")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise EndpointError("this is no address") from None
    if parts.scheme != "https" and not (allowed and parts.scheme == "http"):
        raise EndpointError("an address begins with https://")
    if "@" in parts.netloc:
        raise EndpointError("an address names no user and no password")
    tls = parts.scheme == "https"
    port = (443 if tls else 80) if port is None else port
    if port not in PORTS and not (allowed and port):
        raise EndpointError(f"the port is one of {', '.join(map(str, PORTS))}")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii():
        raise EndpointError("what follows the host is ASCII; write other characters as %XX")
    return Endpoint(tls, _host(parts.netloc, parts.hostname or "", allowed), port, target)


def _host(netloc: str, host: str, allowed: Sequence[Network]) -> str:
    try:
        literal = ip_address(host)
    except ValueError:
        pass
    else:
        if any(literal in network for network in allowed) and ("[" in netloc) == (literal.version == 6):
            return str(literal)
        raise EndpointError("the host is a name, not a number")
    try:
        named = host.encode("idna").decode("ascii").lower().removesuffix(".")
    except UnicodeError:
        raise EndpointError("the host is no name that can be looked up") from None
    labels = named.split(".")
    if len(named) > _HOST_CHARS or not all(map(_LABEL.fullmatch, labels)):
        raise EndpointError("the host is no name that can be looked up")
    if _NUMBER.fullmatch(labels[-1]):
        raise EndpointError("the host is a name, not a number")
    if len(labels) < 2 and not allowed:
        raise EndpointError("the host is a name with a dot in it")
    return named


def is_public(address: str) -> bool:
    """Whether *address*, as a resolver answers it, is one of the open Internet, and no special one in any disguise."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        if found.scope_id is not None:
            return False
        inner = found.ipv4_mapped or (IPv4Address(int(found) & 0xFFFFFFFF) if found in _TRANSLATED else None)
        if inner is None:
            return found in _OPEN_6 and not any(found in network for network in _CLOSED_6)
        found = inner
    return not any(found in network for network in _CLOSED_4)


def is_allowed(address: str, allowed: Sequence[Network] = ()) -> bool:
    """Whether a connection may be opened to *address*: a public one, or one in the networks *allowed* besides."""
    return is_public(address) or is_own(address, allowed)


def is_own(address: str, allowed: Sequence[Network]) -> bool:
    """Whether *address* lies in the networks *allowed*, that is, in ones of one's own."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in allowed)

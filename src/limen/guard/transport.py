"""Where a request comes from, and whether it came safely. Whose word is taken for it is a setting."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address

from limen.core.rules import Rules

Header = tuple[bytes, bytes]
Networks = tuple[IPv4Network | IPv6Network, ...]


_SAFE = ({b"https"}, {b"wss"})
_UNSAFE = (b"http", b"ws")


MAX_ADDRESS = 64
"""No address is longer. What a caller writes into a header is cut to this before it is remembered anywhere."""


@lru_cache(maxsize=4_096)
def within(address: str, networks: Networks) -> bool:
    """Whether *address* lies in one of *networks*, remembered: the same few ask again and again."""
    return Rules.within(address, networks)


@lru_cache(maxsize=4_096)
def is_loopback(address: str) -> bool:
    """Whether *address* is this host's own."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def origin_of(peer: str | None, scheme: str, headers: Iterable[Header], trusted: Networks) -> tuple[str | None, bool]:
    """The client's address, and whether it spoke HTTPS (or from this very host, or through a unix socket).

    *peer* is who is connected. Only a peer that is trusted is believed: of X-Forwarded-For the last address that is
    not itself a trusted proxy's, and X-Forwarded-Proto.
    """
    if not peer or not trusted or not within(peer, trusted):
        near = not peer or is_loopback(peer)  # without a peer: a unix socket
        for name, value in headers if near else ():
            if name == b"x-forwarded-proto" and value.strip().lower() in _UNSAFE:
                return peer or None, False  # that a caller came in the clear is believed of anybody
        return peer or None, near or scheme in ("https", "wss")
    forwarded = [value for name, value in headers if name == b"x-forwarded-for"]
    protocols = {value.strip().lower() for name, value in headers if name == b"x-forwarded-proto"}
    hops = [hop.strip()[:MAX_ADDRESS].decode("ascii", "replace") for value in forwarded for hop in value.split(b",")]
    address = next((hop for hop in reversed(hops) if not within(hop, trusted)), peer)
    return address, protocols in _SAFE or (not protocols and is_loopback(address))

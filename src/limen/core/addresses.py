"""Where requests come from: addresses as they are written down, compared and counted."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

MOST_CHARS = 64
"""What is longer is no address. It comes from headers, and must find no way into the journal or into memory."""


def canonical(address: str) -> str:
    """*address* in the one way in which it is written here, an IPv4 one inside IPv6 as IPv4; empty for what is none."""
    found = _read(address)
    return "" if found is None else str(found)


def recorded(address: str) -> bytes:
    """*address* as the journal has it: canonical; empty for what is none, which may be anything, even a key (C020)."""
    return _recorded(address) if len(address) <= MOST_CHARS else b""


@lru_cache(maxsize=16_384)
def _recorded(address: str) -> bytes:
    return canonical(address).encode()


def block(address: str | None) -> str:
    """The block that *address* lies in: 24 bits of an IPv4 address, 48 of an IPv6 one; empty for what is no address."""
    return _block(address) if address and len(address) <= MOST_CHARS else ""


def caller(address: str | None) -> str:
    """Who is counted as one: an IPv4 address, 64 bits of an IPv6 one, which is what a single caller is given.

    Empty for what is no address.
    """
    return _caller(address) if address and len(address) <= MOST_CHARS else ""


@lru_cache(maxsize=4_096)
def _block(address: str) -> str:
    found = _read(address)
    return "" if found is None else _network(found, 24, 48)


@lru_cache(maxsize=4_096)
def _caller(address: str) -> str:
    found = _read(address)
    return str(found or "") if found is None or isinstance(found, IPv4Address) else _network(found, 32, 64)


def _read(address: str) -> IPv4Address | IPv6Address | None:
    if len(address) > MOST_CHARS:
        return None
    try:
        found = ip_address(address)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _network(found: IPv4Address | IPv6Address, four: int, six: int) -> str:
    if isinstance(found, IPv4Address):
        return str(IPv4Network((int(found), four), strict=False))
    return str(IPv6Network((int(found), six), strict=False))

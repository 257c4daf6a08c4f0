"""Refusals without a known key: counted per code, prefix, address block and minute, in a bounded table.

One by one they would let garbage fill the disk. The counts go into the journal once a minute, and when it closes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from threading import Lock

BOUND = 4_096
"""How many counts are kept apart in a minute; what comes beyond them is counted per code alone."""

ADDRESS_CHARS = 64
"""What is longer is no address. It comes from headers, and must find no way into the journal or into memory."""

Tally = tuple[str, str, str]
"""Code, prefix, address block."""


def address_block(address: str | None) -> str:
    """The block that *address* lies in: 24 bits of an IPv4 address, 48 of an IPv6 one; empty for what is no address."""
    return _block(address) if address and len(address) <= ADDRESS_CHARS else ""


@lru_cache(maxsize=4_096)
def _block(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    found = getattr(found, "ipv4_mapped", None) or found
    if isinstance(found, IPv4Address):
        return str(IPv4Network((int(found), 24), strict=False))
    return str(IPv6Network((int(found), 48), strict=False))


class Strangers:
    """The counts of the running minute."""

    def __init__(self, write: Callable[[int, dict[Tally, int]], None]) -> None:
        """*write* is handed each minute (Unix minutes) with its counts, once."""
        self._write = write
        self._minute = 0
        self._counts: dict[Tally, int] = {}
        self._lock = Lock()

    def count(self, code: str, prefix: str, address: str | None, now: float) -> None:
        """Count one refusal. Never raises, never blocks on IO for longer than a journal entry."""
        tally = (code, prefix, address_block(address))
        with self._lock:
            if now // 60 != self._minute:
                self._turn(int(now // 60))
            if tally not in self._counts and len(self._counts) >= BOUND:
                tally = (code, "", "")
            self._counts[tally] = self._counts.get(tally, 0) + 1

    def _turn(self, minute: int) -> None:
        if self._counts:
            self._write(self._minute, self._counts)
        self._minute, self._counts = minute, {}

    def flush(self) -> None:
        """Hand over what has been counted so far. Counts of one minute may come in several parts: they add up."""
        with self._lock:
            self._turn(self._minute)

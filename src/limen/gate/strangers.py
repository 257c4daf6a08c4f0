"""Refusals without a known key: counted per code, prefix, address block and minute, in a bounded table; and slowed.

One by one they would let garbage fill the disk. The counts go into the journal once a minute, and when it closes.
Whoever goes on trying is answered later and later; a good key from the same address is not (``Attempts``).
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable
from threading import Lock

from limen.core import addresses
from limen.core.verdict import CREDENTIAL_CONFLICT, CREDENTIAL_INVALID, CREDENTIAL_MALFORMED

ATTEMPTS = frozenset({CREDENTIAL_CONFLICT, CREDENTIAL_INVALID, CREDENTIAL_MALFORMED})
"""The refusals that are failed attempts: a credential came, and no key of ours matches it."""

FREE = 20
"""How many failed attempts of one address in a minute are answered at once; the wait doubles over as many more."""

FIRST_S, LONGEST_S = 0.05, 2.0
"""For how long the answer to the first attempt beyond them is held, and for how long any is, in seconds."""

HELD, SHARE = 256, 32
"""How many answers a process holds at once, and how many of them to one address. Beyond that it says so at once."""

RETRY = (b"retry-after", b"%d" % LONGEST_S)
"""What ``attempts_exceeded`` says: by then every answer that is held now has left."""

ADDRESSES = 4_096
"""How many addresses are told apart in a minute; those beyond them are counted as one."""

BOUND = 4_096
"""How many counts are kept apart in a minute; what comes beyond them is counted per code alone."""

Tally = tuple[str, str, str]
"""Code, prefix, address block."""


class Attempts:
    """The failed attempts of each address in the running minute, and the answers to them that are held.

    A door asks here once it has decided to refuse. So no key that is good ever waits, whoever else uses its address.
    """

    def __init__(self) -> None:
        self._minute = 0
        self._failed: Counter[str] = Counter()
        self._held: Counter[str] = Counter()
        self._lock = Lock()

    async def hold(self, address: str | None, now: float) -> bool:
        """Count a failed attempt from *address*, and wait for as long as its answer is held; *now*: Unix seconds.

        False, at once, where too many answers are held already: say ``attempts_exceeded`` instead.
        """
        caller = addresses.caller(address)
        with self._lock:
            wait_s = self._wait_s(caller, now)
            if not wait_s:
                return True
            if self._held.total() >= HELD or self._held[caller] >= SHARE:
                return False
            self._held[caller] += 1
        try:
            await asyncio.sleep(wait_s)
        finally:
            with self._lock:
                self._held[caller] -= 1
                if not self._held[caller]:
                    del self._held[caller]
        return True

    def _wait_s(self, caller: str, now: float) -> float:
        """Count one, and say for how long it is held."""
        if int(now // 60) != self._minute:
            self._minute = int(now // 60)
            self._failed.clear()
        if caller not in self._failed and len(self._failed) >= ADDRESSES:
            caller = ""
        self._failed[caller] += 1
        beyond = self._failed[caller] - FREE
        if beyond <= 0:
            return 0.0
        doublings = min((beyond - 1) / FREE, 16.0)  # smooth: those held do not all leave at once
        return min(LONGEST_S, FIRST_S * math.exp2(doublings))


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
        tally = (code, prefix, addresses.block(address))
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

"""One event on its way to one channel: when it is tried again, and when it is given up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

SCHEDULE_S: Final = (0, 60, 300, 1_800, 7_200, 21_600, 43_200, 86_400)
"""How long each attempt comes after the one before: eight of them, over 44 hours."""

JITTER: Final = 0.2
"""By which part of it a wait is longer at most: what failed together does not come back together."""

DISABLE_AFTER: Final = 100
DISABLE_WITHIN_S: Final = 7 * 86_400.0
"""So many failures in a row, within so long, disable a channel."""

LONGEST_WAIT_S: Final = 86_400.0
"""What ``Retry-After`` may ask for at most."""

OK: Final = "ok"
RESULTS: Final = (OK, "timeout", "unreachable", "tls", "http", "blocked", "dns", "mail")
"""What an attempt comes to, and no more than that is told: else it would be a way to look around in a network."""

UNTRIED: Final = "untried"
"""In place of a result, where it was given up before anybody tried."""

GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Job:
    """A delivery that somebody has taken on. Moments are Unix seconds."""

    delivery: str
    channel: str
    owner: str
    kind: str
    address: str
    host: str
    api: str
    dialect: str
    event: str
    payload: Mapping[str, Any]
    at: float
    number: int
    """How many attempts came before."""
    first_at: float
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Room:
    """What whoever sends has room for: so that no receiver, and nobody's receivers together, keep others waiting."""

    most: int = 100
    """Deliveries at once."""
    a_host: int = 2
    an_owner: int = 4
    """Of webhooks to one host, and to those of one owner. Mail goes to our own server."""
    full_hosts: tuple[str, ...] = ()
    full_owners: tuple[str, ...] = ()
    """Those who have as many under way already."""
    kinds: tuple[str, ...] = ("email", "webhook")
    """What can be sent here."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt came to."""

    delivery: str
    number: int
    at: float
    result: str
    status: int | None = None
    """What was answered, if anything was."""
    retry_after_s: float = 0.0
    final: bool = False
    """Whether trying again is of no use."""


def wait_s(attempts: int, chance: float, retry_after_s: float = 0.0) -> float | None:
    """How long to wait after so many *attempts*; None: it is given up. *chance*: from 0 to 1.

    Never shorter than what the receiver asked for, as long as that is a day at most.
    """
    if attempts >= len(SCHEDULE_S):
        return None
    return max(SCHEDULE_S[attempts] * (1 + JITTER * chance), min(max(retry_after_s, 0.0), LONGEST_WAIT_S))

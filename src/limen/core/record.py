"""What the gate knows of a key and of its owner: filled once from the store, read on every request."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from limen.core.keys import State
from limen.core.limits import Limits

Header = tuple[bytes, bytes]


@dataclass(slots=True, eq=False)
class Owner:
    """An owner as one API sees it."""

    owner_id: str
    kind: str
    """``user`` or ``organisation``."""
    suspended: bool
    allowed: bool
    """Whether staff have put the owner on this API's allow-list (R99)."""
    plan: str
    limits: Limits
    """The owner's own allowance, before the plan's; none: it has none of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """What a key may do. Grants are few and keys are many: keys that may do the same share one of these."""

    key_class: str
    environment: bytes
    scopes: frozenset[str]
    """With everything that the granted scopes imply."""
    granted: tuple[str, ...]
    """As granted, in the catalogue's order: what the API is told."""
    origins: frozenset[bytes] | None = None
    """Web origins that may use the key; None: any."""
    addresses: tuple[IPv4Network | IPv6Network, ...] | None = None
    """Address ranges that may use the key; None: any."""
    limits: Limits = ()
    """The key's own allowance, before its owner's and the plan's (C8)."""
    ceiling: Limits = ()
    """Limits that its class never exceeds, whatever the allowance."""
    pinned: bytes = b""
    """The version that a request without one is for, where the profile says so; empty: none."""
    application: bytes = b""


@dataclass(slots=True, eq=False)
class Record:
    """A key as the gate needs it: parsed when the record is filled, so that nothing is parsed on a request.

    About 470 bytes with everything that is its own, measured over a million of them.
    """

    locator: bytes
    key_id: bytes
    """The same object as the locator, for a key of ours."""
    digest: bytes
    pepper: int
    """Which of the process's digests it was made by: the version of the pepper, or a number for another scheme."""
    owner: Owner
    state: State
    expires_at: float
    """Unix seconds; infinity for a key without a date."""
    window: bytes
    """Whose window its requests count in: its lineage, or its owner (C8)."""
    lineage: bytes
    """The first key of the chain of keys that this one replaced or regenerated; its own locator where there is none."""
    terms: Terms
    snapshot: int = 0
    """The change up to which all of this is right."""
    identity: tuple[Header, ...] | None = None
    """The identity headers, made on first use."""

"""A published API as data: what a profile states, read from plain data into values.

A profile is written as a file (``limen.profiles`` reads YAML and keeps the line of every value) and held by the
database as the plain data that it was read to. ``limen.core.profile_reader`` takes that data and either answers a
``Profile`` or names every mistake in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from limen.core.limits import Limits
from limen.core.routes import Operation
from limen.core.scopes import Catalogue
from limen.core.versions import Version

if TYPE_CHECKING:
    from limen.core.webhooks import Dialect  # the gate reads profiles too, and sends nothing

BUILT_IN = "limen"
"""The API that is Limen's own: the management API. Its name is reserved, and no switch of it can be set."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong in a profile: where it stands, what was found and what is allowed."""

    path: str
    """Where, dotted, items of a list by their index from 0: ``operations.3.call``. Empty for the profile as a whole."""
    line: int | None
    """The line in the file, from 1; that of the nearest field around it for one that is missing; None: not known."""
    found: str
    allowed: str
    source: str = ""
    """The file."""

    def __str__(self) -> str:
        """``creator.yaml:12: keys.on_overflow: found 'drop', allowed: replace, reject``, on one line, all printable."""
        place = self.source + (f":{self.line}" if self.line else "") if self.source else f"line {self.line or '?'}"
        parts = (place if self.source or self.line else "", self.path, f"found {self.found}, allowed: {self.allowed}")
        text = ": ".join(part for part in parts if part)
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class ProfileError(ValueError):
    """A profile cannot be read. *mistakes* are all that were found, in the order of their lines."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(mistakes, key=lambda mistake: mistake.line or 0))
        super().__init__(self.mistakes)

    def __str__(self) -> str:
        """One line a mistake."""
        return "\n".join(map(str, self.mistakes))


@dataclass(frozen=True, slots=True)
class Carrier:
    """One way in which a key may travel (C2)."""

    kind: str
    """``header``, ``bearer`` or ``query``."""
    name: str = ""
    """The header's or the parameter's name; empty for ``bearer``."""


@dataclass(frozen=True, slots=True)
class KeyClass:
    """A class of keys (C3): where its prefixes come from and what its keys may hold."""

    name: str
    prefixes: Mapping[str, str]
    """Environment (``live``, ``test``) to prefix."""
    scopes: tuple[str, ...]
    """The scopes that a key of this class may hold."""
    default_scopes: tuple[str, ...]
    origins: bool = False
    """Whether its keys may carry a list of web origins."""
    limits: Limits = ()
    """A ceiling on the allowance of its keys, named ``class:<name>``."""


@dataclass(frozen=True, slots=True)
class ForeignKeys:
    """Keys of a system that was there before: how their texts are told from others, and how it stored them."""

    prefix: str
    """What they begin with; may be empty."""
    shortest: int
    longest: int
    """How many characters they have, the prefix included."""
    hash: str
    """What is brought of each: ``plain`` (its text), ``sha256``, ``sha512`` or ``hmac-sha256``."""
    secret: str
    """For ``hmac-sha256``: the name of the secret; else empty."""
    key_class: str
    environment: str


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """What a profile says of keys (C1, C4, C7, C17)."""

    max_active_per_owner: int | None
    """1, or None for any number."""
    on_overflow: str
    """``replace`` or ``reject``."""
    issuance: str
    """``self_service`` or ``approval``."""
    overlap_s: int
    max_lifetime_s: int | None
    classes: Mapping[str, KeyClass]
    on_leak: str = "revoke"
    """``revoke`` or ``warn``: what happens to a key that is reported as leaked."""
    foreign: tuple[ForeignKeys, ...] = ()


@dataclass(frozen=True, slots=True)
class Versioning:
    """How an API is versioned (C5)."""

    carrier: str
    """``header`` or ``path``."""
    header: str
    """The request header's name; empty for ``path``."""
    form: str
    """``date`` or ``segment``."""
    deprecation: str
    """``rfc9745`` or ``http-date`` (C13)."""
    next_header: str
    versions: tuple[Version, ...]
    missing: str = "refuse"
    """``refuse``: a request must name its version; ``pin``: without one it is for the one that its key is pinned to."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Limits that an owner has. A plan without limits is custom: the owner's own limits hold, else the default."""

    name: str
    title: str
    limits: Limits
    granular_scopes: bool = True
    """Whether a key's scopes may be named (R225); else a key has the default scopes of its class."""


@dataclass(frozen=True, slots=True)
class RateHeaders:
    """The names under which the profile's callers read their limit."""

    limit: str
    remaining: str
    reset: str


@dataclass(frozen=True, slots=True)
class Retention:
    """For how long usage is kept, in seconds; None: for ever. What goes is a whole day at a time (R71)."""

    readings_s: int | None = 30 * 86_400
    """Readings one by one, and the addresses that keys were used from."""
    minutes_s: int | None = 7 * 86_400
    hours_s: int | None = 400 * 86_400
    days_s: int | None = None


@dataclass(frozen=True, slots=True)
class Errors:
    """How refusals are written (C9). *compat* maps a code or a status to a body with ``{placeholders}``."""

    style: str
    """``problem`` or ``compat``."""
    compat: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Profile:
    """Everything that a published API states about access to it."""

    name: str
    title: str
    support: str
    documentation: str
    words: Mapping[str, str]
    owner_type: str
    allowlist: bool
    carriers: tuple[Carrier, ...]
    keys: KeyPolicy
    catalogue: Catalogue
    versioning: Versioning | None
    count_per: str
    """``key`` or ``owner``: whose window a request counts in."""
    default_limits: Limits
    rate_headers: RateHeaders
    plans: Mapping[str, Plan]
    operations: tuple[Operation, ...]
    errors: Errors
    document: Mapping[str, Any]
    """The plain data that this was read from, as the database holds it."""
    retention: Retention = Retention()
    alerts: Mapping[str, tuple[bool, Mapping[str, float]]] = field(default_factory=dict)
    """Which rules of alerts hold from the start, and the numbers that are not the usual ones."""
    in_flight: int = 0
    """How many requests of one holder a Guard lets be under way at once; 0: any number."""
    webhooks: Dialect | None = None
    """How its webhooks are signed; None: as Standard Webhooks has it."""

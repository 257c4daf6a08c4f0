"""What the gate is asked, what it answers, and why: one closed list of codes, and one pure function that decides.

``PRECEDENCE`` is the order of reasons: when several hold, the first is given. It is part of the contract and has a test
of its own.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from limen.core.keys import State
from limen.core.versions import Stage

if TYPE_CHECKING:
    from limen.core.limits import Limit
    from limen.core.record import Record
    from limen.core.routes import Operation
    from limen.core.rules import Rules
    from limen.core.versions import Version


class Code(IntEnum):
    """Why. Append-only as a set; the numbers are in the journal, the names are public."""

    CREDENTIAL_MISSING = 1
    CREDENTIAL_CONFLICT = 2
    CREDENTIAL_MALFORMED = 3
    UNAVAILABLE = 4
    CREDENTIAL_INVALID = 5
    KEY_REVOKED = 6
    KEY_EXPIRED = 7
    KEY_INACTIVE = 8
    OWNER_SUSPENDED = 9
    OWNER_NOT_ALLOWED = 10
    ENVIRONMENT_MISMATCH = 11
    ORIGIN_NOT_ALLOWED = 12
    ADDRESS_NOT_ALLOWED = 13
    OPERATION_UNKNOWN = 14
    VERSION_MISSING = 15
    VERSION_MALFORMED = 16
    VERSION_UNKNOWN = 17
    VERSION_SUNSET = 18
    WRITES_DISABLED = 19
    SCOPE_MISSING = 20
    LIMIT_EXCEEDED = 21
    OK = 22
    ACCESS_BLOCKED = 23
    VERSION_BROWNOUT = 24

    @property
    def slug(self) -> str:
        """The code as the wire and the documentation write it."""
        return self.name.lower()


(
    CREDENTIAL_MISSING,
    CREDENTIAL_CONFLICT,
    CREDENTIAL_MALFORMED,
    UNAVAILABLE,
    CREDENTIAL_INVALID,
    KEY_REVOKED,
    KEY_EXPIRED,
    KEY_INACTIVE,
    OWNER_SUSPENDED,
    OWNER_NOT_ALLOWED,
    ENVIRONMENT_MISMATCH,
    ORIGIN_NOT_ALLOWED,
    ADDRESS_NOT_ALLOWED,
    OPERATION_UNKNOWN,
    VERSION_MISSING,
    VERSION_MALFORMED,
    VERSION_UNKNOWN,
    VERSION_SUNSET,
    WRITES_DISABLED,
    SCOPE_MISSING,
    LIMIT_EXCEEDED,
    OK,
    ACCESS_BLOCKED,
    VERSION_BROWNOUT,
) = Code  # as module names they are read in half the time of an attribute of the enum

PRECEDENCE: tuple[Code, ...] = (
    CREDENTIAL_MISSING,
    CREDENTIAL_CONFLICT,
    CREDENTIAL_MALFORMED,
    UNAVAILABLE,
    CREDENTIAL_INVALID,
    KEY_REVOKED,
    KEY_EXPIRED,
    KEY_INACTIVE,
    OWNER_SUSPENDED,
    OWNER_NOT_ALLOWED,
    ENVIRONMENT_MISMATCH,
    ORIGIN_NOT_ALLOWED,
    ADDRESS_NOT_ALLOWED,
    OPERATION_UNKNOWN,
    VERSION_MISSING,
    VERSION_MALFORMED,
    VERSION_UNKNOWN,
    VERSION_SUNSET,
    VERSION_BROWNOUT,
    WRITES_DISABLED,
    ACCESS_BLOCKED,
    SCOPE_MISSING,
    LIMIT_EXCEEDED,
    OK,
)
"""All codes, the first reason first. Their numbers are in journals, so that a new code's says nothing of its place."""

SHADOWED = "limit_shadow"
"""No code, as nothing is refused: what is counted, beside refusals, where only a shadow limit had no room."""


class Ask:
    """One request, as the wire had it (bytes), and the moment at which it is asked. Built by the doors."""

    __slots__ = ("address", "at", "credential", "environment", "method", "now", "origin", "path", "version")

    def __init__(
        self,
        credential: bytes | None,
        method: bytes,
        path: bytes,
        version: bytes | None,
        environment: bytes,
        now: float,
        at: float,
        origin: bytes | None = None,
        address: str | None = None,
    ) -> None:
        """*path*: raw, without query or version segment. *now*: wall clock, Unix seconds. *at*: CLOCK_BOOTTIME."""
        self.credential = credential
        self.method = method
        self.path = path
        self.version = version
        self.environment = environment
        self.now = now
        self.at = at
        self.origin = origin
        self.address = address


class Verdict:
    """What the gate answers. Plain slots, not a frozen dataclass: building one of those costs four times as much."""

    __slots__ = ("code", "ends_in", "limit", "operation", "reading", "record", "remaining", "version")

    def __init__(
        self,
        code: Code,
        record: Record | None,
        operation: Operation | None,
        version: Version | None,
        limit: Limit | None = None,
        remaining: int = 0,
        ends_in: float = 0.0,
        reading: int = 0,
    ) -> None:
        """*limit* is the one with the least remaining, *ends_in* the seconds until its window ends, *reading* the
        number of the journal's entry (0: none was made)."""
        self.code = code
        self.record = record
        self.operation = operation
        self.version = version
        self.limit = limit
        self.remaining = remaining
        self.ends_in = ends_in
        self.reading = reading

    @property
    def admitted(self) -> bool:
        """Whether the request may pass."""
        return self.code is OK


def judge(record: Record, ask: Ask, operation: Operation | None, version: Version | None, rules: Rules) -> Code:
    """The first reason, in order of precedence, for which *ask* is refused, short of its limits; else ``OK``.

    *record* is that of a key whose whole text was matched; *version* is the registered version that the ask names or,
    where it names none, that its key is pinned to.
    """
    if record.state is not State.ACTIVE or ask.now >= record.expires_at:
        if record.state is State.REVOKED:
            return KEY_REVOKED
        return KEY_INACTIVE if record.state is State.INACTIVE and ask.now < record.expires_at else KEY_EXPIRED
    owner = record.owner
    if owner.suspended:
        return OWNER_SUSPENDED
    if rules.allowlist and not owner.allowed:
        return OWNER_NOT_ALLOWED
    terms = record.terms
    if terms.environment != ask.environment:
        return ENVIRONMENT_MISMATCH
    if terms.origins is not None and ask.origin not in terms.origins:
        return ORIGIN_NOT_ALLOWED
    if terms.addresses is not None and not rules.within(ask.address, terms.addresses):
        return ADDRESS_NOT_ALLOWED
    if operation is None:
        return OPERATION_UNKNOWN
    if rules.versioned:
        if version is None:
            return _without_version(ask, rules)
        if version.sunset_at is not None and version.stage(ask.now) is Stage.SUNSET:
            return VERSION_SUNSET
        if version.brownouts and version.brownout(ask.now) is not None:
            return VERSION_BROWNOUT
    if operation.write and rules.read_only:
        return WRITES_DISABLED
    if rules.blocks is not None and rules.blocks.holding(record, operation, ask):
        return ACCESS_BLOCKED
    if not operation.scopes <= terms.scopes:
        return SCOPE_MISSING
    return OK


def _without_version(ask: Ask, rules: Rules) -> Code:
    if ask.version is None:
        return VERSION_MISSING
    return VERSION_UNKNOWN if rules.well_formed(ask.version) else VERSION_MALFORMED


def reasons(record: Record, ask: Ask, operation: Operation | None, version: Version | None, rules: Rules) -> list[Code]:
    """Every reason for which *ask* is refused, short of its limits, in order of precedence; the first is ``judge``'s.

    What cannot be said without an operation, or without a version that is registered, is left out. For whoever looks
    into a key: no request waits for this.
    """
    owner, terms = record.owner, record.terms
    past = ask.now >= record.expires_at
    found = {
        KEY_REVOKED: record.state is State.REVOKED,
        KEY_EXPIRED: record.state is State.EXPIRED or past,
        KEY_INACTIVE: record.state is State.INACTIVE,
        OWNER_SUSPENDED: owner.suspended,
        OWNER_NOT_ALLOWED: rules.allowlist and not owner.allowed,
        ENVIRONMENT_MISMATCH: terms.environment != ask.environment,
        ORIGIN_NOT_ALLOWED: terms.origins is not None and ask.origin not in terms.origins,
        ADDRESS_NOT_ALLOWED: terms.addresses is not None and not rules.within(ask.address, terms.addresses),
        OPERATION_UNKNOWN: operation is None,
        ACCESS_BLOCKED: rules.blocks is not None and bool(rules.blocks.holding(record, operation, ask)),
    }
    if rules.versioned and version is None:
        found[_without_version(ask, rules)] = True
    elif rules.versioned and version is not None:
        found[VERSION_SUNSET] = version.stage(ask.now) is Stage.SUNSET
        found[VERSION_BROWNOUT] = version.brownout(ask.now) is not None
    if operation is not None:
        found[WRITES_DISABLED] = operation.write and rules.read_only
        found[SCOPE_MISSING] = not operation.scopes <= terms.scopes
    return [code for code in PRECEDENCE if found.get(code)]

"""Every domain event: what happened, in the past tense. Names and fields are only ever added (they are in outboxes)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to *subject* of *api* (empty: to all of them)."""

    name: ClassVar[str]
    api: str
    subject: str

    def payload(self) -> dict[str, Any]:
        """The fields, as they are stored and sent. Never the text of a key."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class KeyIssued(Event):
    """A key came to be; *replaced* is the key that it took the place of, if any."""

    name: ClassVar[str] = "key.issued"
    owner: str
    replaced: str


@dataclass(frozen=True, slots=True)
class KeyRegenerated(Event):
    """A key got a successor of the same scopes; *predecessor* ends at *ends_at* (Unix seconds)."""

    name: ClassVar[str] = "key.regenerated"
    owner: str
    predecessor: str
    ends_at: float


@dataclass(frozen=True, slots=True)
class KeyDeactivated(Event):
    """A key was put to sleep."""

    name: ClassVar[str] = "key.deactivated"
    owner: str


@dataclass(frozen=True, slots=True)
class KeyReactivated(Event):
    """A sleeping key was woken."""

    name: ClassVar[str] = "key.reactivated"
    owner: str


@dataclass(frozen=True, slots=True)
class KeyRevoked(Event):
    """A key was ended for good."""

    name: ClassVar[str] = "key.revoked"
    owner: str
    reason: str


@dataclass(frozen=True, slots=True)
class KeyExpired(Event):
    """A key was marked as past its date."""

    name: ClassVar[str] = "key.expired"
    owner: str


@dataclass(frozen=True, slots=True)
class KeyDeleted(Event):
    """A key was revoked and hidden."""

    name: ClassVar[str] = "key.deleted"
    owner: str


@dataclass(frozen=True, slots=True)
class KeyExpiryChanged(Event):
    """A key's expiry was brought forward to *expires_at* (Unix seconds)."""

    name: ClassVar[str] = "key.expiry_changed"
    owner: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class OwnerCreated(Event):
    """An owner came to be."""

    name: ClassVar[str] = "owner.created"


@dataclass(frozen=True, slots=True)
class OwnerSuspended(Event):
    """All access of an owner was stopped."""

    name: ClassVar[str] = "owner.suspended"
    reason: str


@dataclass(frozen=True, slots=True)
class OwnerRestored(Event):
    """A suspended owner's access was given back."""

    name: ClassVar[str] = "owner.restored"


@dataclass(frozen=True, slots=True)
class OwnerPlanSet(Event):
    """An owner's plan on an API changed."""

    name: ClassVar[str] = "owner.plan_set"
    plan: str


@dataclass(frozen=True, slots=True)
class OwnerAllowed(Event):
    """An owner was put on an API's allow-list."""

    name: ClassVar[str] = "owner.allowed"


@dataclass(frozen=True, slots=True)
class OwnerDisallowed(Event):
    """An owner was taken off an API's allow-list."""

    name: ClassVar[str] = "owner.disallowed"


@dataclass(frozen=True, slots=True)
class ApiCreated(Event):
    """An API came to be."""

    name: ClassVar[str] = "api.created"


@dataclass(frozen=True, slots=True)
class ApiSwitched(Event):
    """One of an API's switches was set."""

    name: ClassVar[str] = "api.switched"
    switch: str
    value: str


@dataclass(frozen=True, slots=True)
class ProfileApplied(Event):
    """An API got the next revision of its profile."""

    name: ClassVar[str] = "profile.applied"
    revision: int


@dataclass(frozen=True, slots=True)
class VersionRegistered(Event):
    """An API got a new version."""

    name: ClassVar[str] = "version.registered"


@dataclass(frozen=True, slots=True)
class VersionDeprecated(Event):
    """A version is deprecated from *at* on (Unix seconds)."""

    name: ClassVar[str] = "version.deprecated"
    at: float


@dataclass(frozen=True, slots=True)
class VersionSunset(Event):
    """A version stops working at *at* (Unix seconds); *successor* is the one to move to."""

    name: ClassVar[str] = "version.sunset"
    at: float
    successor: str


EVENTS: dict[str, type[Event]] = {kind.name: kind for kind in Event.__subclasses__()}
"""Every event, by its name."""

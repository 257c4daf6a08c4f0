"""Every domain event: what happened, in the past tense. Names and fields are only ever added (they are in outboxes).

None has what somebody wrote of a person, or why: that is asked for where it lies, and can be erased there (R73). Those
of members and of requests stand in ``events_people``, those of channels and notices in ``events_delivery``, those of
alerts in ``events_alerts``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from limen.core import events_alerts, events_delivery, events_people  # noqa: F401 - they are events too
from limen.core.event import Event


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
    """A key was ended for good. Why, the key says."""

    name: ClassVar[str] = "key.revoked"
    owner: str


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
class KeyLeaked(Event):
    """A key was reported as leaked, with its whole text, for the first time. *source* says by whom, *where* at which
    address it was found, if it was said; *done*: ``revoked``, ``warned`` (it goes on) or ``ended`` (it had before)."""

    name: ClassVar[str] = "key.leaked"
    owner: str
    source: str
    where: str
    done: str


@dataclass(frozen=True, slots=True)
class KeyLimitDisregarded(Event):
    """A key called *count* times inside its ``Retry-After`` in the hour from *hour_at* on (Unix seconds)."""

    name: ClassVar[str] = "key.limit_disregarded"
    owner: str
    hour_at: float
    count: int


@dataclass(frozen=True, slots=True)
class OwnerCreated(Event):
    """An owner came to be."""

    name: ClassVar[str] = "owner.created"


@dataclass(frozen=True, slots=True)
class OwnerSuspended(Event):
    """All access of an owner was stopped. Why, the owner says."""

    name: ClassVar[str] = "owner.suspended"


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
class OwnerErased(Event):
    """An owner's access was ended for good, and who it was forgotten."""

    name: ClassVar[str] = "owner.erased"


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


@dataclass(frozen=True, slots=True)
class SettingChanged(Event):
    """A setting that may change at run time was set to *value*, or is its default again, which *value* then is."""

    name: ClassVar[str] = "setting.changed"
    value: str


@dataclass(frozen=True, slots=True)
class AuditErased(Event):
    """What was personal in entries of the audit was erased: *count* values."""

    name: ClassVar[str] = "audit.erased"
    count: int


@dataclass(frozen=True, slots=True)
class BrownoutAnnounced(Event):
    """A version does not work from *starts_at* until *ends_at* (Unix seconds); it is answered *status*."""

    name: ClassVar[str] = "version.brownout_announced"
    brownout: str
    starts_at: float
    ends_at: float
    status: int


@dataclass(frozen=True, slots=True)
class BrownoutCancelled(Event):
    """An announced brownout does not come or, where it had begun, is over."""

    name: ClassVar[str] = "version.brownout_cancelled"
    brownout: str


@dataclass(frozen=True, slots=True)
class KeyLimitsSet(Event):
    """A key's own limits changed; *limits* is as they are written, empty for none."""

    name: ClassVar[str] = "key.limits_set"
    owner: str
    limits: str


@dataclass(frozen=True, slots=True)
class KeyPinned(Event):
    """A key was pinned to a version: a request with it that names none is for that one."""

    name: ClassVar[str] = "key.pinned"
    owner: str
    version: str


@dataclass(frozen=True, slots=True)
class MeasureTaken(Event):
    """Staff throttled or blocked a target (``api``, ``owner``, ``key``, ``address``, ``operation``), called *whom*.

    *limits*: a throttle's, as they are written. *ends_at*: Unix seconds; None: until it is lifted.
    """

    name: ClassVar[str] = "measure.taken"
    kind: str
    target: str
    whom: str
    limits: str
    reason: str
    ends_at: float | None


@dataclass(frozen=True, slots=True)
class MeasureLifted(Event):
    """A measure was lifted before its end."""

    name: ClassVar[str] = "measure.lifted"
    kind: str
    target: str
    whom: str


@dataclass(frozen=True, slots=True)
class PepperAdded(Event):
    """New keys are stored under a new pepper, whose version is the subject."""

    name: ClassVar[str] = "pepper.added"


@dataclass(frozen=True, slots=True)
class PepperWrapped(Event):
    """*count* keys that were stored under older peppers are stored under the one whose version is the subject."""

    name: ClassVar[str] = "pepper.wrapped"
    count: int


@dataclass(frozen=True, slots=True)
class PepperRetired(Event):
    """A pepper that no key needs any more was given up; its version is the subject."""

    name: ClassVar[str] = "pepper.retired"


@dataclass(frozen=True, slots=True)
class SecretAdded(Event):
    """A secret was added by which imported keys are checked; its name is the subject."""

    name: ClassVar[str] = "secret.added"


@dataclass(frozen=True, slots=True)
class SecretRetired(Event):
    """A secret that no key needs any more was given up; its name is the subject."""

    name: ClassVar[str] = "secret.retired"


@dataclass(frozen=True, slots=True)
class KeyImported(Event):
    """A key of another system was brought along; *weak*: it is, or may be, easier to guess than one of Limen's own."""

    name: ClassVar[str] = "key.imported"
    owner: str
    weak: bool


@dataclass(frozen=True, slots=True)
class InstallationRestored(Event):
    """The database came back from a backup; the subject is the installation's id. Moments are Unix seconds."""

    name: ClassVar[str] = "installation.restored"
    backup_at: float
    ended: int
    unconfirmed: int


@dataclass(frozen=True, slots=True)
class InstallationImported(Event):
    """The database came out of an archive; the subject is the installation's id. Moments are Unix seconds."""

    name: ClassVar[str] = "installation.imported"
    exported_at: float
    ended: int
    unconfirmed: int


EVENTS: dict[str, type[Event]] = {kind.name: kind for kind in Event.__subclasses__()}
"""Every event, by its name."""

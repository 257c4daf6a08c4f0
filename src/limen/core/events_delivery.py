"""What happens to those who are told: channels, deliveries that were given up, and notices of staff."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from limen.core.event import Event


@dataclass(frozen=True, slots=True)
class ChannelAdded(Event):
    """An e-mail address or a webhook's endpoint was added. Which address, no event says. *owner*: empty for staff."""

    name: ClassVar[str] = "channel.added"
    owner: str
    kind: str


@dataclass(frozen=True, slots=True)
class ChannelConfirmed(Event):
    """Whoever reads an e-mail address said that it is theirs, or staff said so."""

    name: ClassVar[str] = "channel.confirmed"
    owner: str


@dataclass(frozen=True, slots=True)
class ChannelChanged(Event):
    """Which events a channel wants was changed, or it was ``muted``, ``unmuted``, ``enabled``: *what* says."""

    name: ClassVar[str] = "channel.changed"
    owner: str
    what: str


@dataclass(frozen=True, slots=True)
class ChannelDisabled(Event):
    """A channel is sent nothing any more: *why* is ``hand``, ``gone`` (410) or ``failures``."""

    name: ClassVar[str] = "channel.disabled"
    owner: str
    kind: str
    why: str


@dataclass(frozen=True, slots=True)
class ChannelSecretRotated(Event):
    """An endpoint got a new secret; the one before holds until *old_until* (Unix seconds)."""

    name: ClassVar[str] = "channel.secret_rotated"
    owner: str
    old_until: float


@dataclass(frozen=True, slots=True)
class ChannelRemoved(Event):
    """A channel was removed."""

    name: ClassVar[str] = "channel.removed"
    owner: str


@dataclass(frozen=True, slots=True)
class DeliveryDied(Event):
    """A delivery was given up after *attempts*; the last one came to *result*. It is kept, and can be sent again."""

    name: ClassVar[str] = "delivery.died"
    owner: str
    channel: str
    event: str
    attempts: int
    result: str


@dataclass(frozen=True, slots=True)
class NoticeSent(Event):
    """Staff told *recipients* owners of a version's dates (``version``) or of something else (``policy``)."""

    name: ClassVar[str] = "notice.sent"
    kind: str
    version: str
    recipients: int

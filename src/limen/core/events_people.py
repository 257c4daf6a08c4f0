"""What happens to members of organisations, and to requests for keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from limen.core.event import Event


@dataclass(frozen=True, slots=True)
class InvitationMade(Event):
    """Somebody was invited to an organisation. Who it was, no event says."""

    name: ClassVar[str] = "invitation.made"
    organisation: str
    role: str


@dataclass(frozen=True, slots=True)
class InvitationWithdrawn(Event):
    """An invitation was taken back before it was accepted."""

    name: ClassVar[str] = "invitation.withdrawn"
    organisation: str


@dataclass(frozen=True, slots=True)
class MemberJoined(Event):
    """A user accepted an invitation to an organisation."""

    name: ClassVar[str] = "member.joined"
    member: str
    invitation: str
    role: str


@dataclass(frozen=True, slots=True)
class MemberRoleSet(Event):
    """A member of an organisation got another role."""

    name: ClassVar[str] = "member.role_set"
    member: str
    role: str
    was: str


@dataclass(frozen=True, slots=True)
class MemberRemoved(Event):
    """A member left an organisation; *keys* are those that they made for it and that live: rotate these (R250)."""

    name: ClassVar[str] = "member.removed"
    member: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RequestAsked(Event):
    """A key was asked for."""

    name: ClassVar[str] = "request.asked"
    owner: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RequestGranted(Event):
    """Staff granted a key, with these *scopes*; it may be revealed until *lapses_at* (Unix seconds)."""

    name: ClassVar[str] = "request.granted"
    owner: str
    scopes: tuple[str, ...]
    lapses_at: float


@dataclass(frozen=True, slots=True)
class RequestRefused(Event):
    """Staff refused a key. Why, the request says."""

    name: ClassVar[str] = "request.refused"
    owner: str


@dataclass(frozen=True, slots=True)
class RequestWithdrawn(Event):
    """A request for a key was taken back before it was revealed."""

    name: ClassVar[str] = "request.withdrawn"
    owner: str


@dataclass(frozen=True, slots=True)
class RequestRevealed(Event):
    """A key that was granted was made, and shown once."""

    name: ClassVar[str] = "request.revealed"
    owner: str
    key: str

"""Who acts, and what a member may do for an owner: every change is made by somebody, and the audit says by whom."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto

_STAFF = frozenset({"terminal", "staff", "worker", "demo"})


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who changes something: *kind* is ``terminal``, ``staff``, ``member``, ``holder`` (of a key), ``worker``
    or ``demo``; *name* tells them apart."""

    kind: str
    name: str
    origin: str = ""
    """The address that they came from; empty: from this host. Personal, so that the audit keeps it apart."""
    via: str = ""
    """Where the name says who, and not how they came: a key's id, or which staff acted for them."""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"

    @property
    def is_staff(self) -> bool:
        """Whether they act for the platform, and so are not asked for a role. A kind that is not known does not."""
        return self.kind in _STAFF


class Role(StrEnum):
    """What a member is to an organisation, the highest first. A user is its own ``OWNER``."""

    OWNER = "owner"
    ADMIN = "admin"
    EDITOR = "editor"
    VIEWER = "viewer"

    def reaches(self, other: Role) -> bool:
        """Whether this role is *other* or a higher one: whoever holds it may give *other*, and take it away."""
        return _RANK[self] <= _RANK[other]


_RANK = {role: place for place, role in enumerate(Role)}


class Right(Enum):
    """What a member may do for an owner. Each right comes with a role, and with every role above it.

    ==============  =======  =======  =======  =======
    Right           owner    admin    editor   viewer
    ==============  =======  =======  =======  =======
    KNOW            yes      yes      yes      yes
    SEE             yes      yes      yes      no
    USE_KEYS        yes      yes      no       no
    REVOKE          yes      yes      no       no
    MANAGE_PEOPLE   yes      yes      no       no
    EDIT            yes      yes      no       no
    DELETE          yes      no       no       no
    ==============  =======  =======  =======  =======
    """

    KNOW = auto()
    """That there is this owner, its name, one's own role; and to leave."""
    SEE = auto()
    """Its developer settings: keys, requests for keys, plans, limits, usage."""
    USE_KEYS = auto()
    """Issue, regenerate, deactivate, reactivate, date its keys; ask for one, and reveal what was granted."""
    REVOKE = auto()
    """End its keys for good."""
    MANAGE_PEOPLE = auto()
    """See, invite and remove its members, and give them roles: none above one's own."""
    EDIT = auto()
    """Change what it is called, and its other settings."""
    DELETE = auto()
    """Have it erased."""


_LEAST = {
    Right.KNOW: Role.VIEWER,
    Right.SEE: Role.EDITOR,
    Right.USE_KEYS: Role.ADMIN,
    Right.REVOKE: Role.ADMIN,
    Right.MANAGE_PEOPLE: Role.ADMIN,
    Right.EDIT: Role.ADMIN,
    Right.DELETE: Role.OWNER,
}


def needed(right: Right) -> Role:
    """The lowest role that this right comes with."""
    return _LEAST[right]


def may(role: Role | None, right: Right) -> bool:
    """Whether whoever has *role* may do this for the owner; None: no member of it, who may nothing."""
    return role is not None and role.reaches(_LEAST[right])

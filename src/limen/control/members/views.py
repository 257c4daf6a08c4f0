"""Members and invitations as control shows them, and the question that every door asks: may they do this?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from limen.control import owners
from limen.control.members import _rows
from limen.core.people import Right, Role, may, needed
from limen.core.problems import ProblemError
from limen.db.transaction import Reader


@dataclass(frozen=True, slots=True)
class Member:
    """A user that acts for an organisation. Moments are Unix seconds."""

    organisation: str
    member: str
    """The user's id as an owner."""
    name: str
    role: Role
    state: str
    """The user's own: ``active``, ``suspended`` or ``erased``. Only an active one can do anything."""
    joined_at: float


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation that waits to be accepted. Moments are Unix seconds."""

    invitation: str
    organisation: str
    email: str
    role: Role
    message: str
    state: str
    """``open``, or ``expired`` where its time ran out."""
    invited_by: str
    invited_at: float
    expires_at: float


def role_of(reader: Reader, member: str, owner: str) -> Role | None:
    """What *member* is to *owner*; None: nothing, or one of the two is not there. A user is its own owner.

    A read or two. Whether the member is suspended is not asked here: see ``require_right``.
    """
    if member == owner:
        return Role.OWNER if _kind(reader, owner) == "user" else None
    role = _rows.role(reader.connection, owner, member)
    return Role(role) if role is not None else None


def _kind(reader: Reader, owner: str) -> str:
    try:
        return owners.require(reader, owner).kind
    except ProblemError:
        return ""


def require_right(reader: Reader, member: str, owner: str, right: Right) -> Role:
    """The member may do this for the owner: its role, which comes with the *right*.

    Raises ``owner_unknown`` where the member is nothing to the owner, whether or not there is such an owner;
    ``owner_suspended`` where the member itself is suspended or erased; ``role_too_low``.
    """
    role = role_of(reader, member, owner)
    if role is None:
        raise ProblemError("owner_unknown", f"There is no owner {owner!r}.")
    if owners.require(reader, member).state != "active":
        raise ProblemError("owner_suspended", f"{member!r} is suspended, and does nothing for anybody.")
    if not may(role, right):
        raise ProblemError(
            "role_too_low", f"You are {role.value} of {owner!r}; this takes {needed(right).value} at least."
        )
    return role


def listed(
    reader: Reader, *, organisation: str = "", member: str = "", after: str = "", limit: int = 100
) -> list[Member]:
    """The members of an organisation, in the order of their ids; or, of a member, what organisations it acts for.

    From behind the id *after* on, of a member or of an organisation; at most *limit*. Raises ``request_malformed``
    where neither is said.
    """
    if not organisation and not member:
        raise ProblemError("request_malformed", "Say of which organisation, or of which member.")
    rows = _rows.page(reader.connection, organisation=organisation, member=member, after=after, limit=limit)
    return [_member(row) for row in rows]


def _member(row: Any) -> Member:
    return Member(
        organisation=row.organisation,
        member=row.member,
        name=row.name,
        role=Role(row.role),
        state="erased" if row.erased_at is not None else "active" if row.suspended_at is None else "suspended",
        joined_at=row.joined_at,
    )


def require_member(reader: Reader, organisation: str, member: str) -> Member:
    """The member of the organisation. Raises ``member_unknown``."""
    found = listed(reader, organisation=organisation, member=member)
    if not found:
        raise ProblemError("member_unknown", f"{organisation!r} has no member {member!r}.")
    return found[0]


def invitations_of(reader: Reader, organisation: str, *, after: str = "", limit: int = 100) -> list[Invitation]:
    """Invitations to the organisation that were neither accepted nor withdrawn, the newest first.

    From behind the invitation *after* on, at most *limit*. Raises ``invitation_unknown`` for an *after* that is none of
    the organisation's.
    """
    before = (math.inf, "")
    if after:
        row = _rows.invitation(reader.connection, after)
        if row is None or row.organisation != organisation:
            raise ProblemError("invitation_unknown", f"There is no invitation {after!r} to {organisation!r}.")
        before = (row.invited_at, row.invitation)
    rows = _rows.page_of_invitations(reader.connection, organisation, before=before, limit=limit)
    return [view(row, reader.now) for row in rows]


def view(row: Any, now: float) -> Invitation:
    """The invitation of *row*, as it is at *now*."""
    return Invitation(
        invitation=row.invitation,
        organisation=row.organisation,
        email=row.email,
        role=Role(row.role),
        message=row.message,
        state="expired" if row.state == "open" and row.expires_at <= now else row.state,
        invited_by=row.invited_by,
        invited_at=row.invited_at,
        expires_at=row.expires_at,
    )

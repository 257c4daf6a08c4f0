"""The verbs of members. Where a member acts, its right is looked for in the verb's own transaction: no door can forget.

Nobody gives a role above their own, or touches who has one. An organisation that has an owner keeps one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from limen.control import keys, owners, run_settings
from limen.control.members import _rows
from limen.control.members.views import Invitation, Member, require_member, require_right, view
from limen.core import events_people as events
from limen.core.keys import locator, mint, same
from limen.core.people import Actor, Right, Role, may
from limen.core.problems import ProblemError
from limen.db.transaction import Tx

PREFIX = "limen_invite_"
"""How the token of an invitation begins."""

MOST_OPEN = 50
"""How many invitations to an organisation are open at once."""

_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]{1,189}")
_MESSAGE = re.compile(r"[^\x00-\x09\x0b-\x1f\x7f]{0,500}")
_PAGE = 1_000
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation that was just made, with the token that accepts it: to be sent once, and kept nowhere."""

    invitation: Invitation
    token: str = field(repr=False)


def invite(tx: Tx, organisation: str, *, email: str, role: Role, message: str = "") -> Invited:
    """An invitation to become a member. It takes the place of an open one to the same address.

    Raises ``owner_unknown``, ``owner_type_wrong``, ``owner_erased``, ``role_too_low``, ``request_malformed``, and
    ``too_many_open`` where ``MOST_OPEN`` others are open.
    """
    _require_organisation(tx, organisation, role)
    if _EMAIL.fullmatch(email) is None:
        raise ProblemError("request_malformed", "An e-mail address is written as name@example.com.")
    if _MESSAGE.fullmatch(message) is None:
        raise ProblemError("request_malformed", "A message has at most 500 characters.")
    for row in _rows.open_invitations(tx.connection, organisation, email=email):
        _require_reach(tx, organisation, Role(row.role))
        _withdraw(tx, row)
    if _rows.count_open(tx.connection, organisation, tx.now) >= MOST_OPEN:
        raise ProblemError(
            "too_many_open", f"{MOST_OPEN} invitations to {organisation!r} are open. Withdraw some first."
        )
    invitation, token = mint(PREFIX, tx.entropy)
    _rows.add_invitation(
        tx.connection,
        invitation=invitation,
        organisation=organisation,
        email=email,
        role=role.value,
        message=message,
        digest=tx.digest(token.encode()),
        invited_by=str(tx.actor),
        invited_at=tx.now,
        expires_at=tx.now + run_settings.value(tx, "invitations.days") * _DAY_S,
        state="open",
    )
    happened = events.InvitationMade(api="", subject=invitation, organisation=organisation, role=role.value)
    tx.record("members.invite", happened, personal={"email": email}, organisation=organisation, role=role.value)
    return Invited(view(_rows.invitation(tx.connection, invitation), tx.now), token)


def accept(tx: Tx, token: str, *, member: str) -> Member:
    """The user *member* is a member of the organisation that the *token* invites to, by the role that it says.

    Raises ``invitation_unknown`` for a token of no invitation, or of one that was accepted, withdrawn or has expired,
    or whose maker could not make it any more, and no more is said; ``owner_unknown`` and ``owner_erased`` of the user,
    ``owner_type_wrong`` where it is none; ``member_exists``, and then the invitation stays.
    """
    if not tx.actor.is_staff and str(tx.actor) != str(Actor("member", member)):
        raise ProblemError("owner_unknown", f"There is no owner {member!r}.")
    row = _invitation_of(tx, token)
    user = owners.require(tx, member)
    if user.kind != "user":
        raise ProblemError("owner_type_wrong", f"{member!r} is an organisation; members are users.")
    if user.state == "erased":
        raise ProblemError("owner_erased", f"{member!r} has been erased; that is final.")
    if _rows.role(tx.connection, row.organisation, member) is not None:
        raise ProblemError("member_exists", f"{member!r} is a member of {row.organisation!r} already.")
    _rows.add(tx.connection, organisation=row.organisation, member=member, role=row.role, joined_at=tx.now)
    _rows.end_invitation(tx.connection, row.invitation, state="accepted", ended_at=tx.now, accepted_by=member)
    happened = events.MemberJoined(
        api="", subject=row.organisation, member=member, invitation=row.invitation, role=row.role
    )
    tx.record("members.accept", happened, member=member, invitation=row.invitation, role=row.role)
    return require_member(tx, row.organisation, member)


def _invitation_of(tx: Tx, token: str) -> Any:
    """The row of the invitation that *token* accepts. Found by the part that is no secret; the whole is compared.

    It was made under the newest pepper of its day, which is any of those on the ring.
    """
    text = token.encode("utf-8", "replace")
    digests = [tx.keyring.digest(pepper)(text) for pepper in tx.keyring.peppers]
    row = _rows.invitation(tx.connection, locator(text).decode("ascii", "replace"))
    if row is None or not any(same(digest, row.digest) for digest in digests):
        raise ProblemError("invitation_unknown")
    if row.state != "open" or row.expires_at <= tx.now:
        raise ProblemError("invitation_unknown")
    if owners.require(tx, row.organisation).state == "erased" or not _stands(tx, row):
        raise ProblemError("invitation_unknown")
    return row


def _stands(tx: Tx, row: Any) -> bool:
    """Whether who made the invitation could make it now: staff, or a member in good standing, by its role of today."""
    kind, _, inviter = row.invited_by.partition(":")
    if kind != "member":
        return True
    held = _rows.role(tx.connection, row.organisation, inviter)
    if held is None or owners.require(tx, inviter).state != "active":
        return False
    return may(Role(held), Right.MANAGE_PEOPLE) and Role(held).reaches(Role(row.role))


def withdraw(tx: Tx, organisation: str, invitation: str) -> None:
    """The invitation cannot be accepted any more, and says no more who was invited.

    Raises ``owner_unknown``, ``owner_type_wrong``, ``invitation_unknown``, for one that was accepted too,
    ``role_too_low``.
    """
    _require_organisation(tx, organisation)
    row = _rows.invitation(tx.connection, invitation)
    if row is None or row.organisation != organisation or row.state == "accepted":
        raise ProblemError("invitation_unknown", f"There is no invitation {invitation!r} to {organisation!r}.")
    _require_reach(tx, organisation, Role(row.role))
    if row.state == "open":
        _withdraw(tx, row)


def set_role(tx: Tx, organisation: str, member: str, *, role: Role) -> Member:
    """The member has this role. Invitations that it made, and could not make any more, are withdrawn.

    Raises ``owner_unknown``, ``owner_type_wrong``, ``owner_erased``, ``member_unknown``, ``role_too_low``,
    ``last_owner``.
    """
    _require_organisation(tx, organisation, role)
    held = require_member(tx, organisation, member).role
    _require_reach(tx, organisation, held)
    if held is role:
        return require_member(tx, organisation, member)
    _require_another_owner(tx, organisation, member, held)
    _rows.change(tx.connection, organisation, member, role=role.value)
    _withdraw_beyond(tx, organisation, member, role)
    happened = events.MemberRoleSet(api="", subject=organisation, member=member, role=role.value, was=held.value)
    tx.record("members.set_role", happened, before={"role": held.value}, after={"role": role.value}, member=member)
    return require_member(tx, organisation, member)


def remove(tx: Tx, organisation: str, member: str) -> tuple[keys.Key, ...]:
    """The user is no member any more. Answered are the keys that it made for the organisation and that live: whoever
    left may have them still, so rotate these (R250).

    Invitations that it made are withdrawn. Whoever is a member may leave. Raises ``owner_unknown``,
    ``owner_type_wrong``, ``member_unknown``, ``role_too_low``, ``last_owner``.
    """
    leaves = tx.actor.kind == "member" and tx.actor.name == member
    _require_organisation(tx, organisation, right=Right.KNOW if leaves else Right.MANAGE_PEOPLE)
    held = require_member(tx, organisation, member).role
    _require_reach(tx, organisation, held)
    _require_another_owner(tx, organisation, member, held)
    _rows.remove(tx.connection, organisation, member)
    _withdraw_beyond(tx, organisation, member, None)
    made = _made_by(tx, organisation, member)
    ids = tuple(key.key for key in made)
    tx.record(
        "members.remove",
        events.MemberRemoved(api="", subject=organisation, member=member, keys=ids),
        before={"role": held.value},
        member=member,
        keys=list(ids),
    )
    return made


def _made_by(tx: Tx, organisation: str, member: str) -> tuple[keys.Key, ...]:
    """The keys of the organisation that the member made, and that work or sleep."""
    found: list[keys.Key] = []
    maker = str(Actor("member", member))
    for state in ("active", "inactive"):
        after = None
        while after != "":
            page = keys.listed(tx, owner=organisation, created_by=maker, state=state, after=after or "", limit=_PAGE)
            found += page.items
            after = page.next
    return tuple(found)


def _require_organisation(
    tx: Tx, organisation: str, role: Role | None = None, *, right: Right = Right.MANAGE_PEOPLE
) -> None:
    """It is an organisation, and who acts may manage its people; and, if it is about one, give this *role*."""
    if not tx.actor.is_staff:
        _role_of_actor(tx, organisation, right)
    found = owners.require(tx, organisation)
    if found.kind != "organisation":
        raise ProblemError("owner_type_wrong", f"{organisation!r} is a {found.kind}; organisations have members.")
    if role is not None:
        if found.state == "erased":
            raise ProblemError("owner_erased", f"{organisation!r} has been erased; that is final.")
        _require_reach(tx, organisation, role)


def _role_of_actor(tx: Tx, organisation: str, right: Right) -> Role:
    if tx.actor.kind != "member":
        raise ProblemError("role_too_low", "Whoever holds a key has no say about people.")
    return require_right(tx, tx.actor.name, organisation, right)


def _require_reach(tx: Tx, organisation: str, role: Role) -> None:
    """Staff, or a member whose own role is this one or above it."""
    if tx.actor.is_staff:
        return
    own = _role_of_actor(tx, organisation, Right.KNOW)
    if not own.reaches(role):
        raise ProblemError("role_too_low", f"You are {own.value} of {organisation!r}, which is below {role.value}.")


def _require_another_owner(tx: Tx, organisation: str, member: str, held: Role) -> None:
    if held is Role.OWNER and not _rows.other_owners(tx.connection, organisation, member):
        raise ProblemError("last_owner", f"{member!r} is the last owner of {organisation!r}. Make another one first.")


def _withdraw_beyond(tx: Tx, organisation: str, member: str, role: Role | None) -> None:
    """Withdraw what the member invited to, and could not with this *role*: nobody comes in by who has left."""
    for row in _rows.open_invitations(tx.connection, organisation, invited_by=str(Actor("member", member))):
        if role is None or not may(role, Right.MANAGE_PEOPLE) or not role.reaches(Role(row.role)):
            _withdraw(tx, row)


def _withdraw(tx: Tx, row: Any) -> None:
    _rows.end_invitation(tx.connection, row.invitation, state="withdrawn", ended_at=tx.now)
    happened = events.InvitationWithdrawn(api="", subject=row.invitation, organisation=row.organisation)
    tx.record("members.withdraw", happened, organisation=row.organisation)

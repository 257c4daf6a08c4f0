"""Members of organisations, and invitations. Who may do what, the verbs ask for themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from limen.control import members
from limen.control.keys import Key
from limen.control.members import Invitation, Invited, Member
from limen.core.people import Right, Role
from limen.core.problems import ProblemError
from limen.db.transaction import Reader, Tx
from limen.http.beside import Route
from limen.http.calls import Call, needs
from limen.http.routes.owners import owner_shown
from limen.http.shapes import Body, Paged, page_of, shape

router = APIRouter(route_class=Route, tags=["members"])
ReadOwners = Annotated[Call, needs("read:owners")]
WriteOwners = Annotated[Call, needs("write:owners")]
GivenRole = Annotated[Role, Field(strict=False, description="owner, admin, editor or viewer.")]


class NewRole(Body):
    """The role that a member is to have."""

    role: GivenRole


class NewInvitation(Body):
    """An invitation to be made."""

    email: Annotated[str, Field(max_length=300)]
    role: GivenRole
    message: Annotated[str, Field(max_length=500)] = ""


class Acceptance(Body):
    """Who accepts an invitation, by its token."""

    token: Annotated[str, Field(max_length=200, description="As it was sent to whoever was invited.")]
    member: Annotated[str, Field(max_length=100, description="The user; empty: who calls.")] = ""


@dataclass(frozen=True, slots=True)
class Left:
    """What a member that was removed had made: whoever left may have these keys still, so rotate them."""

    rotate: tuple[Key, ...]


@router.get("/owners/{owner}/members", response_model=page_of(Member))
def list_members(call: ReadOwners, owner: str, wanted: Annotated[Paged, Query()]) -> Response:
    """An organisation's members, in the order of their ids."""
    after = call.place("members", wanted.after)

    def found(reader: Reader, count: int) -> list[Member]:
        owner_shown(call, reader, owner)
        call.require_right(reader, owner, Right.MANAGE_PEOPLE)
        return members.listed(reader, organisation=owner, after=after, limit=count)

    return call.page("members", wanted.limit, found, lambda member: member.member)


@router.put("/owners/{owner}/members/{member}", response_model=shape(Member))
def set_role(call: WriteOwners, owner: str, member: str, new: NewRole) -> Response:
    """Give a member a role: none above one's own."""
    return call.write(
        lambda tx: members.set_role(tx, owner, member, role=new.role),
        may=_manages(call, owner),
        of=lambda reader: _member(reader, owner, member),
    )


@router.delete("/owners/{owner}/members/{member}", response_model=shape(Left))
def remove_member(call: WriteOwners, owner: str, member: str) -> Response:
    """Remove a member, or leave. The answer names the keys that it made and that live: rotate them."""
    may = None if member == call.user else _manages(call, owner)  # who has left may be told again that it has
    return call.write(lambda tx: Left(members.remove(tx, owner, member)), may=may)


@router.get("/owners/{owner}/invitations", response_model=page_of(Invitation))
def list_invitations(call: ReadOwners, owner: str, wanted: Annotated[Paged, Query()]) -> Response:
    """Invitations to an organisation that were neither accepted nor withdrawn, the newest first."""
    after = call.place("invitations", wanted.after)

    def found(reader: Reader, count: int) -> list[Invitation]:
        owner_shown(call, reader, owner)
        call.require_right(reader, owner, Right.MANAGE_PEOPLE)
        return members.invitations_of(reader, owner, after=after, limit=count)

    return call.page("invitations", wanted.limit, found, lambda each: each.invitation)


@router.post("/owners/{owner}/invitations", status_code=201, response_model=shape(Invited, "token"))
def invite_member(call: WriteOwners, owner: str, new: NewInvitation) -> Response:
    """Invite somebody. The `token` that accepts it is shown in this answer alone: send it to them."""

    def work(tx: Tx) -> Invited:
        return members.invite(tx, owner, email=new.email, role=new.role, message=new.message)

    return call.write(work, may=_manages(call, owner), status=201, once=("token",))


@router.delete("/owners/{owner}/invitations/{invitation}", status_code=204, response_class=Response)
def withdraw_invitation(call: WriteOwners, owner: str, invitation: str) -> Response:
    """Withdraw an invitation: it cannot be accepted any more."""
    return call.write(lambda tx: members.withdraw(tx, owner, invitation), may=_manages(call, owner), status=204)


@router.post("/invitations/accept", response_model=shape(Member))
def accept_invitation(call: WriteOwners, acceptance: Acceptance) -> Response:
    """Accept an invitation by its token: the user is a member from now on."""
    member = acceptance.member or call.user or ""
    return call.write(lambda tx: members.accept(tx, acceptance.token, member=member))


def _manages(call: Call, owner: str) -> Callable[[Reader], None]:
    """That the caller may say who is a member of the *owner*."""
    return lambda reader: call.require_right(reader, owner, Right.MANAGE_PEOPLE)


def _member(reader: Reader, owner: str, member: str) -> Member:
    for found in members.listed(reader, organisation=owner, member=member):
        return found
    raise ProblemError("member_unknown", f"{owner!r} has no member {member!r}.")

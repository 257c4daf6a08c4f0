"""Owners: users and organisations that hold keys, and how they stand with each API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from limen.control import members, owners
from limen.control.owners import NewOwner, Owner
from limen.core.people import Right, may
from limen.core.profile import BUILT_IN
from limen.db.transaction import Reader, Tx
from limen.http.beside import Route
from limen.http.calls import Call, needs
from limen.http.routes.keys import require_reach_over
from limen.http.shapes import Body, Line, Name, Paged, limits_of, page_of, shape

router = APIRouter(route_class=Route, prefix="/owners", tags=["owners"])
ReadOwners = Annotated[Call, needs("read:owners")]
ManageOwners = Annotated[Call, needs("manage:owners")]
Protect = Annotated[Call, needs("protect")]
_PAGE = 1_000


class OwnersWanted(Paged):
    """Which owners are wanted. To a member only those are shown that it may act for."""

    kind: Annotated[Literal["", "user", "organisation"], Field(description="Of this kind.")] = ""
    state: Annotated[Literal["", "active", "suspended", "erased"], Field(description="In this state.")] = ""
    name: Annotated[str, Field(max_length=100, description="Whose name begins so, whatever the case.")] = ""
    api: Annotated[str, Field(max_length=32, description="With 'plan': that have it on this API.")] = ""
    plan: Annotated[str, Field(max_length=32, description="With 'api': that have this plan.")] = ""


class OwnerMade(Body):
    """An owner to be made."""

    kind: Literal["user", "organisation"]
    name: Name = ""
    owner: Annotated[str, Field(max_length=100, description="The platform's own id for it; empty: one is drawn.")] = ""


class Suspension(Body):
    """Why all access of an owner is refused."""

    reason: Annotated[Line, Field(min_length=1)]


class NewStanding(Body):
    """How an owner is to stand with an API."""

    plan: Annotated[str, Field(max_length=32, description="A plan of the API's profile; empty: none.")] = ""
    limits: limits_of("allowance") = Field("", validate_default=True)  # type: ignore[valid-type]


@router.get("", response_model=page_of(Owner))
def list_owners(call: ReadOwners, wanted: Annotated[OwnersWanted, Query()]) -> Response:
    """Owners, in the order of their ids; where `name` is given, of their names."""
    after = call.place("owners", wanted.after)
    asked: dict[str, Any] = wanted.model_dump(exclude={"limit", "after"})

    def found(reader: Reader, count: int) -> list[Owner]:
        if call.user is None:
            return owners.listed(reader, after=after, limit=count, **asked)
        theirs = sorted(owner for owner in acted_for(reader, call.user) if owner > after)
        shown = (owner_shown(call, reader, owner) for owner in theirs)
        return [owner for owner in shown if _fits(owner, wanted)][:count]

    return call.page("owners", wanted.limit, found, lambda owner: owner.owner)


@router.post("", status_code=201, response_model=shape(Owner))
def create_owner(call: ManageOwners, new: OwnerMade) -> Response:
    """Make an owner, so that it can hold keys."""
    call.require_staff()
    return call.write(lambda tx: owners.create(tx, NewOwner(new.kind, new.name, new.owner)), status=201)


@router.get("/{owner}", response_model=shape(Owner))
def get_owner(call: ReadOwners, owner: str) -> Response:
    """An owner. To members the reason of a suspension is not shown, nor standings that their role may not see."""
    return call.ask(lambda reader: owner_shown(call, reader, owner))


@router.delete("/{owner}", response_model=shape(Owner))
def erase_owner(call: ManageOwners, owner: str) -> Response:
    """Erase an owner: who it is, is forgotten, and all its access is refused for good. This cannot be undone."""
    return _change(call, owner, lambda tx: owners.erase(tx, owner))


@router.post("/{owner}/suspend", response_model=shape(Owner))
def suspend_owner(call: Protect, owner: str, suspension: Suspension) -> Response:
    """Refuse all access of an owner from now on, on every API, until it is restored."""
    return _change(call, owner, lambda tx: owners.suspend(tx, owner, reason=suspension.reason))


@router.post("/{owner}/restore", response_model=shape(Owner))
def restore_owner(call: Protect, owner: str) -> Response:
    """Restore a suspended owner: its keys are what they were before."""
    return _change(call, owner, lambda tx: owners.restore(tx, owner))


@router.put("/{owner}/standings/{api}", response_model=shape(Owner))
def set_standing(call: ManageOwners, owner: str, api: str, standing: NewStanding) -> Response:
    """Set an owner's plan on an API, and its own limits, which go before the plan's."""

    def work(tx: Tx) -> Owner:
        return owners.set_plan(tx, owner, api, plan=standing.plan, limits=standing.limits)

    return _change(call, owner, work, stops=api == BUILT_IN)


@router.put("/{owner}/standings/{api}/allowed", response_model=shape(Owner))
def allow_owner(call: ManageOwners, owner: str, api: str) -> Response:
    """Put an owner on an API's allow-list."""
    call.require_staff()
    return call.write(lambda tx: owners.allow(tx, owner, api), of=lambda reader: owners.require(reader, owner))


@router.delete("/{owner}/standings/{api}/allowed", response_model=shape(Owner))
def disallow_owner(call: ManageOwners, owner: str, api: str) -> Response:
    """Take an owner off an API's allow-list: where the list is on, its requests are refused from now on."""
    call.require_staff()
    return call.write(lambda tx: owners.disallow(tx, owner, api), of=lambda reader: owners.require(reader, owner))


def _change(call: Call, owner: str, verb: Callable[[Tx], Owner], *, stops: bool = True) -> Response:
    """Do *verb* on the owner. What *stops* its keys of staff, or wakes them, is done by those alone who reach them."""
    call.require_staff()

    def work(tx: Tx) -> Owner:
        if stops:
            require_reach_over(call, tx, owner)
        return verb(tx)

    return call.write(work, of=lambda reader: owners.require(reader, owner))


def owner_shown(call: Call, reader: Reader, owner: str) -> Owner:
    """The owner, as the caller may see it. Raises ``owner_unknown``."""
    if call.user is None:
        return owners.require(reader, owner)
    role = members.require_right(reader, call.user, owner, Right.KNOW)
    found = owners.require(reader, owner)
    found = replace(found, suspended_reason="")  # staff write it, and for staff
    return found if may(role, Right.SEE) else replace(found, standings=())


def acted_for(reader: Reader, user: str) -> Iterator[str]:
    """The ids of those that the user may act for, itself among them."""
    yield user
    after = ""
    while page := members.listed(reader, member=user, after=after, limit=_PAGE):
        yield from (each.organisation for each in page)
        after = page[-1].organisation


def _fits(owner: Owner, wanted: OwnersWanted) -> bool:
    plans = {(held.api, held.plan) for held in owner.standings}
    return (
        wanted.kind in ("", owner.kind)
        and wanted.state in ("", owner.state)
        and owner.name.casefold().startswith(wanted.name.casefold())
        and (not wanted.plan or (wanted.api, wanted.plan) in plans)
    )

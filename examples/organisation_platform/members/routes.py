"""The operations on the members of the caller's organisation. It always has an owner who can come in."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, status
from sqlalchemy import RowMapping

from examples.organisation_platform.access import Administrator
from examples.organisation_platform.errors import WRITING, Conflict, NotFound
from examples.organisation_platform.members import rows
from examples.organisation_platform.members.shapes import (
    Invitation,
    Member,
    MemberId,
    MemberListQuery,
    RoleChange,
    member,
)
from examples.organisation_platform.pages import Page
from examples.organisation_platform.revalidation import REVALIDATED, RevalidatedRoute
from examples.organisation_platform.store import Database, Tenant

router = APIRouter(prefix="/organizations/me/users", tags=["Organizations"], route_class=RevalidatedRoute)


@router.get("", operation_id="listMembers", responses=REVALIDATED)
def list_members(caller: Administrator, database: Database, query: Annotated[MemberListQuery, Query()]) -> Page[Member]:
    """The organisation's members, and who is invited."""
    with database.read(caller) as tenant:
        found = rows.list_members(tenant, query)
    return Page(data=[member(row) for row in found.rows], page_info=found.info)


@router.post("", operation_id="inviteMember", status_code=status.HTTP_201_CREATED, responses=WRITING)
def invite_member(caller: Administrator, database: Database, body: Invitation) -> Member:
    """Invite somebody. In this example nothing is sent."""
    with database.write(caller) as tenant:
        if rows.is_member(tenant, body.email):
            raise Conflict("Somebody with this address is a member, or invited.", ("email", "Is taken"))
        return member(_known(tenant, rows.invite(tenant, body, now=datetime.now(UTC))))


@router.get("/{id}", operation_id="getMember", responses=REVALIDATED)
def get_member(caller: Administrator, database: Database, member_id: MemberId) -> Member:
    """One member."""
    with database.read(caller) as tenant:
        return member(_known(tenant, member_id))


@router.put("/{id}", operation_id="updateMember", responses=WRITING)
def update_member(caller: Administrator, database: Database, member_id: MemberId, body: RoleChange) -> Member:
    """Give a member another role."""
    with database.write(caller) as tenant:
        row = _known(tenant, member_id)
        if body.role != "owner":
            _check_owned_without(tenant, row)
        rows.change_role(tenant, member_id, body.role)
        return member(_known(tenant, member_id))


@router.delete("/{id}", operation_id="removeMember", status_code=status.HTTP_204_NO_CONTENT, responses=WRITING)
def remove_member(caller: Administrator, database: Database, member_id: MemberId) -> None:
    """Remove a member, or withdraw an invitation."""
    with database.write(caller) as tenant:
        _check_owned_without(tenant, _known(tenant, member_id))
        rows.remove_member(tenant, member_id)


def _known(tenant: Tenant, member_id: str) -> RowMapping:
    """The member's row. Raises NotFound, the same for what is another's and for what is nobody's."""
    row = rows.find_member(tenant, member_id)
    if row is None:
        raise NotFound("Member not found")
    return row


def _check_owned_without(tenant: Tenant, row: RowMapping) -> None:
    """Raises Conflict where the organisation would be left without an active owner."""
    if row["role"] == "owner" and row["status"] == "active" and rows.is_last_owner(tenant, row["id"]):
        raise Conflict("An organization keeps an owner. Make another member an owner first.")

"""The SQL of members."""

from datetime import datetime

from sqlalchemy import RowMapping, delete, insert, select, update

from examples.organisation_platform.members.shapes import Invitation, MemberListQuery, Role
from examples.organisation_platform.pages import Found, turn_to
from examples.organisation_platform.store import Tenant
from examples.organisation_platform.tables import members
from examples.organisation_platform.wire import new_id

_ORDERS = {"createdAt": members.c.created_at}


def list_members(tenant: Tenant, query: MemberListQuery) -> Found:
    """The page of the organisation's members that is asked for."""
    return turn_to(tenant, members, query, _ORDERS, *([members.c.role == query.role] if query.role else []))


def find_member(tenant: Tenant, member_id: str) -> RowMapping | None:
    """The organisation's member of that id; None where it has none."""
    mine = (tenant.owns(members), members.c.id == member_id)
    return tenant.conn.execute(select(members).where(*mine)).mappings().one_or_none()


def is_member(tenant: Tenant, email: str) -> bool:
    """Whether somebody with that address is a member, or invited."""
    asked = select(members.c.id).where(tenant.owns(members), members.c.email == email)
    return tenant.conn.execute(asked).first() is not None


def is_last_owner(tenant: Tenant, member_id: str) -> bool:
    """Whether the organisation has no other active owner."""
    owner = (tenant.owns(members), members.c.role == "owner", members.c.status == "active")
    return tenant.conn.execute(select(members.c.id).where(*owner, members.c.id != member_id).limit(1)).first() is None


def invite(tenant: Tenant, invitation: Invitation, *, now: datetime) -> str:
    """The id of the new member, who is pending until the invitation is accepted."""
    row = {"id": new_id("user", now), "organisation": tenant.number, "status": "pending", "created_at": now}
    tenant.conn.execute(insert(members).values(row | {"email": invitation.email, "role": invitation.role}))
    return str(row["id"])


def change_role(tenant: Tenant, member_id: str, role: Role) -> None:
    """The organisation's member of that id has the role."""
    tenant.conn.execute(update(members).where(tenant.owns(members), members.c.id == member_id).values(role=role))


def remove_member(tenant: Tenant, member_id: str) -> None:
    """The organisation has no member of that id."""
    tenant.conn.execute(delete(members).where(tenant.owns(members), members.c.id == member_id))

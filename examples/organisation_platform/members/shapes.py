"""Members on the wire."""

from typing import Annotated, Literal

from fastapi import Path
from pydantic import Field
from sqlalchemy import RowMapping

from examples.organisation_platform.pages import Paging
from examples.organisation_platform.wire import Body, Email, Moment, Passage, Shape

Role = Literal["owner", "admin", "editor", "viewer"]
Status = Literal["active", "pending", "suspended"]

MemberId = Annotated[str, Path(alias="id", max_length=64, description="The member")]


class MemberListQuery(Paging):
    """Which of the organisation's members are asked for."""

    role: Role | None = None
    sort_by: Literal["createdAt"] = "createdAt"


class Invitation(Body):
    """Whom to invite, and as what."""

    email: Email
    role: Role
    message: Passage | None = Field(default=None, description="What the invitation says beside the link")


class RoleChange(Body):
    """What the member is from now on."""

    role: Role


class Member(Shape):
    """One member. Who has not accepted yet is pending, and has no name."""

    id: str
    email: str
    name: str | None
    role: Role
    status: Status
    created_at: Moment
    joined_at: Moment | None
    last_active_at: Moment | None


def member(row: RowMapping) -> Member:
    """The member in *row*."""
    return Member.model_validate({name: row[name] for name in Member.model_fields})

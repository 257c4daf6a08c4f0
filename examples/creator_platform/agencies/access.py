"""Who may call what for an agency, and which of its creators the caller reaches.

Scopes are Limen's business and were checked before. What is checked here is ours: for whom somebody works. Each check
is made in the transaction that it is made for.
"""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path
from sqlalchemy import Connection

from examples.creator_platform.agencies.rows import Member, find_member, list_reached, reaches
from examples.creator_platform.errors import Forbidden, NotFound
from limen.guard.fastapi import Caller, requires

CreatorReader = Annotated[Caller, Depends(requires("read:creator"))]
CreatorFanReader = Annotated[Caller, Depends(requires("read:creator", "read:fan"))]
CreatorChatReader = Annotated[Caller, Depends(requires("read:creator", "read:chat"))]
CreatorChatWriter = Annotated[Caller, Depends(requires("read:creator", "write:chat"))]
CreatorInsightsReader = Annotated[Caller, Depends(requires("read:creator", "read:insights"))]
CreatorSpendersReader = Annotated[Caller, Depends(requires("read:creator", "read:insights", "read:fan"))]
TeamReader = Annotated[Caller, Depends(requires("read:agency"))]
TeamWriter = Annotated[Caller, Depends(requires("write:agency"))]
AgencyChatReader = Annotated[Caller, Depends(requires("read:agency", "read:chat"))]
AgencyCreatorReader = Annotated[Caller, Depends(requires("read:agency", "read:creator"))]
AgencyInsightsReader = Annotated[Caller, Depends(requires("read:agency", "read:insights"))]

CreatorUuid = Annotated[UUID, Path(alias="creatorUserUuid", description="The creator for whom this is done")]


def member(conn: Connection, user: str) -> Member:
    """*user*, as a member of an agency. Raises Forbidden for who is none."""
    found = find_member(conn, user)
    if found is None:
        raise Forbidden
    return found


def admin(conn: Connection, user: str) -> Member:
    """*user*, as an admin of an agency. Raises Forbidden for who is none."""
    found = member(conn, user)
    if not found.is_admin:
        raise Forbidden
    return found


def reached(conn: Connection, user: str, creator: UUID) -> str:
    """*creator*, whom *user* works for. Raises NotFound, the same for a creator of others and for one who is none."""
    found = find_member(conn, user)
    if found is None or not reaches(conn, found, [str(creator)]):
        raise NotFound("Creator not found")
    return str(creator)


def chosen(conn: Connection, who: Member, creators: list[str] | None) -> list[str] | None:
    """The creators that are asked for; None: all of the agency's. Raises NotFound where *who* does not reach one."""
    if creators is None:
        return None if who.is_admin else list_reached(conn, who.uuid)
    if reaches(conn, who, creators) != set(creators):
        raise NotFound("Creator not found")
    return creators

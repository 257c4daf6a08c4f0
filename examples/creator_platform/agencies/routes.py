"""The operations on an agency as a whole."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query

from examples.creator_platform.agencies import actions
from examples.creator_platform.agencies.access import (
    AgencyChatReader,
    AgencyCreatorReader,
    AgencyInsightsReader,
    CreatorReader,
    TeamReader,
    TeamWriter,
)
from examples.creator_platform.agencies.shapes import (
    AgencyChat,
    AgencyCreator,
    AgencySubscriber,
    ChosenCreators,
    CreatorDay,
    CreatorDayEarnings,
    EarningsQuery,
    HistoryQuery,
    TeamMember,
    TeamMemberChange,
)
from examples.creator_platform.conditional import Conditional
from examples.creator_platform.errors import COMMON, WITH_NOT_FOUND
from examples.creator_platform.store import Database
from examples.creator_platform.wire import Page, Paging

router = APIRouter(tags=["Agencies"], route_class=Conditional)

MemberUuid = Annotated[UUID, Path(alias="userId", description="Somebody who works for the caller's agency")]


@router.get("/creators", operation_id="listCreators", responses=COMMON)
def list_creators(caller: CreatorReader, database: Database, query: Annotated[Paging, Query()]) -> Page[AgencyCreator]:
    """The creators of the caller's agency whom the caller reaches, who came last first."""
    with database.read() as conn:
        return actions.list_creators(conn, caller.owner, query)


@router.get("/agencies/team-members", operation_id="listTeamMembers", responses=COMMON)
def list_team(caller: TeamReader, database: Database) -> list[TeamMember]:
    """Who works for the agency that the caller is an admin of."""
    with database.read() as conn:
        return actions.list_team(conn, caller.owner)


@router.put("/agencies/team-members/{userId}", operation_id="updateTeamMember", responses=WITH_NOT_FOUND)
def update_member(caller: TeamWriter, database: Database, user_id: MemberUuid, body: TeamMemberChange) -> TeamMember:
    """Say which creators a member reaches, and what the agency calls them."""
    with database.write() as conn:
        return actions.change_member(conn, caller.owner, str(user_id), body)


@router.get("/agencies/chats", operation_id="listAgencyChats", responses=COMMON)
def list_chats(caller: AgencyChatReader, database: Database, query: Annotated[Paging, Query()]) -> Page[AgencyChat]:
    """The chats of all of the agency's creators, the most recently active first."""
    with database.read() as conn:
        return actions.list_chats(conn, caller.owner, query)


@router.get("/agencies/subscribers", operation_id="listAgencySubscribers", responses=WITH_NOT_FOUND)
def list_subscribers(
    caller: AgencyCreatorReader, database: Database, query: Annotated[ChosenCreators, Query()]
) -> Page[AgencySubscriber]:
    """Who subscribes to the agency's creators, the latest first."""
    with database.read() as conn:
        return actions.list_subscribers(conn, caller.owner, query)


@router.get("/agencies/earnings", operation_id="listAgencyEarnings", responses=WITH_NOT_FOUND)
def list_earnings(
    caller: AgencyInsightsReader, database: Database, query: Annotated[EarningsQuery, Query()]
) -> Page[CreatorDayEarnings]:
    """What the agency's creators earned by day, the last day first; days without earnings are left out."""
    with database.read() as conn:
        return actions.list_earnings(conn, caller.owner, query)


@router.get("/agencies/subscribers-history", operation_id="listAgencySubscriberDays", responses=COMMON)
def list_history(
    caller: AgencyInsightsReader, database: Database, query: Annotated[HistoryQuery, Query()]
) -> Page[CreatorDay]:
    """How the subscribers of each of the agency's creators became more and fewer, day by day."""
    with database.read() as conn:
        return actions.list_history(conn, caller.owner, query)

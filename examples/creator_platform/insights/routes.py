"""The operations on a creator's own insights."""

from typing import Annotated

from fastapi import APIRouter, Query

from examples.creator_platform.access import FanInsightsReader, InsightsReader
from examples.creator_platform.conditional import Conditional
from examples.creator_platform.cursors import Part
from examples.creator_platform.errors import COMMON, WITH_NOT_FOUND
from examples.creator_platform.insights import actions
from examples.creator_platform.insights.shapes import (
    Earning,
    EarningsQuery,
    FanInsights,
    SpendersQuery,
    SubscriberDay,
    SubscriberDaysQuery,
    Summary,
    SummaryQuery,
    TopSpender,
)
from examples.creator_platform.store import Database
from examples.creator_platform.wire import Page, PeerUuid

router = APIRouter(prefix="/insights", tags=["Insights"], route_class=Conditional)


@router.get("/earnings", operation_id="listEarnings", responses=COMMON)
def list_earnings(
    caller: InsightsReader, database: Database, query: Annotated[EarningsQuery, Query()]
) -> Part[Earning]:
    """The caller's transactions, the latest first."""
    with database.read() as conn:
        return actions.list_earnings(conn, caller.owner, query)


@router.get("/earnings/summary", operation_id="getEarningsSummary", responses=COMMON)
def get_summary(caller: InsightsReader, database: Database, query: Annotated[SummaryQuery, Query()]) -> Summary:
    """The caller's earnings in sums: by source, over time, by day of the week and hour of the day."""
    with database.read() as conn:
        return actions.summarise(conn, caller.owner, query)


@router.get("/top-spenders", operation_id="listTopSpenders", responses=COMMON)
def list_spenders(
    caller: FanInsightsReader, database: Database, query: Annotated[SpendersQuery, Query()]
) -> Page[TopSpender]:
    """Who has spent most with the caller, in a range of time or ever."""
    with database.read() as conn:
        return actions.list_spenders(conn, caller.owner, query)


@router.get("/subscribers", operation_id="listSubscriberDays", responses=COMMON)
def list_subscriber_days(
    caller: InsightsReader, database: Database, query: Annotated[SubscriberDaysQuery, Query()]
) -> Part[SubscriberDay]:
    """How the caller's subscribers became more and fewer, day by day."""
    with database.read() as conn:
        return actions.list_subscriber_days(conn, caller.owner, query)


@router.get("/fans/{userUuid}", operation_id="getFanInsights", responses=WITH_NOT_FOUND)
def describe_fan(caller: FanInsightsReader, database: Database, user_uuid: PeerUuid) -> FanInsights:
    """How one fan of the caller's stands, and what they have spent."""
    with database.read() as conn:
        return actions.describe_fan(conn, caller.owner, str(user_uuid))

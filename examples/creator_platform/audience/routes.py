"""The operations on a creator's own audience."""

from typing import Annotated

from fastapi import APIRouter, Query

from examples.creator_platform.access import FanReader
from examples.creator_platform.audience import rows
from examples.creator_platform.audience.shapes import SubscriberListQuery
from examples.creator_platform.conditional import Conditional
from examples.creator_platform.errors import COMMON
from examples.creator_platform.store import Database
from examples.creator_platform.users.shapes import User, person
from examples.creator_platform.wire import Page, Paging, page_of

router = APIRouter(tags=["Creators"], route_class=Conditional)


@router.get("/followers", operation_id="listFollowers", responses=COMMON)
def list_followers(caller: FanReader, database: Database, query: Annotated[Paging, Query()]) -> Page[User]:
    """Who follows the caller without subscribing, the latest first."""
    with database.read() as conn:
        found = rows.list_followers(conn, caller.owner, query)
    return page_of([person(row) for row in found], query)


@router.get("/subscribers", operation_id="listSubscribers", responses=COMMON)
def list_subscribers(
    caller: FanReader, database: Database, query: Annotated[SubscriberListQuery, Query()]
) -> Page[User]:
    """Who subscribes to the caller, the latest first unless asked otherwise."""
    with database.read() as conn:
        found = rows.list_subscribers(conn, caller.owner, query)
    return page_of([person(row) for row in found], query)

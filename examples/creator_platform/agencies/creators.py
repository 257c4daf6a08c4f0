"""The operations for one creator: what creators do for themselves, done by somebody of their agency.

Each is the creator's own operation under ``/creators/{creatorUserUuid}``. That the caller works for the creator is
looked up in the transaction in which it is done, and a creator of others is one that does not exist.
"""

from typing import Annotated

from fastapi import APIRouter, Query, status

from examples.creator_platform.agencies.access import (
    CreatorChatReader,
    CreatorChatWriter,
    CreatorFanReader,
    CreatorInsightsReader,
    CreatorSpendersReader,
    CreatorUuid,
    reached,
)
from examples.creator_platform.audience import rows as audience
from examples.creator_platform.audience.shapes import SubscriberListQuery
from examples.creator_platform.chats import actions as chats
from examples.creator_platform.chats.shapes import Chat, ChatChange, ChatListQuery, NewChat
from examples.creator_platform.conditional import Conditional
from examples.creator_platform.cursors import Part
from examples.creator_platform.errors import WITH_NOT_FOUND, Message
from examples.creator_platform.insights import actions as insights
from examples.creator_platform.insights.shapes import (
    Earning,
    EarningsQuery,
    SpendersQuery,
    SubscriberDay,
    SubscriberDaysQuery,
    Summary,
    SummaryQuery,
    TopSpender,
)
from examples.creator_platform.messages import actions as messages
from examples.creator_platform.messages.shapes import MessageItem, MessageListQuery, MessageSent, NewMessage
from examples.creator_platform.store import Database
from examples.creator_platform.users.shapes import User, person
from examples.creator_platform.wire import Page, Paging, PeerUuid, page_of

router = APIRouter(prefix="/creators/{creatorUserUuid}", tags=["Agencies"], route_class=Conditional)


@router.get("/followers", operation_id="listCreatorFollowers", responses=WITH_NOT_FOUND)
def list_followers(
    caller: CreatorFanReader, database: Database, creator: CreatorUuid, query: Annotated[Paging, Query()]
) -> Page[User]:
    """Who follows the creator without subscribing, the latest first."""
    with database.read() as conn:
        found = audience.list_followers(conn, reached(conn, caller.owner, creator), query)
    return page_of([person(row) for row in found], query)


@router.get("/subscribers", operation_id="listCreatorSubscribers", responses=WITH_NOT_FOUND)
def list_subscribers(
    caller: CreatorFanReader, database: Database, creator: CreatorUuid, query: Annotated[SubscriberListQuery, Query()]
) -> Page[User]:
    """Who subscribes to the creator, the latest first unless asked otherwise."""
    with database.read() as conn:
        found = audience.list_subscribers(conn, reached(conn, caller.owner, creator), query)
    return page_of([person(row) for row in found], query)


@router.get("/chats", operation_id="listCreatorChats", responses=WITH_NOT_FOUND)
def list_chats(
    caller: CreatorChatReader, database: Database, creator: CreatorUuid, query: Annotated[ChatListQuery, Query()]
) -> Page[Chat]:
    """The creator's chats, the most recently active first unless asked otherwise."""
    with database.read() as conn:
        return chats.list_chats(conn, reached(conn, caller.owner, creator), query)


@router.post("/chats", operation_id="createCreatorChat", status_code=status.HTTP_201_CREATED, responses=WITH_NOT_FOUND)
def create_chat(caller: CreatorChatWriter, database: Database, creator: CreatorUuid, body: NewChat) -> Message:
    """Start a chat of the creator's. Where the two have one already nothing changes."""
    with database.write() as conn:
        return chats.start_chat(conn, reached(conn, caller.owner, creator), str(body.user_uuid))


@router.patch(
    "/chats/{userUuid}",
    operation_id="updateCreatorChat",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=WITH_NOT_FOUND,
)
def update_chat(
    caller: CreatorChatWriter, database: Database, creator: CreatorUuid, user_uuid: PeerUuid, body: ChatChange
) -> None:
    """Mark one of the creator's chats as read or unread, mute it, give the other person a nickname."""
    with database.write() as conn:
        chats.change_chat(conn, reached(conn, caller.owner, creator), str(user_uuid), body)


@router.get("/chats/{userUuid}/messages", operation_id="listCreatorMessages", responses=WITH_NOT_FOUND)
def list_messages(
    caller: CreatorChatReader,
    database: Database,
    creator: CreatorUuid,
    user_uuid: PeerUuid,
    query: Annotated[MessageListQuery, Query()],
) -> Page[MessageItem]:
    """The messages of one of the creator's chats, the newest first."""
    with database.write() if query.mark_as_read else database.read() as conn:
        return messages.list_messages(conn, reached(conn, caller.owner, creator), str(user_uuid), query)


@router.post(
    "/chats/{userUuid}/message",
    operation_id="sendCreatorMessage",
    status_code=status.HTTP_201_CREATED,
    responses=WITH_NOT_FOUND,
)
def send_message(
    caller: CreatorChatWriter, database: Database, creator: CreatorUuid, user_uuid: PeerUuid, body: NewMessage
) -> MessageSent:
    """Send a message in the creator's name. The creator sees who wrote it."""
    with database.write() as conn:
        sender = reached(conn, caller.owner, creator)
        return messages.send_message(conn, sender, str(user_uuid), body, sent_by=caller.owner)


@router.get("/insights/earnings", operation_id="listCreatorEarnings", responses=WITH_NOT_FOUND)
def list_earnings(
    caller: CreatorInsightsReader, database: Database, creator: CreatorUuid, query: Annotated[EarningsQuery, Query()]
) -> Part[Earning]:
    """The creator's transactions, the latest first."""
    with database.read() as conn:
        return insights.list_earnings(conn, reached(conn, caller.owner, creator), query)


@router.get("/insights/earnings/summary", operation_id="getCreatorEarningsSummary", responses=WITH_NOT_FOUND)
def get_summary(
    caller: CreatorInsightsReader, database: Database, creator: CreatorUuid, query: Annotated[SummaryQuery, Query()]
) -> Summary:
    """The creator's earnings in sums."""
    with database.read() as conn:
        return insights.summarise(conn, reached(conn, caller.owner, creator), query)


@router.get("/insights/top-spenders", operation_id="listCreatorTopSpenders", responses=WITH_NOT_FOUND)
def list_spenders(
    caller: CreatorSpendersReader, database: Database, creator: CreatorUuid, query: Annotated[SpendersQuery, Query()]
) -> Page[TopSpender]:
    """Who has spent most with the creator, in a range of time or ever."""
    with database.read() as conn:
        return insights.list_spenders(conn, reached(conn, caller.owner, creator), query)


@router.get("/insights/subscribers", operation_id="listCreatorSubscriberDays", responses=WITH_NOT_FOUND)
def list_subscriber_days(
    caller: CreatorInsightsReader,
    database: Database,
    creator: CreatorUuid,
    query: Annotated[SubscriberDaysQuery, Query()],
) -> Part[SubscriberDay]:
    """How the creator's subscribers became more and fewer, day by day."""
    with database.read() as conn:
        return insights.list_subscriber_days(conn, reached(conn, caller.owner, creator), query)

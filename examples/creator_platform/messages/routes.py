"""The operations on the messages of the caller's own chats."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, status

from examples.creator_platform.access import ChatReader, ChatWriter
from examples.creator_platform.conditional import Conditional
from examples.creator_platform.errors import WITH_NOT_FOUND
from examples.creator_platform.messages import actions
from examples.creator_platform.messages.shapes import MessageItem, MessageListQuery, MessageSent, NewMessage
from examples.creator_platform.store import Database
from examples.creator_platform.wire import Page, PeerUuid

router = APIRouter(tags=["Chats"], route_class=Conditional)

MessageUuid = Annotated[UUID, Path(alias="messageUuid")]


@router.get("/chats/{userUuid}/messages", operation_id="listMessages", responses=WITH_NOT_FOUND)
def list_messages(
    caller: ChatReader, database: Database, user_uuid: PeerUuid, query: Annotated[MessageListQuery, Query()]
) -> Page[MessageItem]:
    """The messages of one of the caller's chats, the newest first."""
    with database.write() if query.mark_as_read else database.read() as conn:
        return actions.list_messages(conn, caller.owner, str(user_uuid), query)


@router.post(
    "/chats/{userUuid}/message",
    operation_id="sendMessage",
    status_code=status.HTTP_201_CREATED,
    responses=WITH_NOT_FOUND,
)
def send_message(caller: ChatWriter, database: Database, user_uuid: PeerUuid, body: NewMessage) -> MessageSent:
    """Send a message in one of the caller's chats."""
    with database.write() as conn:
        return actions.send_message(conn, caller.owner, str(user_uuid), body)


@router.delete(
    "/chats/{userUuid}/messages/{messageUuid}",
    operation_id="deleteMessage",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=WITH_NOT_FOUND,
)
def delete_message(caller: ChatWriter, database: Database, user_uuid: PeerUuid, message_uuid: MessageUuid) -> None:
    """Take back a message of the caller's own, unless it was purchased or sent to many at once."""
    with database.write() as conn:
        actions.delete_message(conn, caller.owner, str(user_uuid), str(message_uuid))

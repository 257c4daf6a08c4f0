"""The operations on messages."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Query, status
from sqlalchemy import Connection

from examples.creator_platform.access import ChatReader, ChatWriter
from examples.creator_platform.errors import WITH_NOT_FOUND, NotContactable, NotFound
from examples.creator_platform.messages import rows
from examples.creator_platform.messages.shapes import (
    MessageItem,
    MessageListQuery,
    MessageSent,
    MessageType,
    NewMessage,
    message,
)
from examples.creator_platform.store import Database
from examples.creator_platform.wire import Page, PeerUuid, page_of

router = APIRouter(tags=["Chats"])


@router.get("/chats/{userUuid}/messages", operation_id="listMessages", responses=WITH_NOT_FOUND)
def list_messages(
    caller: ChatReader, database: Database, user_uuid: PeerUuid, query: Annotated[MessageListQuery, Query()]
) -> Page[MessageItem]:
    """The messages of one of the caller's chats, the newest first."""
    with database.write() if query.mark_as_read else database.read() as conn:
        conversation = _conversation(conn, caller.owner, str(user_uuid))
        if query.mark_as_read:
            rows.mark_read(conn, conversation)
        found = rows.list_messages(conn, conversation.chat_id, query)
    return page_of([message(row, conversation) for row in found], query)


@router.post(
    "/chats/{userUuid}/message",
    operation_id="sendMessage",
    status_code=status.HTTP_201_CREATED,
    responses=WITH_NOT_FOUND,
)
def send_message(caller: ChatWriter, database: Database, user_uuid: PeerUuid, body: NewMessage) -> MessageSent:
    """Send a message in one of the caller's chats."""
    message_uuid = str(uuid4())
    with database.write() as conn:
        conversation = _conversation(conn, caller.owner, str(user_uuid))
        if not conversation.peer_is_contactable:
            raise NotContactable("User cannot be contacted")
        kind, now = MessageType.SINGLE_RECIPIENT, datetime.now(UTC)
        rows.add_message(conn, conversation, uuid=message_uuid, text=body.text, kind=kind, now=now)
    return MessageSent(message_uuid=message_uuid)


def _conversation(conn: Connection, owner: str, peer: str) -> rows.Conversation:
    """The caller's chat with *peer*. Raises NotFound, the same for a chat of others and for a person who is none."""
    conversation = rows.find_conversation(conn, owner, peer)
    if conversation is None:
        raise NotFound("Chat not found")
    return conversation

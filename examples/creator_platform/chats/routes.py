"""The operations on chats."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, status

from examples.creator_platform.access import ChatReader, ChatWriter
from examples.creator_platform.chats import rows
from examples.creator_platform.chats.shapes import Chat, ChatListQuery, NewChat, chat
from examples.creator_platform.errors import COMMON, Message, NotContactable
from examples.creator_platform.store import Database
from examples.creator_platform.users.rows import is_contactable
from examples.creator_platform.wire import Page, page_of

router = APIRouter(tags=["Chats"])


@router.get("/chats", operation_id="listChats", responses=COMMON)
def list_chats(caller: ChatReader, database: Database, query: Annotated[ChatListQuery, Query()]) -> Page[Chat]:
    """The caller's chats, the most recently active first."""
    with database.read() as conn:
        found = rows.list_chats(conn, caller.owner, query)
    return page_of([chat(row) for row in found], query)


@router.post("/chats", operation_id="createChat", status_code=status.HTTP_201_CREATED, responses=COMMON)
def create_chat(caller: ChatWriter, database: Database, body: NewChat) -> Message:
    """Start a chat. Where the two have one already nothing changes, so that a request may be repeated."""
    peer = str(body.user_uuid)
    with database.write() as conn:
        if rows.chat_exists(conn, caller.owner, peer):
            return Message(message="Chat already exists")
        if peer == caller.owner or not is_contactable(conn, peer) or is_contactable(conn, caller.owner) is None:
            raise NotContactable("User cannot be contacted")
        rows.add_chat(conn, caller.owner, peer, now=datetime.now(UTC))
    return Message(message="Chat created")

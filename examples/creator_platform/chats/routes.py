"""The operations on the caller's own chats."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, status

from examples.creator_platform.access import READS, ChatReader, ChatWriter
from examples.creator_platform.chats import actions
from examples.creator_platform.chats.shapes import Chat, ChatChange, ChatListQuery, NewChat, Status, Unread, UserList
from examples.creator_platform.conditional import Conditional
from examples.creator_platform.errors import COMMON, WITH_NOT_FOUND, Message
from examples.creator_platform.store import Database
from examples.creator_platform.wire import Page, PeerUuid

router = APIRouter(tags=["Chats"], route_class=Conditional)


@router.get("/chats", operation_id="listChats", responses=COMMON)
def list_chats(caller: ChatReader, database: Database, query: Annotated[ChatListQuery, Query()]) -> Page[Chat]:
    """The caller's chats, the most recently active first unless asked otherwise."""
    with database.read() as conn:
        return actions.list_chats(conn, caller.owner, query)


@router.post("/chats", operation_id="createChat", status_code=status.HTTP_201_CREATED, responses=COMMON)
def create_chat(caller: ChatWriter, database: Database, body: NewChat) -> Message:
    """Start a chat. Where the two have one already nothing changes, so that a request may be repeated."""
    with database.write() as conn:
        return actions.start_chat(conn, caller.owner, str(body.user_uuid))


@router.get("/chats/unread", operation_id="getUnread", responses=COMMON)
def get_unread(caller: ChatReader, database: Database) -> Unread:
    """How much the caller has not read yet."""
    with database.read() as conn:
        return actions.count_unread(conn, caller.owner)


@router.post("/chats/statuses", operation_id="listStatuses", responses=COMMON, openapi_extra=READS)
def list_statuses(_caller: ChatReader, database: Database, body: UserList) -> dict[UUID, Status]:
    """Whether up to 100 users are there, by their uuids."""
    with database.read() as conn:
        return actions.list_statuses(conn, body.user_uuids)


@router.patch(
    "/chats/{userUuid}",
    operation_id="updateChat",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=WITH_NOT_FOUND,
)
def update_chat(caller: ChatWriter, database: Database, user_uuid: PeerUuid, body: ChatChange) -> None:
    """Mark one of the caller's chats as read or unread, mute it, give the other person a nickname."""
    with database.write() as conn:
        actions.change_chat(conn, caller.owner, str(user_uuid), body)

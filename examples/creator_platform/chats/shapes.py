"""Chats on the wire."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field
from sqlalchemy import RowMapping

from examples.creator_platform.messages.shapes import MessageType
from examples.creator_platform.users.shapes import User
from examples.creator_platform.wire import Body, Moment, Paging, Shape


class ChatFilter(StrEnum):
    """Which chats a list is narrowed to."""

    UNREAD = "unread"


class ChatOrder(StrEnum):
    """In which order chats are listed."""

    MOST_RECENT_MESSAGES = "most_recent_messages"


class ChatListQuery(Paging):
    """Which of the caller's chats are asked for, and in which order."""

    filter: list[ChatFilter] = Field(default=[], description="Repeat it to narrow further")
    search: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        pattern=r"^[^\u0000]*$",  # SQLite ends a pattern at a NUL
        description="Part of the other person's handle, display name or nickname",
    )
    sort_by: ChatOrder = ChatOrder.MOST_RECENT_MESSAGES


class NewChat(Body):
    """Whom the caller wants to chat with."""

    user_uuid: UUID


class LastMessage(Shape):
    """The newest message of a chat. Messages carry no media yet, and nobody writes on another's behalf."""

    uuid: str
    text: str | None
    type: MessageType
    sent_at: Moment
    has_media: bool | None = False
    media_type: str | None = None
    sender_uuid: str
    sent_by_user_id: str | None = None


class Chat(Shape):
    """One chat, as the caller sees it. A chat in which nothing was said yet has no last message."""

    created_at: Moment
    last_message_at: Moment | None
    is_read: bool
    is_muted: bool
    unread_messages_count: int
    user: User
    last_message: LastMessage | None


def chat(row: RowMapping) -> Chat:
    """The chat in *row*, which ``rows.list_chats`` read."""
    return Chat(
        created_at=row["created_at"],
        last_message_at=row["last_message_at"],
        is_read=row["unread_count"] == 0,
        is_muted=row["is_muted"],
        unread_messages_count=row["unread_count"],
        user=User(
            uuid=row["peer_uuid"],
            handle=row["handle"],
            display_name=row["display_name"],
            nickname=row["nickname"],
            is_top_spender=row["is_top_spender"],
            avatar_url=row["avatar_url"],
            registered_at=row["registered_at"],
        ),
        last_message=None if row["message_uuid"] is None else _last_message(row),
    )


def _last_message(row: RowMapping) -> LastMessage:
    return LastMessage(
        uuid=row["message_uuid"],
        text=row["text"],
        type=row["type"],
        sent_at=row["last_message_at"],
        sender_uuid=row["sender_uuid"],
    )

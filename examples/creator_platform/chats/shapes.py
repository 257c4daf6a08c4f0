"""Chats on the wire."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field, StrictBool
from sqlalchemy import RowMapping

from examples.creator_platform.messages.shapes import MessageType, visible_text
from examples.creator_platform.users.shapes import User, person
from examples.creator_platform.wire import Body, Moment, Paging, Shape, Text

NICKNAME_CHARS = 30
MAX_STATUSES = 100


class ChatFilter(StrEnum):
    """Which chats a list is narrowed to."""

    UNREAD = "unread"
    ONLINE = "online"
    SUBSCRIBED_TO = "subscribed_to"
    NOT_MUTED = "not_muted"
    SUBSCRIBERS = "subscribers"
    FOLLOWERS = "followers"
    RECENT_SUBSCRIBERS = "recent_subscribers"
    NOT_ANSWERED = "not_answered"
    SPENT_MORE_THAN_50 = "spent_more_than_50"
    ON_FREE_TRIAL = "on_free_trial"
    HAS_TIPPED = "has_tipped"
    SPENDERS = "spenders"
    EXCLUDE_CREATORS = "exclude_creators"


FOR_EVERYBODY = {ChatFilter.UNREAD, ChatFilter.ONLINE, ChatFilter.SUBSCRIBED_TO, ChatFilter.NOT_MUTED}
"""The filters that users have who are no creators."""


class SmartList(StrEnum):
    """A creator's fans of one kind."""

    SUBSCRIBERS = "subscribers"
    AUTO_RENEWING = "auto_renewing"
    NON_RENEWING = "non_renewing"
    FOLLOWERS = "followers"
    FREE_TRIAL_SUBSCRIBERS = "free_trial_subscribers"
    EXPIRED_SUBSCRIBERS = "expired_subscribers"
    SPENT_MORE_THAN_50 = "spent_more_than_50"


class ChatOrder(StrEnum):
    """In which order chats are listed. Within each, the most recently active come first."""

    MOST_RECENT_MESSAGES = "most_recent_messages"
    ONLINE_NOW = "online_now"
    MOST_UNANSWERED_CHATS = "most_unanswered_chats"


class ChatListQuery(Paging):
    """Which of the caller's chats are asked for, and in which order."""

    filter: list[ChatFilter] = Field(default=[], max_length=len(ChatFilter), description="Repeat it to narrow further")
    smart_list_ids: list[SmartList] = Field(
        default=[], max_length=len(SmartList), description="Only with fans who are in one of these lists"
    )
    search: Annotated[Text, Field(min_length=1, max_length=100)] | None = Field(
        default=None, description="Part of the other person's handle, display name or nickname"
    )
    sort_by: ChatOrder = ChatOrder.MOST_RECENT_MESSAGES

    @property
    def is_for_creators(self) -> bool:
        """Whether only a creator may ask this."""
        return bool(self.smart_list_ids) or not FOR_EVERYBODY.issuperset(self.filter)


class NewChat(Body):
    """Whom the caller wants to chat with."""

    user_uuid: UUID


class ChatChange(Body):
    """What is to change in one of the caller's chats. What is not named stays."""

    is_read: StrictBool | None = Field(default=None, description="Whether everything in it counts as read")
    is_muted: StrictBool | None = None
    nickname: Annotated[Text, Field(max_length=NICKNAME_CHARS)] | None = Field(
        default=None, description="What the caller calls the other person; empty or null: nothing any more"
    )


class UserList(Body):
    """Whose status is asked for."""

    user_uuids: list[UUID] = Field(max_length=MAX_STATUSES)


class Status(Shape):
    """Whether somebody is there. Of those who hide it, and of nobody's uuid, nothing is told."""

    is_online: bool
    last_seen_at: Moment | None


class UnreadNotifications(Shape):
    """How many notifications of each kind the caller has not seen."""

    new_follower: int = 0
    new_post_comment: int = 0
    new_post_like: int = 0
    new_purchase: int = 0
    new_subscriber: int = 0
    new_tip: int = 0
    new_promotion: int = 0


class Unread(Shape):
    """What the caller has not read yet."""

    unread_chats_count: int
    unread_messages_count: int
    unread_notifications: UnreadNotifications


class LastMessage(Shape):
    """The newest message of a chat. Messages carry no media yet."""

    uuid: str
    text: str | None
    type: MessageType
    sent_at: Moment
    has_media: bool | None = False
    media_type: str | None = None
    sender_uuid: str
    sent_by_user_id: str | None


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
    """The chat in *row*, which ``rows.CHATS`` read."""
    last = None if row["message_uuid"] is None else _last_message(row)
    return Chat(
        created_at=row["chat_created_at"],
        last_message_at=None if last is None else last.sent_at,
        is_read=row["unread_count"] == 0,
        is_muted=row["is_muted"],
        unread_messages_count=row["unread_count"],
        user=person(row),
        last_message=last,
    )


def _last_message(row: RowMapping) -> LastMessage:
    return LastMessage(
        uuid=row["message_uuid"],
        text=visible_text(row, row["user_uuid"]),
        type=row["type"],
        sent_at=row["last_message_at"],
        sender_uuid=row["sender_uuid"],
        sent_by_user_id=row["sent_by_uuid"],
    )

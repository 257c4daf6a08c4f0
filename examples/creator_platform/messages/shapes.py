"""Messages on the wire."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field
from sqlalchemy import RowMapping

from examples.creator_platform.messages.rows import Conversation
from examples.creator_platform.wire import Body, Moment, Paging, Shape, Text


class MessageType(StrEnum):
    """What caused a message."""

    AUTOMATED_CANCELED = "AUTOMATED_CANCELED"
    AUTOMATED_NEW_FOLLOWER = "AUTOMATED_NEW_FOLLOWER"
    AUTOMATED_NEW_PURCHASE = "AUTOMATED_NEW_PURCHASE"
    AUTOMATED_NEW_SUBSCRIBER = "AUTOMATED_NEW_SUBSCRIBER"
    AUTOMATED_RE_SUBSCRIBED = "AUTOMATED_RE_SUBSCRIBED"
    AUTOMATED_RENEWED = "AUTOMATED_RENEWED"
    AUTOMATED_FIRST_MESSAGE_REPLY = "AUTOMATED_FIRST_MESSAGE_REPLY"
    AUTOMATED_CHAT_MESSAGE_REPLY = "AUTOMATED_CHAT_MESSAGE_REPLY"
    BROADCAST = "BROADCAST"
    CHAT_TEXT_GENERATION = "CHAT_TEXT_GENERATION"
    CHAT_TEXT_REWRITE = "CHAT_TEXT_REWRITE"
    CHAT_TEXT_REPLY = "CHAT_TEXT_REPLY"
    GHOST_PROMOTION = "GHOST_PROMOTION"
    MARKETING_KYC = "MARKETING_KYC"
    TIP = "TIP"
    LOCKED_MESSAGE_UNLOCKED = "LOCKED_MESSAGE_UNLOCKED"
    VOICE_CALL = "VOICE_CALL"
    SINGLE_RECIPIENT = "SINGLE_RECIPIENT"


class MessageListQuery(Paging):
    """Which messages are asked for, and whether what the other person wrote counts as read from now on."""

    mark_as_read: bool = Field(default=False, description="Mark all messages of the chat as read, not only this page")


class NewMessage(Body):
    """What the caller wants to say."""

    text: Annotated[Text, Field(min_length=1, max_length=5000)]


class MessageSent(Shape):
    """The message that was sent."""

    message_uuid: str


class Person(Shape):
    """One end of a message."""

    uuid: str
    handle: str


class Price(Shape):
    """An amount in minor units."""

    price: int


class Pricing(Shape):
    """What a locked message costs."""

    usd: Price = Field(alias="USD")


class MessageItem(Shape):
    """One message. Messages carry no media yet. What costs something is read only once it is paid for."""

    uuid: str
    text: str | None
    sent_at: Moment | None
    sender: Person
    recipient: Person
    has_media: bool | None = False
    media_type: str | None = None
    media_uuids: list[str] = Field(default=[])
    type: MessageType
    pricing: Pricing | None
    purchased_at: Moment | None
    is_read: bool
    sent_by_user_id: str | None


def visible_text(row: RowMapping, reader: str) -> str | None:
    """What the message in *row* says to *reader*: nothing to one who would have to pay for it and has not."""
    is_locked = row["price"] is not None and row["purchased_at"] is None and row["sender_uuid"] != reader
    text: str | None = None if is_locked else row["text"]
    return text


def message(row: RowMapping, conversation: Conversation) -> MessageItem:
    """The message in *row*, which ``rows.list_messages`` read of *conversation*."""
    owner = Person(uuid=conversation.owner, handle=conversation.owner_handle)
    peer = Person(uuid=conversation.peer, handle=conversation.peer_handle)
    sender, recipient = (owner, peer) if row["sender_uuid"] == owner.uuid else (peer, owner)
    return MessageItem(
        uuid=row["uuid"],
        text=visible_text(row, owner.uuid),
        sent_at=row["sent_at"],
        sender=sender,
        recipient=recipient,
        type=row["type"],
        pricing=None if row["price"] is None else Pricing(USD=Price(price=row["price"])),
        purchased_at=row["purchased_at"],
        is_read=row["is_read"],
        sent_by_user_id=row["sent_by_uuid"],
    )

"""What is done with messages, in the transaction and for the person that the caller of these functions names."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from examples.creator_platform.errors import NotContactable, NotFound, Refusal
from examples.creator_platform.messages import rows
from examples.creator_platform.messages.shapes import (
    MessageItem,
    MessageListQuery,
    MessageSent,
    MessageType,
    NewMessage,
    message,
)
from examples.creator_platform.wire import Page, page_of


def conversation(conn: Connection, owner: str, peer: str, *, locked: bool = False) -> rows.Conversation:
    """*owner*'s chat with *peer*; *locked*: until the transaction ends nobody else changes what is said in it.

    Raises NotFound, the same for a chat of others and for a person who is none.
    """
    if locked:
        rows.lock_chat(conn, owner, peer)
    found = rows.find_conversation(conn, owner, peer)
    if found is None:
        raise NotFound("Chat not found")
    return found


def list_messages(conn: Connection, owner: str, peer: str, query: MessageListQuery) -> Page[MessageItem]:
    """A page of the chat's messages. What is marked as read needs a transaction that may write. Raises NotFound."""
    found = conversation(conn, owner, peer, locked=query.mark_as_read)
    if query.mark_as_read:
        rows.mark_read(conn, found)
    listed = rows.list_messages(conn, found.chat_id, query)
    return page_of([message(row, found) for row in listed], query)


def send_message(
    conn: Connection, owner: str, peer: str, body: NewMessage, *, sent_by: str | None = None
) -> MessageSent:
    """A message from *owner*, whom *sent_by* may have written for. Raises NotFound and NotContactable."""
    found = conversation(conn, owner, peer, locked=True)
    if not found.peer_is_contactable:
        raise NotContactable("User cannot be contacted")
    uuid = str(uuid4())
    new: dict[str, Any] = {
        "uuid": uuid,
        "text": body.text,
        "type": MessageType.SINGLE_RECIPIENT,
        "sent_by_uuid": sent_by,
    }
    rows.add_message(conn, found, new, now=datetime.now(UTC))
    return MessageSent(message_uuid=uuid)


def delete_message(conn: Connection, owner: str, peer: str, uuid: str) -> None:
    """The message is gone for both. Raises NotFound, and Refusal for one that must stay."""
    found = conversation(conn, owner, peer, locked=True)
    row = rows.find_message(conn, found.chat_id, uuid)
    if row is None:
        raise NotFound("Message not found")
    if row["sender_uuid"] != owner:
        raise Refusal("Only your own messages can be deleted")
    if row["purchased_at"] is not None:
        raise Refusal("A message that was purchased cannot be deleted")
    if row["type"] == MessageType.BROADCAST:
        raise Refusal("A mass message cannot be deleted")
    rows.remove_message(conn, found, row)

"""The SQL of messages. Nothing reads or writes a message without the conversation, which its two people find."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, insert, select, update

from examples.creator_platform.tables import chat_sides, messages, unread_messages, users
from examples.creator_platform.wire import Paging


@dataclass(frozen=True, slots=True)
class Conversation:
    """One chat seen from *owner*'s side."""

    chat_id: int
    last_message_at: datetime | None
    owner: str
    owner_handle: str
    peer: str
    peer_handle: str
    peer_is_contactable: bool


def find_conversation(conn: Connection, owner: str, peer: str) -> Conversation | None:
    """The chat that the two have; None where they have none, or where either does not exist."""
    me, them = users.alias("me"), users.alias("them")
    statement = (
        select(
            *chat_sides.c["chat_id", "last_message_at"],
            me.c.uuid.label("owner"),
            me.c.handle.label("owner_handle"),
            them.c.uuid.label("peer"),
            them.c.handle.label("peer_handle"),
            them.c.is_contactable.label("peer_is_contactable"),
        )
        .join_from(chat_sides, me, me.c.uuid == chat_sides.c.user_uuid)
        .join(them, them.c.uuid == chat_sides.c.peer_uuid)
        .where(chat_sides.c.user_uuid == owner, chat_sides.c.peer_uuid == peer)
    )
    row = conn.execute(statement).mappings().one_or_none()
    return None if row is None else Conversation(**row)


def list_messages(conn: Connection, chat_id: int, paging: Paging) -> Sequence[RowMapping]:
    """The chat's messages, the newest first; at most ``paging.limit``."""
    statement = (
        select(*messages.c["uuid", "text", "sent_at", "sender_uuid", "type", "is_read"])
        .where(messages.c.chat_id == chat_id)
        .order_by(messages.c.sent_at.desc(), messages.c.id.desc())
        .limit(paging.limit)
        .offset(paging.offset)
    )
    return conn.execute(statement).mappings().all()


def mark_read(conn: Connection, conversation: Conversation) -> None:
    """Everything that the peer wrote is read, and the owner's side counts nothing as unread."""
    theirs = (messages.c.chat_id == conversation.chat_id, messages.c.sender_uuid == conversation.peer)
    conn.execute(update(messages).where(*theirs, unread_messages).values(is_read=True))
    mine = (chat_sides.c.user_uuid == conversation.owner, chat_sides.c.peer_uuid == conversation.peer)
    conn.execute(update(chat_sides).where(*mine).values(unread_count=0))


def add_message(
    conn: Connection, conversation: Conversation, *, uuid: str, text: str, kind: str, now: datetime
) -> None:
    """A message from the owner is the chat's newest on both sides, and one more that the peer has not read."""
    # A clock that was set back must not sort a new message below the ones that it answers.
    sent_at = now if conversation.last_message_at is None else max(now, conversation.last_message_at)
    chat_id, owner, peer = conversation.chat_id, conversation.owner, conversation.peer
    row = {"uuid": uuid, "chat_id": chat_id, "sender_uuid": owner, "text": text, "type": kind}
    added = insert(messages).values(row | {"sent_at": sent_at, "is_read": False}).returning(messages.c.id)
    newest = {"last_message_id": conn.execute(added).scalar_one(), "last_message_at": sent_at}
    conn.execute(update(chat_sides).where(chat_sides.c.chat_id == chat_id).values(newest))
    theirs = (chat_sides.c.user_uuid == peer, chat_sides.c.peer_uuid == owner)
    conn.execute(update(chat_sides).where(*theirs).values(unread_count=chat_sides.c.unread_count + 1))

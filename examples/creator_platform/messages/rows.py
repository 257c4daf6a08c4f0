"""The SQL of messages. Nothing reads or writes a message without the conversation, which its two people find."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, case, delete, insert, select, update

from examples.creator_platform.tables import NEVER, chat_sides, chats, messages, unread_messages, users
from examples.creator_platform.wire import Paging


@dataclass(frozen=True, slots=True)
class Conversation:
    """One chat seen from *owner*'s side."""

    chat_id: int
    last_message_id: int | None
    last_message_at: datetime
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
            *chat_sides.c["chat_id", "last_message_id", "last_message_at"],
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


def lock_chat(conn: Connection, owner: str, peer: str) -> None:
    """Let nobody else change what is said in the chat of the two before this transaction has ended."""
    mine = (chat_sides.c.user_uuid == owner, chat_sides.c.peer_uuid == peer)
    statement = select(chats.c.id).join_from(chats, chat_sides).where(*mine)
    conn.execute(statement.with_for_update(of=chats, key_share=True))


def list_messages(conn: Connection, chat_id: int, paging: Paging) -> Sequence[RowMapping]:
    """The chat's messages, the newest first; at most ``paging.limit``."""
    statement = (
        select(messages)
        .where(messages.c.chat_id == chat_id)
        .order_by(messages.c.sent_at.desc(), messages.c.id.desc())
        .limit(paging.limit)
        .offset(paging.offset)
    )
    return conn.execute(statement).mappings().all()


def find_message(conn: Connection, chat_id: int, uuid: str) -> RowMapping | None:
    """The message with this uuid, if it is in the chat."""
    statement = select(messages).where(messages.c.uuid == uuid, messages.c.chat_id == chat_id)
    return conn.execute(statement).mappings().one_or_none()


def mark_read(conn: Connection, conversation: Conversation) -> None:
    """Everything that the peer wrote is read, and the owner's side counts nothing as unread."""
    theirs = (messages.c.chat_id == conversation.chat_id, messages.c.sender_uuid == conversation.peer)
    conn.execute(update(messages).where(*theirs, unread_messages).values(is_read=True))
    _set_unread(conn, conversation, 0)


def mark_unread(conn: Connection, conversation: Conversation) -> None:
    """The newest message that the peer wrote is unread, if nothing is and there is one."""
    theirs = (messages.c.chat_id == conversation.chat_id, messages.c.sender_uuid == conversation.peer)
    newest = select(messages.c.id).where(*theirs).order_by(messages.c.sent_at.desc(), messages.c.id.desc()).limit(1)
    changed = update(messages).where(messages.c.id == newest.scalar_subquery(), messages.c.is_read.is_(True))
    if conn.execute(changed.values(is_read=False)).rowcount:
        _set_unread(conn, conversation, 1)


def _set_unread(conn: Connection, conversation: Conversation, count: int) -> None:
    mine = (chat_sides.c.user_uuid == conversation.owner, chat_sides.c.peer_uuid == conversation.peer)
    conn.execute(update(chat_sides).where(*mine).values(unread_count=count))


def add_message(conn: Connection, conversation: Conversation, new: dict[str, Any], *, now: datetime) -> None:
    """A message from the owner is the chat's newest on both sides, and one more that the peer has not read.

    *new*: its uuid, text and type, and who wrote it in the owner's place, if somebody did.
    """
    # A clock that was set back must not sort a new message below the ones that it answers.
    sent_at = max(now, conversation.last_message_at)
    row = new | {"chat_id": conversation.chat_id, "sender_uuid": conversation.owner, "sent_at": sent_at}
    message_id = conn.execute(insert(messages).values(row | {"is_read": False}).returning(messages.c.id)).scalar_one()
    _count_unread(conn, conversation, +1)
    _set_newest(conn, conversation, message_id, sent_at=sent_at, sender=conversation.owner)


def remove_message(conn: Connection, conversation: Conversation, message: RowMapping) -> None:
    """The owner's *message* is gone, from the chat and from what both sides count and show."""
    if not message["is_read"]:
        _count_unread(conn, conversation, -1)
    if message["id"] == conversation.last_message_id:
        others = (messages.c.chat_id == conversation.chat_id, messages.c.id != message["id"])
        newest = select(*messages.c["id", "sent_at", "sender_uuid"]).where(*others)
        newest = newest.order_by(messages.c.sent_at.desc(), messages.c.id.desc()).limit(1)
        last = conn.execute(newest).one_or_none()
        last_id, sent_at, sender = last or (None, NEVER, None)
        _set_newest(conn, conversation, last_id, sent_at=sent_at, sender=sender)
    conn.execute(delete(messages).where(messages.c.id == message["id"]))


def _count_unread(conn: Connection, conversation: Conversation, more: int) -> None:
    """The peer has so many *more* messages that they have not read."""
    theirs = (chat_sides.c.user_uuid == conversation.peer, chat_sides.c.peer_uuid == conversation.owner)
    conn.execute(update(chat_sides).where(*theirs).values(unread_count=chat_sides.c.unread_count + more))


def _set_newest(
    conn: Connection, conversation: Conversation, message_id: int | None, *, sent_at: datetime, sender: str | None
) -> None:
    newest = {"last_message_id": message_id, "last_message_at": sent_at}
    theirs = case((chat_sides.c.peer_uuid == sender, True), else_=False)
    both = update(chat_sides).where(chat_sides.c.chat_id == conversation.chat_id)
    conn.execute(both.values(newest | {"awaits_answer": theirs}))

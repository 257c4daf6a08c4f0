"""What is done with chats, in the transaction and for the person that the caller of these functions names."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from examples.creator_platform.chats import rows
from examples.creator_platform.chats.shapes import (
    Chat,
    ChatChange,
    ChatListQuery,
    Status,
    Unread,
    UnreadNotifications,
    chat,
)
from examples.creator_platform.errors import Forbidden, Message, NotContactable
from examples.creator_platform.messages.actions import conversation
from examples.creator_platform.messages.rows import mark_read, mark_unread
from examples.creator_platform.users.rows import is_contactable, is_creator
from examples.creator_platform.wire import Page, page_of


def list_chats(conn: Connection, owner: str, query: ChatListQuery) -> Page[Chat]:
    """A page of *owner*'s chats. Raises Forbidden where a filter is for creators and *owner* is none."""
    if query.is_for_creators and not is_creator(conn, owner):
        raise Forbidden
    found = rows.list_chats(conn, owner, query, now=datetime.now(UTC))
    return page_of([chat(row) for row in found], query)


def start_chat(conn: Connection, owner: str, peer: str) -> Message:
    """A chat between the two. Where they have one already nothing changes, so that a request may be repeated.

    Raises NotContactable.
    """
    rows.lock_people(conn, owner, peer)
    if rows.chat_exists(conn, owner, peer):
        return Message(message="Chat already exists")
    if peer == owner or not is_contactable(conn, peer) or is_contactable(conn, owner) is None:
        raise NotContactable("User cannot be contacted")
    rows.add_chat(conn, owner, peer, now=datetime.now(UTC))
    return Message(message="Chat created")


def change_chat(conn: Connection, owner: str, peer: str, change: ChatChange) -> None:
    """*owner*'s side of the chat as *change* says, for the fields that it names. Raises NotFound."""
    found = conversation(conn, owner, peer, locked=True)
    given = change.model_fields_set
    changes: dict[str, Any] = {}
    if change.is_muted is not None:
        changes["is_muted"] = change.is_muted
    if "nickname" in given:
        changes["nickname"] = change.nickname or None
    if changes:
        rows.change_side(conn, owner, peer, changes)
    if change.is_read is True:
        mark_read(conn, found)
    elif change.is_read is False:
        mark_unread(conn, found)


def count_unread(conn: Connection, owner: str) -> Unread:
    """What *owner* has not read yet."""
    counted = rows.count_unread(conn, owner)
    return Unread(
        unread_chats_count=counted["chats"],
        unread_messages_count=counted["messages"],
        unread_notifications=UnreadNotifications.model_validate(rows.count_notifications(conn, owner)),
    )


def list_statuses(conn: Connection, uuids: Sequence[UUID]) -> dict[UUID, Status]:
    """Whether each of these users is there. Who hides it and who does not exist look the same."""
    found = rows.list_statuses(conn, [str(uuid) for uuid in uuids])
    return {uuid: _status(found.get(str(uuid), {"is_online": False, "last_seen_at": None})) for uuid in uuids}


def _status(row: Any) -> Status:
    return Status(is_online=row["is_online"], last_seen_at=row["last_seen_at"])

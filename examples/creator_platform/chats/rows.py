"""The SQL of chats. Every statement starts from one person's own sides."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, RowMapping, insert, or_, select

from examples.creator_platform.chats.shapes import ChatFilter, ChatListQuery
from examples.creator_platform.tables import chat_sides, chats, has_unread, messages, users

_CHATS = select(
    *chat_sides.c["peer_uuid", "last_message_at", "unread_count", "is_muted", "is_top_spender", "nickname"],
    chats.c.created_at,
    *users.c["handle", "display_name", "avatar_url"],
    users.c.created_at.label("registered_at"),
    messages.c.uuid.label("message_uuid"),
    *messages.c["text", "type", "sender_uuid"],
).select_from(
    chat_sides.join(chats)
    .join(users, users.c.uuid == chat_sides.c.peer_uuid)
    .outerjoin(messages, messages.c.id == chat_sides.c.last_message_id)
)


def list_chats(conn: Connection, owner: str, query: ChatListQuery) -> Sequence[RowMapping]:
    """*owner*'s chats, the most recently active first and those without a message last; at most ``query.limit``."""
    statement = _CHATS.where(chat_sides.c.user_uuid == owner)
    if ChatFilter.UNREAD in query.filter:
        statement = statement.where(has_unread)
    if query.search is not None:
        names = (users.c.handle, users.c.display_name, chat_sides.c.nickname)
        statement = statement.where(or_(*(name.icontains(query.search, autoescape=True) for name in names)))
    # The peer's uuid makes the order total: without it, equal moments could repeat or skip a chat between two pages.
    statement = statement.order_by(chat_sides.c.last_message_at.desc(), chat_sides.c.peer_uuid.desc())
    return conn.execute(statement.limit(query.limit).offset(query.offset)).mappings().all()


def chat_exists(conn: Connection, owner: str, peer: str) -> bool:
    """Whether the two have a chat."""
    sides = select(chat_sides.c.chat_id).where(chat_sides.c.user_uuid == owner, chat_sides.c.peer_uuid == peer)
    return conn.execute(sides).first() is not None


def add_chat(conn: Connection, owner: str, peer: str, *, now: datetime) -> None:
    """An empty chat between the two, with a side for each. Raises IntegrityError where they have one already."""
    chat_id = conn.execute(insert(chats).values(created_at=now).returning(chats.c.id)).scalar_one()
    pairs = ((owner, peer), (peer, owner))
    conn.execute(
        insert(chat_sides), [{"user_uuid": one, "peer_uuid": other, "chat_id": chat_id} for one, other in pairs]
    )

"""The SQL of chats. Every statement starts from one person's own sides."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, insert, literal, or_, select, update

from examples.creator_platform.chats.shapes import ChatFilter, ChatListQuery, ChatOrder, SmartList
from examples.creator_platform.tables import (
    agency_creators,
    chat_sides,
    chats,
    creators,
    fans,
    has_unread,
    messages,
    unread_notifications,
    users,
)
from examples.creator_platform.users.rows import PERSON

RECENT = timedelta(days=30)
"""Whoever subscribed no longer ago is a recent subscriber."""
_50_DOLLARS = 5_000

_SPENT = func.coalesce(fans.c.spent_gross, 0)  # in these words, SQLite walks the chats in their order, not the spenders
_AS_FAN = and_(fans.c.creator_uuid == chat_sides.c.user_uuid, fans.c.fan_uuid == chat_sides.c.peer_uuid)

CHATS = select(
    *chat_sides.c["user_uuid", "last_message_at", "unread_count", "is_muted"],
    chats.c.created_at.label("chat_created_at"),
    *PERSON,
    messages.c.uuid.label("message_uuid"),
    *messages.c["text", "type", "sender_uuid", "sent_by_uuid", "price", "purchased_at"],
).select_from(
    chat_sides.join(chats)
    .join(users, users.c.uuid == chat_sides.c.peer_uuid)
    .outerjoin(fans, _AS_FAN)
    .outerjoin(messages, messages.c.id == chat_sides.c.last_message_id)
)
"""Chats as one of their two people sees them: ``shapes.chat`` reads a row."""

BY_ACTIVITY = [chat_sides.c.last_message_at.desc(), chat_sides.c.peer_uuid.desc()]
"""The peer's uuid makes the order total: without it, equal moments could repeat or skip a chat between two pages."""

_ORDERS = {
    ChatOrder.MOST_RECENT_MESSAGES: BY_ACTIVITY,
    ChatOrder.ONLINE_NOW: [chat_sides.c.peer_is_online.desc(), *BY_ACTIVITY],
    ChatOrder.MOST_UNANSWERED_CHATS: [chat_sides.c.awaits_answer.desc(), *BY_ACTIVITY],
}

_FILTERS: dict[ChatFilter, ColumnElement[bool]] = {
    ChatFilter.UNREAD: has_unread,
    ChatFilter.ONLINE: chat_sides.c.peer_is_online,
    ChatFilter.NOT_MUTED: ~chat_sides.c.is_muted,
    ChatFilter.SUBSCRIBERS: fans.c.is_subscribed,
    ChatFilter.FOLLOWERS: and_(fans.c.followed_at.is_not(None), ~fans.c.is_subscribed),
    ChatFilter.NOT_ANSWERED: chat_sides.c.awaits_answer,
    ChatFilter.SPENT_MORE_THAN_50: _SPENT > _50_DOLLARS,
    ChatFilter.ON_FREE_TRIAL: and_(fans.c.is_subscribed, fans.c.is_trial),
    ChatFilter.HAS_TIPPED: fans.c.tipped_gross > 0,
    ChatFilter.SPENDERS: _SPENT > 0,
    ChatFilter.EXCLUDE_CREATORS: ~select(literal(1)).where(creators.c.user_uuid == chat_sides.c.peer_uuid).exists(),
}

_LISTS: dict[SmartList, ColumnElement[bool]] = {
    SmartList.SUBSCRIBERS: fans.c.is_subscribed,
    SmartList.AUTO_RENEWING: and_(fans.c.is_subscribed, fans.c.auto_renews),
    SmartList.NON_RENEWING: and_(fans.c.is_subscribed, ~fans.c.auto_renews),
    SmartList.FOLLOWERS: _FILTERS[ChatFilter.FOLLOWERS],
    SmartList.FREE_TRIAL_SUBSCRIBERS: _FILTERS[ChatFilter.ON_FREE_TRIAL],
    SmartList.EXPIRED_SUBSCRIBERS: and_(fans.c.subscribed_at.is_not(None), ~fans.c.is_subscribed),
    SmartList.SPENT_MORE_THAN_50: _FILTERS[ChatFilter.SPENT_MORE_THAN_50],
}


def list_chats(conn: Connection, owner: str, query: ChatListQuery, *, now: datetime) -> Sequence[RowMapping]:
    """*owner*'s chats that the query asks for, in its order; at most ``query.limit``."""
    statement = CHATS.where(chat_sides.c.user_uuid == owner, *(_narrowed(wanted, now) for wanted in query.filter))
    if query.smart_list_ids:
        statement = statement.where(or_(*(_LISTS[wanted] for wanted in query.smart_list_ids)))
    if query.search is not None:
        names = (users.c.handle, users.c.display_name, chat_sides.c.nickname)
        statement = statement.where(or_(*(name.icontains(query.search, autoescape=True) for name in names)))
    statement = statement.order_by(*_ORDERS[query.sort_by])
    return conn.execute(statement.limit(query.limit).offset(query.offset)).mappings().all()


def _narrowed(wanted: ChatFilter, now: datetime) -> ColumnElement[bool]:
    if wanted is ChatFilter.RECENT_SUBSCRIBERS:
        return and_(fans.c.is_subscribed, fans.c.subscribed_at >= now - RECENT)
    if wanted is ChatFilter.SUBSCRIBED_TO:
        to = fans.alias("subscribed_to")
        both = (to.c.creator_uuid == chat_sides.c.peer_uuid, to.c.fan_uuid == chat_sides.c.user_uuid)
        return select(literal(1)).where(*both, to.c.is_subscribed).exists()
    return _FILTERS[wanted]


def chat_exists(conn: Connection, owner: str, peer: str) -> bool:
    """Whether the two have a chat."""
    sides = select(chat_sides.c.chat_id).where(chat_sides.c.user_uuid == owner, chat_sides.c.peer_uuid == peer)
    return conn.execute(sides).first() is not None


def lock_people(conn: Connection, *uuids: str) -> None:
    """Let nobody else who locks one of these users go on before this transaction has ended."""
    mine = select(users.c.uuid).where(users.c.uuid.in_(uuids)).order_by(users.c.uuid)
    conn.execute(mine.with_for_update(key_share=True))


def add_chat(conn: Connection, owner: str, peer: str, *, now: datetime) -> None:
    """An empty chat between the two, with a side for each. Raises IntegrityError where they have one already."""
    chat_id = conn.execute(insert(chats).values(created_at=now).returning(chats.c.id)).scalar_one()
    for one, other in ((owner, peer), (peer, owner)):
        online = select(users.c.is_online).where(users.c.uuid == other).scalar_subquery()
        agency = select(agency_creators.c.agency_uuid).where(agency_creators.c.creator_uuid == one).scalar_subquery()
        side = {"user_uuid": one, "peer_uuid": other, "chat_id": chat_id}
        conn.execute(insert(chat_sides).values(side | {"peer_is_online": online, "agency_uuid": agency}))


def change_side(conn: Connection, owner: str, peer: str, changes: dict[str, Any]) -> None:
    """Write *changes* (columns of ``chat_sides``) to *owner*'s side of the chat."""
    mine = (chat_sides.c.user_uuid == owner, chat_sides.c.peer_uuid == peer)
    conn.execute(update(chat_sides).where(*mine).values(changes))


def count_unread(conn: Connection, owner: str) -> RowMapping:
    """In how many of *owner*'s chats something is unread, and how many messages are."""
    counted = select(
        func.count().label("chats"), func.coalesce(func.sum(chat_sides.c.unread_count), 0).label("messages")
    ).where(chat_sides.c.user_uuid == owner, has_unread)
    return conn.execute(counted).mappings().one()


def count_notifications(conn: Connection, owner: str) -> dict[str, int]:
    """How many notifications of each kind *owner* has not seen; kinds without any are missing."""
    kinds = select(*unread_notifications.c["kind", "count"]).where(unread_notifications.c.user_uuid == owner)
    return {row["kind"]: row["count"] for row in conn.execute(kinds).mappings()}


def list_statuses(conn: Connection, uuids: Sequence[str]) -> dict[str, RowMapping]:
    """Whether the users with these uuids are there, by uuid; those who do not exist are missing."""
    statement = select(*users.c["uuid", "is_online", "last_seen_at"]).where(users.c.uuid.in_(uuids))
    return {row["uuid"]: row for row in conn.execute(statement).mappings()}

"""The SQL of a creator's audience. Every statement starts from one creator's own fans."""

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, and_, select

from examples.creator_platform.audience.shapes import Direction, SubscriberListQuery
from examples.creator_platform.tables import chat_sides, fans, is_follower, is_subscriber, users
from examples.creator_platform.users.rows import PERSON
from examples.creator_platform.wire import Paging

_SIDE = and_(chat_sides.c.user_uuid == fans.c.creator_uuid, chat_sides.c.peer_uuid == fans.c.fan_uuid)

FANS = select(*PERSON, *fans.c["creator_uuid", "subscribed_at", "expires_at"]).select_from(
    fans.join(users, users.c.uuid == fans.c.fan_uuid).outerjoin(chat_sides, _SIDE)
)
"""Fans as their creators see them: ``users.shapes.person`` reads a row."""


def list_followers(conn: Connection, creator: str, paging: Paging) -> Sequence[RowMapping]:
    """Who follows *creator* without a running subscription, the latest first; at most ``paging.limit``."""
    statement = FANS.where(fans.c.creator_uuid == creator, is_follower)
    # The fan's uuid makes the order total: without it, equal moments could repeat or skip a fan between two pages.
    statement = statement.order_by(fans.c.followed_at.desc(), fans.c.fan_uuid.desc())
    return conn.execute(statement.limit(paging.limit).offset(paging.offset)).mappings().all()


def list_subscribers(conn: Connection, creator: str, query: SubscriberListQuery) -> Sequence[RowMapping]:
    """Whose subscription to *creator* runs, in the order that is asked for; at most ``query.limit``."""
    is_descending = query.sort_direction is Direction.DESC
    order = [column.desc() if is_descending else column for column in (fans.c.subscribed_at, fans.c.fan_uuid)]
    statement = FANS.where(fans.c.creator_uuid == creator, is_subscriber).order_by(*order)
    return conn.execute(statement.limit(query.limit).offset(query.offset)).mappings().all()

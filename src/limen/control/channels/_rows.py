"""The SQL of channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, case, distinct, func, insert, select, update

from limen.core.delivering import OK
from limen.db.tables import channels, deliveries, delivery_attempts, outbox


def add(connection: Connection, **values: Any) -> None:
    """A new channel's row."""
    connection.execute(insert(channels).values(**values))


def one(connection: Connection, channel: str) -> Row[Any] | None:
    """The channel's row, unless it was removed."""
    return connection.execute(
        select(channels).where(channels.c.channel == channel, channels.c.removed_at.is_(None))
    ).one_or_none()


def alike(connection: Connection, **values: str) -> Row[Any] | None:
    """A channel that has these *values*, and was not removed."""
    statement = select(channels).where(channels.c.removed_at.is_(None))
    for name, value in values.items():
        statement = statement.where(channels.c[name] == value)
    return connection.execute(statement.limit(1)).one_or_none()


def change(connection: Connection, channel: str, **values: Any) -> None:
    """Set columns of a channel's row."""
    connection.execute(update(channels).where(channels.c.channel == channel).values(**values))


def page(connection: Connection, *, owner: str | None, after: str, limit: int) -> Sequence[Row[Any]]:
    """Channels that were not removed, in the order of their ids, from behind *after* on; None: anybody's."""
    statement = select(channels).where(channels.c.removed_at.is_(None), channels.c.channel > after)
    if owner is not None:
        statement = statement.where(channels.c.owner == owner)
    return connection.execute(statement.order_by(channels.c.channel).limit(limit)).all()


def sent(connection: Connection, ids: Sequence[str], since: float) -> Sequence[Row[Any]]:
    """By channel: how many of the deliveries since then were tried, how many arrived, and when one last did and not."""
    attempts = delivery_attempts
    arrived = attempts.c.result == OK
    statement = (
        select(
            deliveries.c.channel,
            func.count(distinct(attempts.c.delivery)).label("tried"),
            func.count(distinct(case((arrived, attempts.c.delivery)))).label("arrived"),
            func.max(case((arrived, attempts.c.at))).label("arrived_at"),
            func.max(case((~arrived, attempts.c.at))).label("failed_at"),
        )
        .join(deliveries, deliveries.c.delivery == attempts.c.delivery)
        .where(deliveries.c.channel.in_(ids), deliveries.c.created_at >= since)
        .group_by(deliveries.c.channel)
    )
    return connection.execute(statement).all()


def count(connection: Connection, owner: str) -> int:
    """How many channels the owner has."""
    statement = select(func.count()).where(channels.c.owner == owner, channels.c.removed_at.is_(None))
    return int(connection.execute(statement).scalar_one())


def added_since(connection: Connection, owner: str, since: float) -> int:
    """How many channels were added for the owner since then, whatever became of them."""
    statement = select(func.count()).where(channels.c.owner == owner, channels.c.created_at > since)
    return int(connection.execute(statement).scalar_one())


def last_event(connection: Connection) -> int:
    """The number of the last event in the outbox."""
    return int(connection.execute(select(func.max(outbox.c.id))).scalar_one() or 0)


def drop_due(connection: Connection, channel: str, now: float) -> None:
    """What was on its way to the channel is not sent."""
    due = (deliveries.c.channel == channel) & (deliveries.c.state == "due")
    connection.execute(update(deliveries).where(due).values(state="dropped", settled_at=now, leased_until=None))


def sealed_before(connection: Connection, pepper: int, limit: int) -> Sequence[Row[Any]]:
    """Channels whose secrets are sealed under an older pepper."""
    return connection.execute(select(channels).where(channels.c.pepper < pepper).limit(limit)).all()

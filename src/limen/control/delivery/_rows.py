"""The SQL of deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, or_, select, tuple_, update

from limen.core.delivering import Room
from limen.db.tables import channels, deliveries, delivery_attempts, outbox
from limen.db.upsert import insert

_CHUNK = 500
"""How many values stand in one statement."""

_LOOKED_AT = 500
"""How many deliveries are ranked at once."""


def waiting(connection: Connection, limit: int) -> Sequence[Row[Any]]:
    """Events that were not handed on, the oldest first."""
    statement = select(outbox).where(outbox.c.delivered_at.is_(None)).order_by(outbox.c.id).limit(limit)
    return connection.execute(statement).all()


def events_between(
    connection: Connection, after: tuple[float, int], until: float, *, owner: str, wanted: Sequence[str], limit: int
) -> Sequence[Row[Any]]:
    """Events until then, in the order of their moments, from behind *after* (moment, number) on.

    The database passes over what is none of *wanted* (names, ``key.*``, ``*``), and for an *owner* what cannot be its
    own and is of no version: what is left is to be looked at.
    """
    statement = select(outbox).where(tuple_(outbox.c.at, outbox.c.id) > after, outbox.c.at <= until)
    if owner:
        names = ("owner", "organisation", "subject")
        its = [outbox.c.payload[name].as_string() == owner for name in names]
        statement = statement.where(or_(outbox.c.event.startswith("version."), *its))
    if "*" not in wanted:
        some = [outbox.c.event.startswith(each[:-1], autoescape=True) for each in wanted if each.endswith("*")]
        statement = statement.where(or_(outbox.c.event.in_(wanted), *some))
    return connection.execute(statement.order_by(outbox.c.at, outbox.c.id).limit(limit)).all()


def trim_events(connection: Connection, before: float, limit: int) -> int:
    """Events of before then that were handed on are gone; how many. The last of all stays: numbers go on from it."""
    last = select(func.max(outbox.c.id)).scalar_subquery()
    old = (outbox.c.at < before) & outbox.c.delivered_at.is_not(None) & (outbox.c.id < last)
    ids = connection.execute(select(outbox.c.id).where(old).order_by(outbox.c.at).limit(limit)).scalars().all()
    for at in range(0, len(ids), _CHUNK):
        connection.execute(delete(outbox).where(outbox.c.id.in_(ids[at : at + _CHUNK])))
    return len(ids)


def handed_on(connection: Connection, numbers: Sequence[int], now: float) -> None:
    """The events of these numbers were handed on."""
    for at in range(0, len(numbers), _CHUNK):
        which = outbox.c.id.in_(numbers[at : at + _CHUNK])
        connection.execute(update(outbox).where(which).values(delivered_at=now))


def channels_of(connection: Connection, owners: Sequence[str]) -> list[Row[Any]]:
    """Channels of these owners to which something may be sent, or that wait to be confirmed."""
    found: list[Row[Any]] = []
    for at in range(0, len(owners), _CHUNK):
        which = channels.c.owner.in_(owners[at : at + _CHUNK])
        found += connection.execute(select(channels).where(which, _live())).all()
    return found


def channels_for(connection: Connection, api: str) -> Sequence[Row[Any]]:
    """Channels of owners that were added for this API."""
    return connection.execute(select(channels).where(channels.c.api == api, channels.c.owner != "", _live())).all()


def _live() -> ColumnElement[bool]:
    return channels.c.removed_at.is_(None) & channels.c.disabled_at.is_(None) & channels.c.muted_at.is_(None)


def add(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """New deliveries' rows; what is there by its channel and source already stays."""
    if rows:
        connection.execute(insert(connection, deliveries).on_conflict_do_nothing(), rows)


def again(connection: Connection, channel: str, sources: Sequence[str], now: float) -> None:
    """Deliveries of these sources are due, whatever became of them."""
    for at in range(0, len(sources), _CHUNK):
        which = (deliveries.c.channel == channel) & deliveries.c.source.in_(sources[at : at + _CHUNK])
        connection.execute(
            update(deliveries)
            .where(which, deliveries.c.state != "due")
            .values(state="due", due_at=now, settled_at=None)
        )


def is_due(connection: Connection, now: float, kinds: Sequence[str]) -> bool:
    """Whether there is a delivery of these kinds that is due and that nobody is at."""
    free = or_(deliveries.c.leased_until.is_(None), deliveries.c.leased_until <= now)
    statement = select(deliveries.c.delivery).join(channels, channels.c.channel == deliveries.c.channel)
    statement = statement.where(deliveries.c.state == "due", deliveries.c.due_at <= now, free)
    return connection.execute(statement.where(channels.c.kind.in_(kinds)).limit(1)).first() is not None


def due(connection: Connection, now: float, room: Room) -> Sequence[Row[Any]]:
    """Deliveries that are due and that nobody is at, with their channels, as many as there is *room* for.

    The oldest first, and ``_LOOKED_AT`` are looked at of those whose host and owner are not full: the first of them
    always fits, and so fills its host or its owner in time, and none of the others waits for ever. On PostgreSQL they
    are locked, and what another has locked is passed over.
    """
    free = or_(deliveries.c.leased_until.is_(None), deliveries.c.leased_until <= now)
    oldest = (deliveries.c.due_at, deliveries.c.delivery)
    first = (
        select(deliveries.c.delivery, deliveries.c.due_at, channels.c.kind, channels.c.host, channels.c.owner)
        .join(channels, channels.c.channel == deliveries.c.channel)
        .where(deliveries.c.state == "due", deliveries.c.due_at <= now, free, channels.c.kind.in_(room.kinds))
        .where(or_(channels.c.kind == "email", channels.c.host.not_in(room.full_hosts)))
        .where(or_(channels.c.kind == "email", channels.c.owner.not_in(room.full_owners)))
        .order_by(*oldest)
        .limit(_LOOKED_AT)
    ).subquery()
    by_age = (first.c.due_at, first.c.delivery)
    ranked = select(
        *(first.c.delivery, first.c.due_at, first.c.kind),
        func.row_number().over(partition_by=(first.c.kind, first.c.host), order_by=by_age).label("at_host"),
        func.row_number().over(partition_by=(first.c.kind, first.c.owner), order_by=by_age).label("of_owner"),
    ).subquery()
    fits = (ranked.c.at_host <= room.a_host) & (ranked.c.of_owner <= room.an_owner)
    ids = select(ranked.c.delivery).where(or_(ranked.c.kind == "email", fits))
    wanted = connection.execute(ids.order_by(ranked.c.due_at, ranked.c.delivery).limit(room.most)).scalars().all()
    if not wanted:
        return []
    columns = [column for column in channels.columns if column.name not in ("channel", "events", "created_at")]
    rows = (
        select(deliveries, *columns)
        .join(channels, channels.c.channel == deliveries.c.channel)
        .where(deliveries.c.delivery.in_(wanted), deliveries.c.state == "due", free)
        .order_by(deliveries.c.due_at, deliveries.c.delivery)
        .with_for_update(skip_locked=True, of=deliveries)
    )
    return connection.execute(rows).all()


def change(connection: Connection, delivery: str, **values: Any) -> None:
    """Set columns of a delivery's row."""
    connection.execute(update(deliveries).where(deliveries.c.delivery == delivery).values(**values))


def lease(connection: Connection, ids: Sequence[str], until: float, now: float) -> None:
    """Somebody is at these deliveries until then; their first attempt, if it is that, is now."""
    which = deliveries.c.delivery.in_(ids)
    values = {"leased_until": until, "first_at": func.coalesce(deliveries.c.first_at, now)}
    connection.execute(update(deliveries).where(which).values(values))


def one(connection: Connection, delivery: str) -> Row[Any] | None:
    """The delivery's row, with its channel's owner."""
    statement = select(deliveries, channels.c.owner, channels.c.kind, channels.c.api)
    statement = statement.join(channels, channels.c.channel == deliveries.c.channel)
    return connection.execute(statement.where(deliveries.c.delivery == delivery)).one_or_none()


def page(
    connection: Connection,
    *,
    channel: str,
    owner: str | None,
    state: str,
    before: tuple[float, str],
    limit: int,
) -> Sequence[Row[Any]]:
    """Deliveries, the newest first, from behind *before* (created, delivery) on."""
    statement = select(deliveries, channels.c.owner).join(channels, channels.c.channel == deliveries.c.channel)
    statement = statement.where(tuple_(deliveries.c.created_at, deliveries.c.delivery) < before)
    if channel:
        statement = statement.where(deliveries.c.channel == channel)
    if owner is not None:
        statement = statement.where(channels.c.owner == owner)
    if state:
        statement = statement.where(deliveries.c.state == state)
    newest = (deliveries.c.created_at.desc(), deliveries.c.delivery.desc())
    return connection.execute(statement.order_by(*newest).limit(limit)).all()


def attempts(connection: Connection, delivery: str) -> Sequence[Row[Any]]:
    """What came of each attempt, the first one first."""
    of = delivery_attempts.c.delivery == delivery
    return connection.execute(select(delivery_attempts).where(of).order_by(delivery_attempts.c.number)).all()


def add_attempt(connection: Connection, **values: Any) -> None:
    """An attempt's row, unless it is there."""
    connection.execute(insert(connection, delivery_attempts).on_conflict_do_nothing(), values)


def channel(connection: Connection, channel: str) -> Row[Any]:
    """The channel's row, removed or not."""
    return connection.execute(select(channels).where(channels.c.channel == channel)).one()


def change_channel(connection: Connection, channel: str, **values: Any) -> None:
    """Set columns of the channel's row that say how deliveries to it go."""
    connection.execute(update(channels).where(channels.c.channel == channel).values(**values))


def untried(connection: Connection, before: float, limit: int) -> Sequence[Row[Any]]:
    """Deliveries that have waited since *before* for a first attempt, with their channel's owner, the oldest first."""
    statement = select(deliveries, channels.c.owner, channels.c.api)
    statement = statement.join(channels, channels.c.channel == deliveries.c.channel)
    which = (deliveries.c.state == "due") & (deliveries.c.attempts == 0) & (deliveries.c.created_at < before)
    oldest = (deliveries.c.created_at, deliveries.c.delivery)
    return connection.execute(statement.where(which).order_by(*oldest).limit(limit)).all()


def trim(connection: Connection, *, settled: float, dead: float, limit: int) -> int:
    """Deliveries that ended before *settled*, or were given up before *dead*, are gone; how many."""
    old = or_(
        deliveries.c.settled_at < dead,
        (deliveries.c.settled_at < settled) & deliveries.c.state.in_(("done", "dropped")),
    )
    ids = connection.execute(select(deliveries.c.delivery).where(old).limit(limit)).scalars().all()
    for at in range(0, len(ids), _CHUNK):
        chunk = ids[at : at + _CHUNK]
        connection.execute(delete(delivery_attempts).where(delivery_attempts.c.delivery.in_(chunk)))
        connection.execute(delete(deliveries).where(deliveries.c.delivery.in_(chunk)))
    left = select(deliveries.c.channel)
    gone = (channels.c.removed_at < settled) & channels.c.channel.not_in(left)
    connection.execute(delete(channels).where(gone))
    return len(ids)

"""The SQL of notices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, cast, func, insert, select, tuple_

from limen.core.profile import BUILT_IN
from limen.core.rollup import WHOLE
from limen.db.tables import channels, keys, notices, owners, usage_days


def add(connection: Connection, **values: Any) -> None:
    """A notice's row."""
    connection.execute(insert(notices).values(**values))


def one(connection: Connection, notice: str) -> Row[Any] | None:
    """The notice's row."""
    return connection.execute(select(notices).where(notices.c.notice == notice)).one_or_none()


def page(connection: Connection, *, before: tuple[float, str], limit: int) -> Sequence[Row[Any]]:
    """Notices, the newest first, from behind *before* (sent, notice) on."""
    statement = select(notices).where(tuple_(notices.c.sent_at, notices.c.notice) < before)
    newest = (notices.c.sent_at.desc(), notices.c.notice.desc())
    return connection.execute(statement.order_by(*newest).limit(limit)).all()


def holders(connection: Connection, api: str) -> Sequence[Row[Any]]:
    """Owners that hold a key which has not ended, of *api*, or of any but Limen's own; and how many they hold."""
    statement = select(keys.c.owner, func.count().label("keys")).join(owners, owners.c.owner == keys.c.owner)
    statement = statement.where(keys.c.state.in_(("active", "inactive")), owners.c.erased_at.is_(None))
    statement = statement.where(keys.c.api == api if api else keys.c.api != BUILT_IN)
    return connection.execute(statement.group_by(keys.c.owner).order_by(keys.c.owner)).all()


def callers(connection: Connection, api: str, version: str, *, since: int) -> Sequence[Row[Any]]:
    """The owners whose keys called *version* of *api* from *since* (the beginning of a day) on: how many, how often.

    By the roll-ups by day, which are kept for longer than readings.
    """
    table = usage_days
    which = (table.c.at >= since, table.c.api == api, table.c.version == version, table.c.locator != WHOLE)
    counted = (
        func.count(keys.c.key.distinct()).label("keys"),
        cast(func.sum(table.c.calls), BigInteger).label("calls"),
    )
    statement = select(keys.c.owner, *counted, func.max(table.c.at).label("last_day"))
    joined = statement.join(keys, keys.c.locator == table.c.locator).where(*which)
    return connection.execute(joined.group_by(keys.c.owner).order_by(keys.c.owner)).all()


def channel_counts(connection: Connection) -> dict[str, int]:
    """How many channels each owner has to which something is sent."""
    live = channels.c.removed_at.is_(None) & channels.c.disabled_at.is_(None) & channels.c.muted_at.is_(None)
    statement = select(channels.c.owner, func.count()).where(live, channels.c.confirmed_at.is_not(None))
    return {row[0]: row[1] for row in connection.execute(statement.group_by(channels.c.owner))}

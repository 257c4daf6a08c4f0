"""The SQL of what comes back: many keys at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, or_, select, update

from limen.db.tables import keys, owners


def states(connection: Connection, ids: Sequence[str]) -> Sequence[Row[Any]]:
    """Those of the keys *ids* that are there."""
    return connection.execute(select(keys).where(keys.c.key.in_(ids))).all()


def standing(connection: Connection, ids: Sequence[str]) -> Sequence[Row[Any]]:
    """Those of the owners *ids* that are there."""
    return connection.execute(select(owners).where(owners.c.owner.in_(ids))).all()


def asleep(connection: Connection, reason: str, *, api: str, owner: str) -> list[str]:
    """The keys that are inactive for *reason*, of *api* and *owner* where they are named; the newest first."""
    wanted = select(keys.c.key).where(keys.c.state == "inactive", keys.c.ended_reason == reason)
    if api:
        wanted = wanted.where(keys.c.api == api)
    if owner:
        wanted = wanted.where(keys.c.owner == owner)
    return list(connection.execute(wanted.order_by(keys.c.created_at.desc(), keys.c.key.desc())).scalars())


def put_to_sleep(connection: Connection, now: float, reason: str) -> int:
    """Every key that is active at *now* is inactive, for *reason*; how many that were."""
    alive = (keys.c.state == "active") & or_(keys.c.expires_at.is_(None), keys.c.expires_at > now)
    done = connection.execute(update(keys).where(alive).values(state="inactive", slot=None, ended_reason=reason))
    return done.rowcount

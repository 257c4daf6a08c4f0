"""The SQL of owners and their standings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from limen.db.tables import owners, standings


def add(connection: Connection, **values: Any) -> None:
    """A new owner's row."""
    connection.execute(insert(owners).values(**values))


def one(connection: Connection, owner: str) -> Row[Any] | None:
    """The owner's row."""
    return connection.execute(select(owners).where(owners.c.owner == owner)).one_or_none()


def page(connection: Connection, *, after: str, limit: int) -> Sequence[Row[Any]]:
    """Owners in the order of their ids, from behind *after* on."""
    return connection.execute(select(owners).where(owners.c.owner > after).order_by(owners.c.owner).limit(limit)).all()


def change(connection: Connection, owner: str, **values: Any) -> None:
    """Set columns of an owner's row."""
    connection.execute(update(owners).where(owners.c.owner == owner).values(**values))


def standings_of(connection: Connection, owner: str) -> Sequence[Row[Any]]:
    """How the owner stands with each API that anything was said of."""
    return connection.execute(select(standings).where(standings.c.owner == owner).order_by(standings.c.api)).all()


def standing(connection: Connection, owner: str, api: str) -> Row[Any] | None:
    """How the owner stands with *api*; None where nothing was said of it yet."""
    return connection.execute(select(standings).where(standings.c.owner == owner, standings.c.api == api)).one_or_none()


def set_standing(connection: Connection, owner: str, api: str, **values: Any) -> None:
    """Set columns of a standing, which is made if it is not there."""
    if standing(connection, owner, api) is None:
        connection.execute(insert(standings).values(owner=owner, api=api, **{"plan": "", "allowed": False} | values))
    else:
        connection.execute(update(standings).where(standings.c.owner == owner, standings.c.api == api).values(**values))

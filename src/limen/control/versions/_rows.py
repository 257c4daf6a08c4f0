"""The SQL of versions and their brownouts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from limen.db.tables import brownouts, versions


def add(connection: Connection, api: str, version: str, **values: Any) -> None:
    """A new version's row."""
    connection.execute(insert(versions).values(api=api, version=version, **values))


def change(connection: Connection, api: str, version: str, **values: Any) -> None:
    """Set columns of a version's row."""
    connection.execute(update(versions).where(versions.c.api == api, versions.c.version == version).values(**values))


def add_brownout(connection: Connection, **values: Any) -> None:
    """A new brownout's row."""
    connection.execute(insert(brownouts).values(**values))


def one_brownout(connection: Connection, brownout: str) -> Row[Any] | None:
    """The brownout's row, cancelled or not."""
    return connection.execute(select(brownouts).where(brownouts.c.brownout == brownout)).one_or_none()


def change_brownout(connection: Connection, brownout: str, **values: Any) -> None:
    """Set columns of a brownout's row."""
    connection.execute(update(brownouts).where(brownouts.c.brownout == brownout).values(**values))

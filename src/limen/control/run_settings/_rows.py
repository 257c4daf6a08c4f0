"""The SQL of run-time settings."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, delete, select

from limen.db.tables import run_settings
from limen.db.upsert import insert


def everything(connection: Connection) -> dict[str, Row[Any]]:
    """The settings that somebody set, by name."""
    return {row.name: row for row in connection.execute(select(run_settings))}


def one(connection: Connection, name: str) -> Row[Any] | None:
    """The setting's row, where somebody set it."""
    return connection.execute(select(run_settings).where(run_settings.c.name == name)).one_or_none()


def put(connection: Connection, name: str, **values: Any) -> None:
    """Set a setting."""
    statement = insert(connection, run_settings).values(name=name, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


def drop(connection: Connection, name: str) -> None:
    """Nobody has set the setting any more."""
    connection.execute(delete(run_settings).where(run_settings.c.name == name))

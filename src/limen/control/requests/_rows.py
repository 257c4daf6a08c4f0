"""The SQL of requests for keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, tuple_, update

from limen.db.tables import key_requests


class Wanted(TypedDict, total=False):
    """Which requests are wanted. What is empty, or left out, matches every one."""

    api: str
    owner: str
    state: str
    """As it is at the moment of the question: a grant lapses without its row saying so."""


def add(connection: Connection, **values: Any) -> None:
    """A new request's row."""
    connection.execute(insert(key_requests).values(**values))


def one(connection: Connection, request: str) -> Row[Any] | None:
    """The request's row."""
    return connection.execute(select(key_requests).where(key_requests.c.request == request)).one_or_none()


def change(connection: Connection, request: str, **values: Any) -> None:
    """Set columns of a request's row."""
    connection.execute(update(key_requests).where(key_requests.c.request == request).values(**values))


def count_open(connection: Connection, owner: str) -> int:
    """How many requests for keys of the owner wait to be decided."""
    of = (key_requests.c.owner == owner) & (key_requests.c.state == "open")
    return int(connection.execute(select(func.count()).select_from(key_requests).where(of)).scalar_one())


def page(
    connection: Connection, wanted: Wanted, *, now: float, before: tuple[float, str], limit: int
) -> Sequence[Row[Any]]:
    """The *wanted* requests, the newest first, from behind *before* (asked at, request) on."""
    statement = select(key_requests).where(tuple_(key_requests.c.asked_at, key_requests.c.request) < before)
    if api := wanted.get("api"):
        statement = statement.where(key_requests.c.api == api)
    if owner := wanted.get("owner"):
        statement = statement.where(key_requests.c.owner == owner)
    if state := wanted.get("state"):
        statement = statement.where(_in_state(state, now))
    newest = (key_requests.c.asked_at.desc(), key_requests.c.request.desc())
    return connection.execute(statement.order_by(*newest).limit(limit)).all()


def _in_state(state: str, now: float) -> ColumnElement[bool]:
    says = key_requests.c.state
    if state == "lapsed":
        return (says == "granted") & (key_requests.c.lapses_at <= now)
    if state == "granted":
        return (says == "granted") & (key_requests.c.lapses_at > now)
    return says == state

"""The SQL of the audit, its chain, and what is personal in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypedDict

from sqlalchemy import Connection, Row, Select, Text, delete, exists, func, insert, select, type_coerce

from limen.core.audit import START
from limen.db.columns import AsStored
from limen.db.tables import audit, audit_links, audit_personal

# The JSON as it is stored: whether it can be read is our own question, so that no row stops the chain.
_COLUMNS = (
    *(audit.c[name] for name in ("id", "at", "actor", "verb", "api", "subject")),
    *(AsStored(audit.c[name]).label(name) for name in ("before", "after", "detail")),
)
_NAMES = tuple(column.name for column in _COLUMNS)
_DIGEST = type_coerce(audit_links.c.digest, Text).label("digest")
_LINKS = select(audit_links.c.position, audit_links.c.id, _DIGEST)


class Wanted(TypedDict, total=False):
    """Which rows are wanted. What is empty, or left out, matches every row."""

    actor: str
    """As it is written: ``staff:k-1``."""
    verb: str
    api: str
    subject: str
    since: float
    """Unix seconds; those of this very moment too."""
    until: float
    """Unix seconds; those of this very moment not."""


class Link(NamedTuple):
    """A link of the chain: the row *id* at *position*. The first has position 1."""

    position: int
    id: int
    digest: bytes


def content(row: Row[Any]) -> dict[str, Any]:
    """The audit's row that *row* holds, as the chain reads it."""
    found = {name: getattr(row, name) for name in _NAMES}
    return found | {name: _read(found[name]) for name in ("before", "after", "detail")}


def _read(stored: Any) -> Any:
    """What *stored* JSON says. What is none was written by no verb of ours, and is told apart from all that is."""
    if stored is None:
        return None
    try:
        return json.loads(stored)
    except (ValueError, TypeError, RecursionError):
        return {"unreadable": stored if isinstance(stored, str) else repr(stored)}


# -- the chain ---------------------------------------------------------------------------------------------------------


def tip(connection: Connection) -> Link:
    """The chain's last link; position 0 where there is none."""
    return _link(connection, _LINKS.order_by(audit_links.c.position.desc()).limit(1)) or Link(0, 0, START)


def link_at(connection: Connection, position: int) -> Link | None:
    """The link at *position*; what stands before the first, at 0."""
    if position == 0:
        return Link(0, 0, START)
    return _link(connection, _LINKS.where(audit_links.c.position == position))


def _link(connection: Connection, statement: Select[Any]) -> Link | None:
    row = connection.execute(statement).one_or_none()
    return Link(row.position, row.id, _bytes(row.digest)) if row is not None else None


def _bytes(stored: Any) -> bytes:
    """What is *stored* as bytes, whatever a hand has put there: it is to be found wrong, not to be stumbled over."""
    return stored if isinstance(stored, bytes) else repr(stored).encode()


def behind(connection: Connection, audit_id: int, limit: int) -> list[dict[str, Any]]:
    """The audit's rows behind the one with *audit_id*, in the order of their ids."""
    statement = select(*_COLUMNS).where(audit.c.id > audit_id).order_by(audit.c.id).limit(limit)
    return [content(row) for row in connection.execute(statement)]


def add_links(connection: Connection, links: Sequence[Link], at: float) -> None:
    """New links, laid at the moment *at*."""
    connection.execute(insert(audit_links), [link._asdict() | {"at": at} for link in links])


def linked(connection: Connection, position: int, limit: int) -> list[tuple[Link, dict[str, Any] | None]]:
    """The links behind *position*, each with its row; None where the row is gone."""
    statement = (
        select(audit_links.c.position, audit_links.c.id.label("linked"), _DIGEST, *_COLUMNS)
        .select_from(audit_links.outerjoin(audit, audit.c.id == audit_links.c.id))
        .where(audit_links.c.position > position)
        .order_by(audit_links.c.position)
        .limit(limit)
    )
    return [
        (Link(row.position, row.linked, _bytes(row.digest)), content(row) if row.id is not None else None)
        for row in connection.execute(statement)
    ]


def waiting(connection: Connection, audit_id: int) -> tuple[int, float | None]:
    """How many rows there are behind the one with *audit_id*, and the moment of the oldest of them."""
    row = connection.execute(select(func.count(), func.min(audit.c.at)).where(audit.c.id > audit_id)).one()
    return row[0], row[1]


def unlinked(connection: Connection, after: int, before: int) -> Iterator[tuple[int, int]]:
    """Rows between the ids *after* and *before* that no link is of, and the position of the link that comes next."""
    follows = (
        select(audit_links.c.position)
        .where(audit_links.c.id > audit.c.id)
        .order_by(audit_links.c.id)
        .limit(1)
        .scalar_subquery()
    )
    statement = (
        select(audit.c.id, follows)
        .where(audit.c.id > after, audit.c.id < before, ~exists().where(audit_links.c.id == audit.c.id))
        .order_by(audit.c.id)
    )
    return ((row[0], row[1]) for row in connection.execute(statement))


# -- the rows ----------------------------------------------------------------------------------------------------------


def page(
    connection: Connection, wanted: Wanted, *, before: int | None, limit: int
) -> list[tuple[Link | None, dict[str, Any]]]:
    """The *wanted* rows, the newest first, from behind the one with the id *before* on, each with its link."""
    statement = _with_link().order_by(audit.c.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(audit.c.id < before)
    return _found(connection, _narrowed(statement, wanted))


def stretch(connection: Connection, after: int, limit: int) -> list[tuple[Link | None, dict[str, Any]]]:
    """Rows in the order of their ids, from behind the one with the id *after* on, each with its link."""
    return _found(connection, _with_link().where(audit.c.id > after).order_by(audit.c.id).limit(limit))


def one(connection: Connection, audit_id: int) -> tuple[Link | None, dict[str, Any]] | None:
    """The row with *audit_id*, and its link."""
    return next(iter(_found(connection, _with_link().where(audit.c.id == audit_id))), None)


def _with_link() -> Select[Any]:
    joined = audit.outerjoin(audit_links, audit_links.c.id == audit.c.id)
    return select(audit_links.c.position, _DIGEST, *_COLUMNS).select_from(joined)


def _found(connection: Connection, statement: Select[Any]) -> list[tuple[Link | None, dict[str, Any]]]:
    return [
        (Link(row.position, row.id, _bytes(row.digest)) if row.position is not None else None, content(row))
        for row in connection.execute(statement)
    ]


def _narrowed(statement: Any, wanted: Wanted) -> Any:
    for name in ("actor", "verb", "api", "subject"):
        if value := wanted.get(name):
            statement = statement.where(audit.c[name] == value)
    if (since := wanted.get("since")) is not None:
        statement = statement.where(audit.c.at >= since)
    if (until := wanted.get("until")) is not None:
        statement = statement.where(audit.c.at < until)
    return statement


# -- what is personal in them ------------------------------------------------------------------------------------------


def personal(connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, tuple[bytes, Any]]]:
    """What is personal in the rows with *ids*: salt and value, by its name, by the row's id."""
    found: dict[int, dict[str, tuple[bytes, Any]]] = {}
    salt = type_coerce(audit_personal.c.salt, Text).label("salt")
    statement = select(audit_personal.c.id, audit_personal.c.field, salt, audit_personal.c.value)
    for row in connection.execute(statement.where(audit_personal.c.id.in_(ids))):
        found.setdefault(row.id, {})[row.field] = (_bytes(row.salt), row.value)
    return found


def erase(connection: Connection, wanted: Wanted, field: str = "") -> int:
    """What is personal in the *wanted* rows is gone, from the file's free pages too; how many values that was.

    With a *field*, only what is called so.
    """
    gone = delete(audit_personal).where(audit_personal.c.id.in_(_narrowed(select(audit.c.id), wanted)))
    if field:
        gone = gone.where(audit_personal.c.field == field)
    sqlite = connection.dialect.name == "sqlite"
    if sqlite:
        connection.exec_driver_sql("pragma secure_delete = on")
    count = connection.execute(gone).rowcount
    if sqlite:  # where it failed, this connection goes on being thorough, which does no harm
        connection.exec_driver_sql("pragma secure_delete = off")
    return count

"""The SQL of owners and their standings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypedDict

from sqlalchemy import ColumnElement, Connection, Row, Text, cast, delete, func, insert, or_, select, tuple_, update

from limen.core.names import beyond
from limen.core.people import Actor
from limen.db.tables import (
    alert_rules,
    alert_tellings,
    alerts,
    channels,
    deliveries,
    inbox,
    invitations,
    key_requests,
    keys,
    outbox,
    owners,
    replies,
    standings,
)

_CHUNK = 500
"""How many values stand in one statement."""


class Wanted(TypedDict, total=False):
    """Which owners are wanted. What is empty, or left out, matches every one."""

    kind: str
    state: str
    """``active``, ``suspended`` or ``erased``."""
    api: str
    """With *plan*: those that have it on this API."""
    plan: str
    name: str
    """How their names begin, folded."""


def add(connection: Connection, values: Sequence[dict[str, Any]]) -> None:
    """New owners' rows."""
    connection.execute(insert(owners), values)


def there(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of the *ids* that are owners'."""
    found: set[str] = set()
    for at in range(0, len(ids), _CHUNK):
        chunk = ids[at : at + _CHUNK]
        found.update(connection.execute(select(owners.c.owner).where(owners.c.owner.in_(chunk))).scalars())
    return found


def one(connection: Connection, owner: str) -> Row[Any] | None:
    """The owner's row."""
    return connection.execute(select(owners).where(owners.c.owner == owner)).one_or_none()


def page(connection: Connection, wanted: Wanted, *, after: tuple[str, str], limit: int) -> Sequence[Row[Any]]:
    """The *wanted* owners from behind *after* (folded name, id) on, in the order of their ids; of their names, where
    one is wanted.

    Each order, and each thing that can be wanted, has an index that begins with it.
    """
    statement, place = select(owners), owners.c.owner
    name, plan, state = wanted.get("name"), wanted.get("plan"), wanted.get("state")
    if plan:
        statement, place = statement.join(standings, standings.c.owner == owners.c.owner), standings.c.owner
        statement = statement.where(standings.c.api == wanted.get("api"), standings.c.plan == plan)
    if kind := wanted.get("kind"):
        # Most owners are of one kind: by a name, a plan or a suspension fewer are found, and SQLite does not know it.
        narrower = name or plan or state in ("suspended", "erased")
        statement = statement.where((owners.c.kind.concat("") if narrower else owners.c.kind) == kind)
    if state:
        statement = statement.where(_in_state(state))
    if name:
        statement = statement.where(owners.c.folded >= name)
        if (end := beyond(name)) is not None:
            statement = statement.where(owners.c.folded < end)
        statement = statement.where(tuple_(owners.c.folded, owners.c.owner) > after)
        statement = statement.order_by(owners.c.folded, owners.c.owner)
    else:
        statement = statement.where(place > after[1]).order_by(place)
    return connection.execute(statement.limit(limit)).all()


def _in_state(state: str) -> ColumnElement[bool]:
    suspended = owners.c.suspended_at.is_not(None)
    if state == "active":
        return owners.c.suspended_at.is_(None)
    return suspended & (owners.c.erased_at.is_(None) if state == "suspended" else owners.c.erased_at.is_not(None))


def change(connection: Connection, owner: str, **values: Any) -> None:
    """Set columns of an owner's row."""
    connection.execute(update(owners).where(owners.c.owner == owner).values(**values))


def standings_of(connection: Connection, ids: Sequence[str]) -> Sequence[Row[Any]]:
    """How the owners with these *ids* stand with each API that anything was said of."""
    return connection.execute(
        select(standings).where(standings.c.owner.in_(ids)).order_by(standings.c.owner, standings.c.api)
    ).all()


def standing(connection: Connection, owner: str, api: str) -> Row[Any] | None:
    """How the owner stands with *api*; None where nothing was said of it yet."""
    return connection.execute(select(standings).where(standings.c.owner == owner, standings.c.api == api)).one_or_none()


def set_standing(connection: Connection, owner: str, api: str, **values: Any) -> None:
    """Set columns of a standing, which is made if it is not there."""
    if standing(connection, owner, api) is None:
        connection.execute(insert(standings).values(owner=owner, api=api, **{"plan": "", "allowed": False} | values))
    else:
        connection.execute(update(standings).where(standings.c.owner == owner, standings.c.api == api).values(**values))


def set_allowed(connection: Connection, ids: Sequence[str], api: str, *, allowed: bool) -> list[str]:
    """Those of the owners *ids* that stood otherwise on *api*'s allow-list, and stand so now."""
    changed: list[str] = []
    of = standings.c
    for at in range(0, len(ids), _CHUNK):
        chunk = ids[at : at + _CHUNK]
        rows = connection.execute(select(of.owner, of.allowed).where(of.api == api, of.owner.in_(chunk))).all()
        before = {row.owner: bool(row.allowed) for row in rows}
        other = [owner for owner in chunk if before.get(owner, False) != allowed]
        if held := [owner for owner in other if owner in before]:
            connection.execute(update(standings).where(of.api == api, of.owner.in_(held)).values(allowed=allowed))
        if new := [owner for owner in other if owner not in before]:
            values = [{"owner": owner, "api": api, "plan": "", "allowed": allowed} for owner in new]
            connection.execute(insert(standings), values)
        changed += other
    return changed


@contextmanager
def overwriting(connection: Connection) -> Iterator[None]:
    """What is taken away within is gone from the file's free pages too."""
    sqlite = connection.dialect.name == "sqlite"
    if sqlite:
        connection.exec_driver_sql("pragma secure_delete = on")
    yield
    if sqlite:  # where it failed, this connection goes on being thorough, which does no harm
        connection.exec_driver_sql("pragma secure_delete = off")


def forget_invitations(connection: Connection, owner: str) -> Sequence[str]:
    """Invitations to *owner* say no more who was invited. The ids of these, and of those that *owner* accepted.

    They are another subject's, which asks owners: what is personal of an owner is gone by one verb, wherever it lies.
    """
    of = or_(invitations.c.organisation == owner, invitations.c.accepted_by == owner)
    statement = update(invitations).where(of).values(email="", message="").returning(invitations.c.invitation)
    return connection.execute(statement).scalars().all()


def forget_requests(connection: Connection, owner: str) -> Sequence[Row[Any]]:
    """Requests for keys of *owner*, and those that it made, say no more than that they were; which could be settled are
    withdrawn. Their rows as they were before.
    """
    of = or_(key_requests.c.owner == owner, key_requests.c.asked_by == str(Actor("member", owner)))
    rows = connection.execute(select(key_requests).where(of)).all()
    for row in rows:
        values = {
            "wish": row.wish | {"name": "", "scopes": dict.fromkeys(row.wish["scopes"], "")},
            "use_case": "",
            "reason": None if row.reason is None else "",
            "state": "withdrawn" if row.state in ("open", "granted") else row.state,
        }
        connection.execute(update(key_requests).where(key_requests.c.request == row.request).values(**values))
    return rows


def forget_channels(connection: Connection, owner: str, now: float) -> Sequence[str]:
    """Nothing says where the owner wanted to be told, nor is it told any more; what it was told is gone. The ids."""
    mine = select(channels.c.channel).where(channels.c.owner == owner)
    ended = {"state": "dropped", "settled_at": now, "leased_until": None}
    connection.execute(
        update(deliveries).where(deliveries.c.channel.in_(mine), deliveries.c.state == "due").values(**ended)
    )
    blank = {"address": "", "host": "", "sealed": None, "sealed_old": None, "pepper": None}
    statement = update(channels).where(channels.c.owner == owner)
    statement = statement.values(removed_at=func.coalesce(channels.c.removed_at, now), **blank)
    connection.execute(delete(inbox).where(inbox.c.owner == owner))
    return connection.execute(statement.returning(channels.c.channel)).scalars().all()


def forget_alerts(connection: Connection, owner: str) -> None:
    """Nothing says what was found of the owner's keys, or what the owner wanted to be told of.

    What was told of it, to whomever, says no more than that it was: its words may hold addresses.
    """
    for table in (alerts, alert_rules, alert_tellings):
        connection.execute(delete(table).where(table.c.owner == owner))
    for table, one in ((outbox, outbox.c.id), (deliveries, deliveries.c.delivery)):
        of = (table.c.event.startswith("alert.", autoescape=True), table.c.payload["owner"].as_string() == owner)
        for name, payload in connection.execute(select(one, table.c.payload).where(*of)).all():
            blank = payload | {said: type(payload[said])() for said in ("text", "facts") if said in payload}
            connection.execute(update(table).where(one == name).values(payload=blank))


def forget_replies(connection: Connection, owner: str) -> None:
    """Replies to *owner*, and those that name it, are empty. They stay: the same write is not done again."""
    held = select(keys.c.key).where(keys.c.owner == owner)
    body, caller = cast(replies.c.body, Text), replies.c.caller
    named = [func.replace(body, f'"{name}"', "") != body for name in (owner, str(Actor("member", owner)))]
    by_key = func.substr(caller, 1, 12).in_(held)
    of = or_(by_key, func.substr(caller, func.length(caller) - len(owner)) == f"/{owner}", *named)
    connection.execute(update(replies).where(of).values(body=None))

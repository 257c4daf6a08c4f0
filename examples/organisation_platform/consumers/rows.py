"""The SQL of consumers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, RowMapping, delete, insert, or_, select, union, update

from examples.organisation_platform.consumers.shapes import ConsumerListQuery, ConsumerSearchQuery
from examples.organisation_platform.pages import Found, turn_to
from examples.organisation_platform.store import Tenant
from examples.organisation_platform.tables import consumers

Row = dict[str, Any]

_ORDERS = {
    "createdAt": consumers.c.created_at,
    "email": consumers.c.email_key,
    "fullName": consumers.c.name_key,
    "lastOrderAt": consumers.c.last_order_key,
    "totalOrderValue": consumers.c.total_order_value,
    "totalOrders": consumers.c.total_orders,
}
UNIQUE = {"email": "email", "phone": "phone", "external_id": "externalId"}
"""What no two consumers of an organisation share, and what it is called on the wire."""

_LAST = "\U0010ffff"  # no text that begins with a term comes after the term and this


def list_consumers(tenant: Tenant, query: ConsumerListQuery) -> Found:
    """The page of the organisation's consumers that is asked for."""
    conditions: list[ColumnElement[bool]] = []
    if query.created_after is not None:
        conditions.append(consumers.c.created_at >= query.created_after)
    if query.created_before is not None:
        conditions.append(consumers.c.created_at < query.created_before)
    if query.search is not None:
        looked_at = (consumers.c.name_key, consumers.c.email_key, consumers.c.phone)
        conditions.append(or_(*(each.contains(_lower(query.search), autoescape=True) for each in looked_at)))
    return turn_to(tenant, consumers, query, _ORDERS, *conditions)


def search_consumers(tenant: Tenant, query: ConsumerSearchQuery) -> Sequence[RowMapping]:
    """At most ``query.first`` of the organisation's consumers who are looked for, by their ids."""
    if query.q is None:
        exact = ((consumers.c[name], getattr(query, name)) for name in UNIQUE)
        asked = select(consumers.c.id).where(tenant.owns(consumers), *(c == value for c, value in exact if value))
    else:
        begins = (_beginning(tenant, column, query) for column in (consumers.c.email_key, consumers.c.name_key))
        asked = select(union(*begins).subquery().c.id)
    found = select(consumers).where(tenant.owns(consumers), consumers.c.id.in_(asked))
    return tenant.conn.execute(found.order_by(consumers.c.id).limit(query.first)).mappings().all()


def find_consumers(tenant: Tenant, consumer_ids: Sequence[str]) -> Mapping[str, RowMapping]:
    """Id to consumer, of those of *consumer_ids* that are the organisation's."""
    found = select(consumers).where(tenant.owns(consumers), consumers.c.id.in_(consumer_ids))
    return {row["id"]: row for row in tenant.conn.execute(found).mappings()}


def find_taken(tenant: Tenant, wanted: Sequence[Row]) -> list[tuple[int, str]]:
    """Place and field, for each value in *wanted* that another consumer has, or that one before it in *wanted* wants.

    Each of *wanted* is a consumer's id with values that it is to have.
    """
    taken = []
    for name in UNIQUE:
        column = consumers.c[name]
        values = [row[name] for row in wanted if row.get(name) is not None]
        having = select(column, consumers.c.id).where(tenant.owns(consumers), column.in_(values))
        holders = dict(tenant.conn.execute(having).all()) if values else {}
        for place, row in enumerate(wanted):
            if row.get(name) is not None and holders.setdefault(row[name], row["id"]) != row["id"]:
                taken.append((place, name))
    return taken


def add_consumers(tenant: Tenant, wanted: Sequence[Row], *, now: datetime) -> None:
    """The organisation has the consumers *wanted*, ids and all."""
    made = {"organisation": tenant.number, "created_at": now, "updated_at": now}
    tenant.conn.execute(insert(consumers), [row | made for row in wanted])


def change_consumer(tenant: Tenant, consumer_id: str, changes: Row, *, now: datetime) -> None:
    """The organisation's consumer of that id has the values of *changes*."""
    mine = (tenant.owns(consumers), consumers.c.id == consumer_id)
    tenant.conn.execute(update(consumers).where(*mine).values(changes | {"updated_at": now}))


def remove_consumer(tenant: Tenant, consumer_id: str) -> bool:
    """The organisation has no consumer of that id; whether it had one."""
    mine = (tenant.owns(consumers), consumers.c.id == consumer_id)
    return tenant.conn.execute(delete(consumers).where(*mine)).rowcount == 1


def _beginning(tenant: Tenant, column: Column[str], query: ConsumerSearchQuery) -> Any:
    """The ids of the first consumers whose *column* begins as is looked for: a stretch of the column's index."""
    term = _lower(query.q or "")
    found = select(consumers.c.id).where(tenant.owns(consumers), column >= term, column < term + _LAST)
    return found.order_by(column, consumers.c.id).limit(query.first).subquery().select()


def _lower(text: str) -> str:
    """As the database makes its sort keys: the letters A to Z and no others."""
    return "".join(each.lower() if each.isascii() else each for each in text)

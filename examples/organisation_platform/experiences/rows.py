"""The SQL of experiences."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, delete, insert, select, update

from examples.organisation_platform.experiences.shapes import ExperienceListQuery
from examples.organisation_platform.pages import Found, turn_to
from examples.organisation_platform.store import Tenant
from examples.organisation_platform.tables import distributions, experiences, sequences
from examples.organisation_platform.wire import new_id

Row = dict[str, Any]
Parts = Mapping[str, Sequence[RowMapping]]
"""Name of a kind of part to the parts of that kind that one experience has, in their order."""

_ORDERS = {"createdAt": experiences.c.created_at, "updatedAt": experiences.c.updated_at, "name": experiences.c.name_key}
_PARTS = {"sequences": (sequences, "seq"), "distributions": (distributions, "dist")}
_PUBLISHED = experiences.c.open_at.is_not(None)


def list_experiences(tenant: Tenant, query: ExperienceListQuery, *, published: bool) -> Found:
    """The page of the organisation's experiences that is asked for. *published*: without its drafts."""
    return turn_to(tenant, experiences, query, _ORDERS, *([_PUBLISHED] if published else []))


def find_experience(tenant: Tenant, experience_id: str, *, published: bool = False) -> RowMapping | None:
    """The organisation's experience of that id; None where it has none. *published*: a draft is none."""
    mine = (tenant.owns(experiences), experiences.c.id == experience_id, *([_PUBLISHED] if published else []))
    return tenant.conn.execute(select(experiences).where(*mine)).mappings().one_or_none()


def find_parts(tenant: Tenant, experience_ids: Sequence[str], include: str | None) -> Mapping[str, Parts]:
    """Id of an experience to its parts of the kinds in *include*. The ids are those of rows that were found before."""
    found: dict[str, dict[str, list[RowMapping]]] = {each: {} for each in experience_ids}
    for kind in include.split(",") if include else ():
        table, _ = _PARTS[kind]
        order = (table.c.experience_id, table.c.position)
        read = select(table).where(table.c.experience_id.in_(experience_ids)).order_by(*order)
        by_id = defaultdict(list)
        for row in tenant.conn.execute(read).mappings():
            by_id[row["experience_id"]].append(row)
        for each, parts in found.items():
            parts[kind] = by_id[each]
    return found


def slug_taken(tenant: Tenant, slug: str, *, by_other_than: str = "") -> bool:
    """Whether an experience of the organisation has the slug, other than the one of the id *by_other_than*."""
    asked = (tenant.owns(experiences), experiences.c.slug == slug, experiences.c.id != by_other_than)
    return tenant.conn.execute(select(experiences.c.id).where(*asked)).first() is not None


def add_experience(tenant: Tenant, row: Row) -> None:
    """The organisation has the experience *row*."""
    tenant.conn.execute(insert(experiences).values(row | {"organisation": tenant.number}))


def change_experience(tenant: Tenant, experience_id: str, changes: Row) -> None:
    """The organisation's experience of that id has the values of *changes*."""
    mine = (tenant.owns(experiences), experiences.c.id == experience_id)
    tenant.conn.execute(update(experiences).where(*mine).values(changes))


def remove_experience(tenant: Tenant, experience_id: str) -> None:
    """The organisation has no experience of that id, and none of its parts is left."""
    tenant.conn.execute(delete(experiences).where(tenant.owns(experiences), experiences.c.id == experience_id))


def copy_parts(tenant: Tenant, source_id: str, copy_id: str, *, now: datetime) -> None:
    """The experience *copy_id* has parts as *source_id* has them; both are the organisation's."""
    for table, prefix in _PARTS.values():
        parts = tenant.conn.execute(select(table).where(table.c.experience_id == source_id)).mappings().all()
        copies = [dict(part) | {"id": new_id(prefix, now), "experience_id": copy_id} for part in parts]
        if copies:
            tenant.conn.execute(insert(table), copies)

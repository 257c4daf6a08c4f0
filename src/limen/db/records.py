"""The one statement that fills a record, and the one that tells its snapshot: what the gate is handed."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import lru_cache
from ipaddress import ip_network
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from limen.core.keys import State
from limen.core.limits import Limits, read_limits
from limen.core.profile import Profile
from limen.core.record import Owner, Record, Terms
from limen.db.tables import change_head, keys, owners, standings

_STATES = {"active": State.ACTIVE, "inactive": State.INACTIVE, "expired": State.EXPIRED, "revoked": State.REVOKED}

_OF_OWNER = (
    owners.c.kind,
    owners.c.suspended_at,
    standings.c.plan,
    standings.c.allowed,
    standings.c.limits.label("owner_limits"),
)
_ONE = (
    select(change_head.c.seq.label("head"), keys, *_OF_OWNER)
    .select_from(change_head)
    .outerjoin(keys, (keys.c.locator == bindparam("place")) & (keys.c.api == bindparam("api")))
    .outerjoin(owners, owners.c.owner == keys.c.owner)
    .outerjoin(standings, (standings.c.owner == keys.c.owner) & (standings.c.api == keys.c.api))
)


Numbered = Callable[[int, str], int]
"""The version of a pepper and a scheme to the number under which the process has that digest."""

SharedTerms = dict[tuple[str, str, tuple[str, ...], str], Terms]
"""Class, environment, scopes and pinned version to the terms that all keys of them share."""


def load_record(
    connection: Connection, place: bytes, *, api: str, profile: Profile, shared: SharedTerms, numbered: Numbered
) -> tuple[Record | None, int]:
    """The record at *place* of *api*, and the change that it is right up to: one statement, so one snapshot. 0.1 ms."""
    row = connection.execute(_ONE, {"place": place, "api": api}).one()
    if row.key is None:
        return None, row.head
    return _record(row, profile, shared, numbered(row.pepper, row.scheme)), row.head


def load_records(
    connection: Connection, places: Collection[bytes], *, api: str, profile: Profile
) -> dict[bytes, Record]:
    """The records of the keys of *api* at *places*, in one statement: to look at, not for a gate."""
    statement = (
        select(keys, *_OF_OWNER)
        .join(owners, owners.c.owner == keys.c.owner)
        .outerjoin(standings, (standings.c.owner == keys.c.owner) & (standings.c.api == keys.c.api))
        .where(keys.c.locator.in_(places), keys.c.api == api)
    )
    shared: SharedTerms = {}
    return {row.locator: _record(row, profile, shared, 0) for row in connection.execute(statement)}


@lru_cache(maxsize=1_024)  # many owners have the same: they share the values
def _allowance(written: str | None) -> Limits:
    return () if written is None else read_limits(written, "allowance")


def _record(row: Row[Any], profile: Profile, shared: SharedTerms, number: int) -> Record:
    place = row.locator
    lineage = place if row.lineage == place else row.lineage  # one object: its hash is worked out once
    return Record(
        locator=place,
        key_id=place if row.key.encode() == place else row.key.encode(),
        digest=row.digest,
        pepper=number,
        owner=Owner(
            owner_id=row.owner,
            kind=row.kind,
            suspended=row.suspended_at is not None,
            allowed=bool(row.allowed),
            plan=row.plan or "",
            limits=_allowance(row.owner_limits),
        ),
        state=State.REVOKED if row.deleted_at is not None else _STATES[row.state],
        expires_at=math.inf if row.expires_at is None else row.expires_at,
        window=lineage if profile.count_per == "key" else row.owner.encode(),
        lineage=lineage,
        terms=_terms(row, profile, shared),
    )


def _terms(row: Row[Any], profile: Profile, shared: SharedTerms) -> Terms:
    """The terms of a key: shared, unless it has something that is its own."""
    pins = profile.versioning is not None and profile.versioning.missing == "pin"
    common = (getattr(row, "class"), row.environment, tuple(row.scopes), (row.pinned or "") if pins else "")
    if common not in shared:
        key_class = profile.keys.classes.get(common[0])
        held = [scope for scope in common[2] if key_class is not None and scope in key_class.scopes]
        shared[common] = Terms(
            key_class=common[0],
            environment=row.environment.encode(),
            scopes=profile.catalogue.expand(held),
            granted=profile.catalogue.ordered(held),
            ceiling=key_class.limits if key_class is not None else (),
            pinned=common[3].encode(),
        )
    if row.origins is None and row.addresses is None and row.limits is None:
        return shared[common]
    return replace(
        shared[common],
        origins=None if row.origins is None else frozenset(origin.encode() for origin in row.origins),
        addresses=None if row.addresses is None else tuple(ip_network(address) for address in row.addresses),
        limits=_allowance(row.limits),
    )

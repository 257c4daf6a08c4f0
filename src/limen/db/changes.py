"""Reading the change log, and the rules as they stand: what the gate is handed to keep up by."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from limen.core.limits import read_limits
from limen.core.measures import Measure, written
from limen.core.profile import BUILT_IN, Profile
from limen.core.profile_reader import read_profile
from limen.core.rules import Rules, Switches, compile_rules
from limen.core.versions import Brownout, Version
from limen.db.tables import apis, brownouts, change_head, changes, keys, measures, profiles, versions
from limen.db.transaction import Tx

KEPT_S = 7 * 86_400.0
"""How long the log keeps a change. A gate that has not looked for longer forgets everything that it knows."""


MANY = 20_000
"""So many changes are not told one by one: they are everything. Keys are stored anew by the thousands."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What changed for one API, up to and with change number *head*."""

    head: int
    places: tuple[bytes, ...]
    owners: tuple[str, ...]
    rules: bool
    everything: bool


def changes_since(connection: Connection, since: int, *, api: str) -> Changed:
    """What changed for *api* after change number *since*; everything, where the log does not reach back to it."""
    head = connection.execute(select(change_head.c.seq)).scalar_one()
    if head - since > MANY:
        return Changed(head, (), (), rules=True, everything=True)
    rows = connection.execute(
        select(changes.c.kind, changes.c.subject)
        .where(changes.c.seq > since, changes.c.seq <= head, changes.c.api.in_((api, "")))
        .order_by(changes.c.seq)
    ).all()
    kinds = {row.kind for row in rows}
    next_one = connection.execute(select(changes.c.seq).where(changes.c.seq == since + 1)).scalar()
    return Changed(
        head=head,
        places=tuple(row.subject for row in rows if row.kind == "key"),
        owners=tuple(row.subject.decode() for row in rows if row.kind == "owner"),
        rules="rules" in kinds,
        everything="profile" in kinds or (since < head and next_one is None),
    )


def trim(tx: Tx, limit: int = 5_000) -> int:
    """Changes older than ``KEPT_S`` are gone, the oldest first, at most *limit*; how many that was."""
    oldest = tx.connection.execute(select(changes.c.seq, changes.c.at).order_by(changes.c.seq).limit(limit)).all()
    last = 0
    for row in oldest:  # from the front only: a log with holes would not tell that something is missing
        if row.at >= tx.now - KEPT_S:
            break
        last = row.seq
    return tx.connection.execute(delete(changes).where(changes.c.seq <= last)).rowcount if last else 0


def current_rules(connection: Connection, api: str) -> Rules | None:
    """The rules of *api*, or None where there is no such API."""
    row = connection.execute(
        select(apis, profiles.c.document)
        .join(profiles, (profiles.c.api == apis.c.api) & (profiles.c.revision == apis.c.revision))
        .where(apis.c.api == api)
    ).one_or_none()
    if row is None:
        return None
    profile: Profile = read_profile(row.document)
    taken = _measures(connection, api)
    switches = Switches(
        read_only=row.read_only,
        allowlist=row.allowlist,
        emergency=() if row.emergency is None else read_limits(row.emergency, "emergency"),
        blocks=tuple(measure for measure in taken if not measure.limits),
        throttles=tuple(measure for measure in taken if measure.limits),
    )
    return compile_rules(
        profile,
        api=api,
        revision=row.revision,
        switches=switches,
        versions={found.name: found for found in registered_versions(connection, api)},
    )


def registered_versions(connection: Connection, api: str) -> list[Version]:
    """The versions of *api*, in the order of their names."""
    rows = connection.execute(select(versions).where(versions.c.api == api).order_by(versions.c.version)).all()
    dimmed: dict[str, list[Brownout]] = {}
    announced = select(brownouts).where(brownouts.c.api == api, brownouts.c.cancelled_at.is_(None))
    for row in connection.execute(announced.order_by(brownouts.c.starts_at)).all():
        dimmed.setdefault(row.version, []).append(Brownout(row.brownout, row.starts_at, row.ends_at, row.status))
    return [
        Version(row.version, row.deprecated_at, row.sunset_at, row.successor, tuple(dimmed.get(row.version, ())))
        for row in rows
    ]


def _measures(connection: Connection, api: str) -> list[Measure]:
    """What staff did on *api*, or on every API. What is Limen's own is in none: who blocked it could not lift that."""
    if api == BUILT_IN:
        return []
    found = (
        select(measures, keys.c.lineage)
        .outerjoin(keys, (measures.c.target == "key") & (keys.c.key == measures.c.subject))
        .where(measures.c.api.in_((api, "")), measures.c.lifted_at.is_(None))
    )
    return [
        Measure(
            measure=row.measure,
            target=row.target,
            subject=row.subject if row.lineage is None else written(row.lineage),
            limits=() if row.limits is None else read_limits(row.limits, f"measure:{row.measure}"),
            ends_at=math.inf if row.ends_at is None else row.ends_at,
        )
        for row in connection.execute(found.order_by(measures.c.set_at, measures.c.measure)).all()
    ]

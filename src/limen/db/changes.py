"""Reading the change log, and the rules as they stand: what the gate is handed to keep up by."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from limen.core.limits import read_limit
from limen.core.profile import Profile
from limen.core.profile_reader import read_profile
from limen.core.rules import Rules, Switches, compile_rules
from limen.core.versions import Version
from limen.db.tables import apis, change_head, changes, profiles, versions


@dataclass(frozen=True, slots=True)
class Changed:
    """What changed for one API, up to and with change number *head*."""

    head: int
    places: tuple[bytes, ...]
    owners: tuple[str, ...]
    rules: bool
    everything: bool


def changes_since(connection: Connection, since: int, *, api: str) -> Changed:
    """What changed for *api* after change number *since*."""
    head = connection.execute(select(change_head.c.seq)).scalar_one()
    rows = connection.execute(
        select(changes.c.kind, changes.c.subject)
        .where(changes.c.seq > since, changes.c.seq <= head, changes.c.api.in_((api, "")))
        .order_by(changes.c.seq)
    ).all()
    kinds = {row.kind for row in rows}
    return Changed(
        head=head,
        places=tuple(row.subject for row in rows if row.kind == "key"),
        owners=tuple(row.subject.decode() for row in rows if row.kind == "owner"),
        rules="rules" in kinds,
        everything="profile" in kinds,
    )


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
    emergency = None
    if row.emergency is not None:
        emergency = read_limit(row.emergency, "emergency")
    return compile_rules(
        profile,
        api=api,
        revision=row.revision,
        switches=Switches(read_only=row.read_only, allowlist=row.allowlist, emergency=emergency),
        versions={found.name: found for found in registered_versions(connection, api)},
    )


def registered_versions(connection: Connection, api: str) -> list[Version]:
    """The versions of *api*, in the order of their names."""
    rows = connection.execute(select(versions).where(versions.c.api == api).order_by(versions.c.version))
    return [Version(row.version, row.deprecated_at, row.sunset_at, row.successor) for row in rows]

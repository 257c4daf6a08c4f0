"""The SQL of APIs, profiles and versions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Text, bindparam, cast, func, insert, select, update

from limen.db.tables import apis, keys, profiles, versions

_WRITTEN = (
    select(cast(profiles.c.document, Text))
    .join(apis, (profiles.c.api == apis.c.api) & (profiles.c.revision == apis.c.revision))
    .where(apis.c.api == bindparam("which"))
)
_LIVE = ("active", "inactive")


def add(connection: Connection, **values: Any) -> None:
    """A new API's row."""
    connection.execute(insert(apis).values(**values))


def one(connection: Connection, api: str) -> Row[Any] | None:
    """The API's row, with the name and title that its profile has."""
    return connection.execute(_with_profile().where(apis.c.api == api)).one_or_none()


def written(connection: Connection, api: str) -> str | None:
    """The text of the profile in force on *api*."""
    return connection.execute(_WRITTEN, {"which": api}).scalar()


def everything(connection: Connection) -> Sequence[Row[Any]]:
    """All APIs, in the order of their names."""
    return connection.execute(_with_profile().order_by(apis.c.api)).all()


def _with_profile() -> Any:
    return select(apis, profiles.c.document).join(
        profiles, (profiles.c.api == apis.c.api) & (profiles.c.revision == apis.c.revision)
    )


def change(connection: Connection, api: str, **values: Any) -> None:
    """Set columns of an API's row."""
    connection.execute(update(apis).where(apis.c.api == api).values(**values))


def add_profile(connection: Connection, api: str, revision: int, document: Mapping[str, Any], **values: Any) -> None:
    """A revision of an API's profile."""
    connection.execute(insert(profiles).values(api=api, revision=revision, document=document, **values))


def document(connection: Connection, api: str, revision: int) -> Mapping[str, Any] | None:
    """A revision of an API's profile, as it was applied."""
    statement = select(profiles.c.document).where(profiles.c.api == api, profiles.c.revision == revision)
    return connection.execute(statement).scalar()


def revisions(connection: Connection, api: str, *, before: int, limit: int) -> Sequence[Any]:
    """The revisions of an API's profile below *before*, the newest first, without their documents."""
    columns = (profiles.c.revision, profiles.c.applied_at, profiles.c.applied_by)
    statement = select(*columns).where(profiles.c.api == api, profiles.c.revision < before)
    return connection.execute(statement.order_by(profiles.c.revision.desc()).limit(limit)).all()


def version_rows(connection: Connection, api: str) -> dict[str, Row[Any]]:
    """The register of versions, by name."""
    found = connection.execute(select(versions).where(versions.c.api == api).order_by(versions.c.version))
    return {row.version: row for row in found}


def add_version(connection: Connection, api: str, version: str, **values: Any) -> None:
    """A new version's row."""
    connection.execute(insert(versions).values(api=api, version=version, **values))


def change_version(connection: Connection, api: str, version: str, **values: Any) -> None:
    """Set columns of a version's row."""
    connection.execute(update(versions).where(versions.c.api == api, versions.c.version == version).values(**values))


def end_by_date(connection: Connection, api: str, now: float) -> Sequence[Row[Any]]:
    """Every key of *api* that ended by its date says so; which those are that did not before."""
    statement = (
        update(keys)
        .where(*_live(api), keys.c.expires_at <= now)
        .values(state="expired", slot=None, ended_at=now, ended_reason="expired")
        .returning(keys.c.key, keys.c.owner, keys.c.locator)
    )
    return connection.execute(statement).all()


def _live(api: str) -> tuple[ColumnElement[bool], ...]:
    """The API's keys that have not ended. None of them is deleted: the indexes ask for that to be said."""
    return keys.c.api == api, keys.c.state.in_(_LIVE), keys.c.deleted_at.is_(None)


def owners_with_several(connection: Connection, api: str) -> Sequence[str]:
    """Up to ten owners that hold more than one active key of *api*."""
    live = (keys.c.api == api) & (keys.c.state == "active") & keys.c.deleted_at.is_(None)
    statement = select(keys.c.owner).where(live).group_by(keys.c.owner).having(func.count() > 1).limit(10)
    return connection.execute(statement).scalars().all()


def take_slots(connection: Connection, api: str) -> None:
    """Every active key of *api* takes its owner's slot, where it has none."""
    connection.execute(
        update(keys)
        .where(keys.c.api == api, keys.c.state == "active", keys.c.slot.is_(None))
        .values(slot=keys.c.api + ":" + keys.c.owner)
    )


def classes_in_use(connection: Connection, api: str) -> Sequence[Any]:
    """The classes and environments of the API's keys that have not ended."""
    statement = select(keys.c["class"].label("key_class"), keys.c.environment)
    return connection.execute(statement.where(*_live(api)).distinct()).all()


def scopes_in_use(connection: Connection, api: str) -> set[str]:
    """The scopes that the API's keys that have not ended were issued with."""
    written = select(cast(keys.c.scopes, Text)).where(*_live(api)).distinct()
    return {scope for scopes in connection.execute(written).scalars() for scope in json.loads(scopes)}

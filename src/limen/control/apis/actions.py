"""The verbs of an API and its switches."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from limen.control.apis import _rows
from limen.core import events
from limen.core.limits import Limit
from limen.core.problems import ProblemError
from limen.core.profile import Profile
from limen.core.profile_reader import read_profile
from limen.db.transaction import Reader, Tx

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True)
class Api:
    """An API, as control shows it."""

    api: str
    profile: str
    title: str
    revision: int
    read_only: bool
    allowlist: bool
    emergency: str
    """The limit on the API as a whole, as it is written; empty: none."""
    created_at: float


def create(tx: Tx, api: str, profile: Profile) -> Api:
    """The API, made with the first revision of its profile. Raises ``api_exists``, ``request_malformed``."""
    if _NAME.fullmatch(api) is None:
        raise ProblemError("request_malformed", f"API name {api!r} is not 1 to 32 of a-z, 0-9 and -, from a letter on.")
    if _rows.one(tx.connection, api) is not None:
        raise ProblemError("api_exists", f"There is an API {api!r} already.")
    _rows.add(
        tx.connection,
        api=api,
        revision=1,
        read_only=False,
        allowlist=profile.allowlist,
        one_active=profile.keys.max_active_per_owner == 1,
        created_at=tx.now,
    )
    _rows.add_profile(tx.connection, api, 1, profile.document, applied_at=tx.now, applied_by=str(tx.actor))
    if profile.versioning is not None:
        for version in profile.versioning.versions:
            _rows.add_version(
                tx.connection,
                api,
                version.name,
                deprecated_at=version.deprecated_at,
                sunset_at=version.sunset_at,
                successor=version.successor,
                by_staff=False,
                registered_at=tx.now,
            )
    tx.change("profile", api=api)
    tx.record("apis.create", events.ApiCreated(api=api, subject=api), profile=profile.name)
    return require(tx, api)


def require(reader: Reader, api: str) -> Api:
    """The API. Raises ``api_unknown``."""
    return _api(_row(reader, api))


def listed(reader: Reader) -> list[Api]:
    """All APIs, in the order of their names."""
    return [_api(row) for row in _rows.everything(reader.connection)]


def profile_of(reader: Reader, api: str) -> Profile:
    """The profile in force on *api*, without what staff set beside it. Raises ``api_unknown``. A read and ~1 ms."""
    return read_profile(_row(reader, api).document)


def _row(reader: Reader, api: str) -> Any:
    row = _rows.one(reader.connection, api)
    if row is None:
        raise ProblemError("api_unknown", f"There is no API {api!r}.")
    return row


def _api(row: Any) -> Api:
    return Api(
        api=row.api,
        profile=row.document["profile"],
        title=row.document["title"],
        revision=row.revision,
        read_only=row.read_only,
        allowlist=row.allowlist,
        emergency=row.emergency or "",
        created_at=row.created_at,
    )


def switch(tx: Tx, api: str, name: str, value: bool | Limit | None) -> Api:
    """Set a switch; it holds until it is set otherwise, whatever profile is applied.

    *name*: ``read_only`` (while true every write is refused, C11), ``allowlist`` (while true only owners on the list
    are admitted, R99), ``emergency`` (a ``Limit`` on the API as a whole over all callers, or None, R124).
    """
    held = require(tx, api)
    written = str(value or "none") if name == "emergency" else "on" if value else "off"
    if name == "emergency":
        limit = value if isinstance(value, Limit) else None
        same = held.emergency == str(limit or "")
        columns: dict[str, Any] = {"emergency": str(limit) if limit else None}
    else:
        same = {"read_only": held.read_only, "allowlist": held.allowlist}[name] == value
        columns = {name: value}
    if not same:
        _rows.change(tx.connection, api, **columns)
        tx.change("rules", api=api)
        tx.record("apis.switch", events.ApiSwitched(api=api, subject=api, switch=name, value=written))
    return require(tx, api)

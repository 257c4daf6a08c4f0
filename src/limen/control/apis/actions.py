"""The verbs of an API and its switches."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from limen.control.apis import _rows
from limen.core import events
from limen.core.limits import Limits, read_limits, warnings, write_limits
from limen.core.problems import ProblemError
from limen.core.profile import BUILT_IN, Profile
from limen.core.profile_reader import read_profile
from limen.db.transaction import Reader, Tx

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_RESERVED = "limen_"


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
    """The limits on the API as a whole, as they are written; empty: none."""
    created_at: float
    warnings: tuple[str, ...] = ()
    """What is odd about these limits."""


def create(tx: Tx, api: str, profile: Profile) -> Api:
    """The API, made with the first revision of its profile.

    Raises ``api_exists``, ``request_malformed``, ``profile_conflict`` for a prefix of Limen's own, and ``api_built_in``
    for the name that is.
    """
    if _NAME.fullmatch(api) is None:
        raise ProblemError("request_malformed", f"API name {api!r} is not 1 to 32 of a-z, 0-9 and -, from a letter on.")
    refuse_built_in(api)
    refuse_reserved(profile)
    return add(tx, api, profile)


def refuse_reserved(profile: Profile) -> None:
    """Raises ``profile_conflict`` for keys that would look like those of Limen's own API, or like its invitations."""
    own = [prefix for held in profile.keys.classes.values() for prefix in held.prefixes.values()]
    for prefix in (*own, *(foreign.prefix for foreign in profile.keys.foreign)):
        if prefix.startswith(_RESERVED):
            raise ProblemError("profile_conflict", f"Prefix {prefix!r}: {_RESERVED!r} is for what is Limen's own.")


def refuse_built_in(api: str) -> None:
    """Raises ``api_built_in`` for the API that is Limen's own: no hand changes it, or nobody could lift a mistake."""
    if api == BUILT_IN:
        raise ProblemError("api_built_in", f"{BUILT_IN!r} is Limen's own management API, and goes by its release.")


def add(tx: Tx, api: str, profile: Profile) -> Api:
    """The API, made, whatever its name is. Raises ``api_exists``."""
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


def listed(reader: Reader, *, built_in: bool = False) -> list[Api]:
    """All APIs, in the order of their names; Limen's own only if *built_in* ones are asked for too."""
    return [_api(row) for row in _rows.everything(reader.connection) if built_in or row.api != BUILT_IN]


def profile_of(reader: Reader, api: str) -> Profile:
    """The profile in force on *api*, without what staff set beside it. Raises ``api_unknown``. A read.

    A process reads each text once, which takes ~1 ms: a profile is a value.
    """
    written = _rows.written(reader.connection, api)
    if written is None:
        raise ProblemError("api_unknown", f"There is no API {api!r}.")
    return _read(written)


@lru_cache(maxsize=64)
def _read(written: str) -> Profile:
    return read_profile(json.loads(written))


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
        warnings=() if row.emergency is None else warnings(read_limits(row.emergency, "emergency")),
    )


def switch(tx: Tx, api: str, name: str, value: bool | Limits) -> Api:
    """Set a switch; it holds until it is set otherwise, whatever profile is applied.

    *name*: ``read_only`` (while true every write is refused, C11), ``allowlist`` (while true only owners on the list
    are admitted, R99), ``emergency`` (``Limits`` on the API as a whole over all callers, none for ``()``, R124). Raises
    ``api_unknown``, and ``api_built_in`` for Limen's own: it is exempt, or nobody could lift what was set.
    """
    held = require(tx, api)
    refuse_built_in(api)
    written = "on" if value else "off"
    if name == "emergency":
        limits = write_limits(value) if isinstance(value, tuple) else ""
        same, written = held.emergency == limits, limits or "none"
        columns: dict[str, Any] = {"emergency": limits or None}
    else:
        same = {"read_only": held.read_only, "allowlist": held.allowlist}[name] == value
        columns = {name: value}
    if not same:
        _rows.change(tx.connection, api, **columns)
        tx.change("rules", api=api)
        happened = events.ApiSwitched(api=api, subject=api, switch=name, value=written)
        tx.record("apis.switch", happened, before={name: getattr(held, name)}, after=columns)
    return require(tx, api)

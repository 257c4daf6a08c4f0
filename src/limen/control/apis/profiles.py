"""Applying a profile: the next revision, through the change log, without undoing what staff set meanwhile unsaid."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from limen.control.apis import _rows
from limen.control.apis.actions import Api, profile_of, refuse_built_in, refuse_reserved, require
from limen.core import events
from limen.core.problems import ProblemError
from limen.core.profile import Profile
from limen.core.versions import Version, iso_instant
from limen.db.transaction import Reader, Tx


def document_of(reader: Reader, api: str, revision: int | None = None) -> Mapping[str, Any]:
    """A revision of *api*'s profile as plain data; None: the one in force. Raises ``api_unknown``, ``not_found``."""
    held = require(reader, api)
    document = _rows.document(reader.connection, api, revision or held.revision)
    if document is None:
        raise ProblemError("not_found", f"API {api!r} has no revision {revision}; it has 1 to {held.revision}.")
    return document


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision of a profile, without its document."""

    revision: int
    applied_at: float
    applied_by: str


def revisions(reader: Reader, api: str, *, before: int | None = None, limit: int = 100) -> list[Revision]:
    """The revisions of *api*'s profile below *before*, the newest first, at most *limit*. Raises ``api_unknown``."""
    held = require(reader, api)
    rows = _rows.revisions(reader.connection, api, before=before or held.revision + 1, limit=limit)
    return [Revision(row.revision, row.applied_at, row.applied_by) for row in rows]


def overwritten(reader: Reader, api: str, profile: Profile) -> list[str]:
    """What staff set on versions that applying *profile* would set otherwise, a line each (switches always stay)."""
    lines = []
    stated = {version.name: version for version in _stated(profile)}
    for name, row in _rows.version_rows(reader.connection, api).items():
        version = stated.get(name)
        if not row.by_staff or version is None:
            continue
        for what in ("deprecated_at", "sunset_at", "successor"):
            held, new = getattr(row, what), getattr(version, what)
            if held != new:
                lines.append(f"version {name}: {what} was set to {_said(held)} by staff, the profile says {_said(new)}")
    return lines


def _said(value: float | str | None) -> str:
    return "nothing" if value is None else value if isinstance(value, str) else iso_instant(value)


def apply_profile(tx: Tx, api: str, profile: Profile, *, overwrite: bool = False) -> Api:
    """The API goes by *profile* from now on, in every process. Unchanged: nothing happens.

    Versions that staff registered stay. Raises ``profile_conflict`` where keys that exist do not fit the profile, where
    new ones would look like Limen's own, and where it would overwrite what staff set, unless *overwrite*;
    ``api_built_in`` for Limen's own.
    """
    refuse_built_in(api)
    refuse_reserved(profile)
    return put(tx, api, profile, overwrite=overwrite)


def put(tx: Tx, api: str, profile: Profile, *, overwrite: bool) -> Api:
    """As ``apply_profile``, whatever the API is."""
    held = profile_of(tx, api)
    row = require(tx, api)
    if held.document == profile.document:
        return row
    if not overwrite and (lines := overwritten(tx, api, profile)):
        raise ProblemError("profile_conflict", "Applying it would overwrite: " + "; ".join(lines) + ".")
    _fit_keys(tx, api, profile, held)
    _rows.add_profile(
        tx.connection, api, row.revision + 1, profile.document, applied_at=tx.now, applied_by=str(tx.actor)
    )
    one_active = profile.keys.max_active_per_owner == 1
    # The list is as the profile says, until staff say otherwise: then it stays as they said.
    allowlist = profile.allowlist if row.allowlist == held.allowlist else row.allowlist
    _rows.change(tx.connection, api, revision=row.revision + 1, one_active=one_active, allowlist=allowlist)
    dated = _dates(tx, api)
    _merge_versions(tx, api, profile, overwrite=overwrite)
    tx.change("profile", api=api)
    before = {"revision": row.revision, "allowlist": row.allowlist, "versions": dated}
    after = {"revision": row.revision + 1, "allowlist": allowlist, "versions": _dates(tx, api)}
    happened = events.ProfileApplied(api=api, subject=api, revision=row.revision + 1)
    tx.record("profiles.apply", happened, before=before, after=after)
    return require(tx, api)


def _dates(reader: Reader, api: str) -> dict[str, dict[str, Any]]:
    """The versions of *api* by name, each with its dates and its successor."""
    found = _rows.version_rows(reader.connection, api).items()
    return {
        name: {what: getattr(row, what) for what in ("deprecated_at", "sunset_at", "successor")} for name, row in found
    }


def _stated(profile: Profile) -> tuple[Version, ...]:
    return profile.versioning.versions if profile.versioning is not None else ()


def _fit_keys(tx: Tx, api: str, profile: Profile, held: Profile) -> None:
    """Refuse a profile that leaves existing keys without a class, a prefix or a slot; give them their slots."""
    if profile.owner_type != held.owner_type:
        raise ProblemError("profile_conflict", "The type of owner cannot change: keys are not handed over (C12).")
    _end_by_date(tx, api)
    for found in _rows.classes_in_use(tx.connection, api):
        before, after = (_prefix(each, found.key_class, found.environment) for each in (held, profile))
        if after is None:
            raise ProblemError(
                "profile_conflict",
                f"There are keys of class {found.key_class} in {found.environment}, which it does not have.",
            )
        if after != before:
            raise ProblemError(
                "profile_conflict",
                f"Keys of class {found.key_class} in {found.environment} begin with {before}, not with {after}.",
            )
    if wider := _wider(profile, held, _rows.scopes_in_use(tx.connection, api)):
        raise ProblemError(
            "profile_conflict", f"Keys that exist would get more than they were issued with: {', '.join(wider)} (C4)."
        )
    if profile.keys.max_active_per_owner == 1 and held.keys.max_active_per_owner != 1:
        several = _rows.owners_with_several(tx.connection, api)
        if several:
            raise ProblemError(
                "profile_conflict", f"It allows one active key, but more are held by {', '.join(several)}."
            )
        _rows.take_slots(tx.connection, api)


def _wider(profile: Profile, held: Profile, in_use: Collection[str]) -> list[str]:
    """The scopes *in_use* that come to imply more. One that implies all was issued as that, and goes on to."""
    wider = []
    for name in profile.catalogue.scopes:
        if name not in in_use or (_implies_all(profile, name) and _implies_all(held, name)):
            continue
        before = held.catalogue.closure.get(name, frozenset({name}))
        if more := profile.catalogue.closure[name] - before:
            wider.append(f"{name} implies {', '.join(sorted(more))}")
    return wider


def _implies_all(profile: Profile, name: str) -> bool:
    """Whether scope *name*, or one that it implies, is written as implying all."""
    stated = (profile.document["scopes"][each] for each in profile.catalogue.closure.get(name, ()))
    return any(isinstance(each, Mapping) and each.get("implies") == "all" for each in stated)


def _prefix(profile: Profile, key_class: str, environment: str) -> str | None:
    held = profile.keys.classes.get(key_class)
    return held.prefixes.get(environment) if held is not None else None


def _end_by_date(tx: Tx, api: str) -> None:
    """Mark the API's keys that ended by date, so that they hold no slot and stand in no profile's way."""
    for row in _rows.end_by_date(tx.connection, api, tx.now):
        tx.change("key", api=api, subject=row.locator)
        happened = events.KeyExpired(api=api, subject=row.key, owner=row.owner)
        tx.record("keys.expire", happened, after={"state": "expired"})


def _merge_versions(tx: Tx, api: str, profile: Profile, *, overwrite: bool) -> None:
    registered = _rows.version_rows(tx.connection, api)
    for version in _stated(profile):
        dates = {
            "deprecated_at": version.deprecated_at,
            "sunset_at": version.sunset_at,
            "successor": version.successor,
            "by_staff": False,
        }
        row = registered.get(version.name)
        if row is not None and (overwrite or not row.by_staff):
            before = Version(row.version, row.deprecated_at, row.sunset_at, row.successor).stage(tx.now)
            if version.stage(tx.now) < before:
                raise ProblemError("lifecycle_one_way", f"Version {version.name} is {before.name.lower()} already.")
        if row is None:
            _rows.add_version(tx.connection, api, version.name, registered_at=tx.now, **dates)
        elif overwrite or not row.by_staff:
            _rows.change_version(tx.connection, api, version.name, **dates)

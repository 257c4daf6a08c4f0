"""The verbs of versions: register, deprecate, sunset; one way only (R57, R166)."""

from __future__ import annotations

from typing import Any

from limen.control.apis import _rows
from limen.control.apis.actions import profile_of
from limen.core import events
from limen.core.problems import ProblemError
from limen.core.versions import Stage, Version, http_date, well_formed
from limen.db.transaction import Reader, Tx

_END_OF_TIME_S = 253_370_764_800.0
"""The year 9999, in Unix seconds: no header can say what is later."""


def register(tx: Tx, api: str, name: str) -> Version:
    """A new, active version. Raises ``version_exists``, or ``version_malformed`` for a name of the wrong form."""
    versioning = profile_of(tx, api).versioning
    if versioning is None:
        raise ProblemError("lifecycle_dates_wrong", f"API {api!r} has no versions: its profile has no 'versioning'.")
    if not well_formed(name, versioning.form):
        raise ProblemError(
            "version_malformed", f"{name!r} is not of the form of this API's versions: {versioning.form}."
        )
    if name in _rows.version_rows(tx.connection, api):
        raise ProblemError("version_exists", f"Version {name} is registered already.")
    _rows.add_version(tx.connection, api, name, by_staff=True, registered_at=tx.now)
    tx.change("rules", api=api)
    tx.record("versions.register", events.VersionRegistered(api=api, subject=name))
    return Version(name)


def deprecate(tx: Tx, api: str, name: str, *, at: float, successor: str | None = None) -> Version:
    """The version is deprecated from *at* on (Unix seconds). Raises ``lifecycle_one_way`` once it has been."""
    found = _version(tx, api, name)
    wanted = successor or found.successor
    if (found.deprecated_at, found.successor) == (at, wanted):
        return found
    if found.stage(tx.now) is not Stage.ACTIVE:
        raise ProblemError(
            "lifecycle_one_way", f"Version {name} is deprecated since {http_date(found.deprecated_at or 0)}."
        )
    _require_successor(tx, api, name, wanted)
    version = _dated(name, at, found.sunset_at, wanted)
    _store(tx, api, version)
    tx.record("versions.deprecate", events.VersionDeprecated(api=api, subject=name, at=at), successor=wanted)
    return version


def sunset(tx: Tx, api: str, name: str, *, at: float, successor: str | None = None) -> Version:
    """The version stops working at *at* (Unix seconds), and is deprecated by then.

    Raises ``lifecycle_one_way`` once it has stopped, ``lifecycle_dates_wrong`` without a successor to move to.
    """
    found = _version(tx, api, name)
    wanted = successor or found.successor
    if (found.sunset_at, found.successor) == (at, wanted):
        return found
    if found.stage(tx.now) is Stage.SUNSET:
        raise ProblemError("lifecycle_one_way", f"Version {name} stopped working on {http_date(found.sunset_at or 0)}.")
    if wanted is None:
        raise ProblemError("lifecycle_dates_wrong", f"Version {name} needs a successor that its callers can move to.")
    _require_successor(tx, api, name, wanted)
    version = _dated(name, min(tx.now, at) if found.deprecated_at is None else found.deprecated_at, at, wanted)
    _store(tx, api, version)
    tx.record("versions.sunset", events.VersionSunset(api=api, subject=name, at=at, successor=wanted))
    return version


def _version(reader: Reader, api: str, name: str) -> Version:
    profile_of(reader, api)
    rows: dict[str, Any] = _rows.version_rows(reader.connection, api)
    if name not in rows:
        raise ProblemError(
            "version_not_registered", f"API {api!r} has no version {name}; it has {', '.join(rows) or 'none'}."
        )
    row = rows[name]
    return Version(name, row.deprecated_at, row.sunset_at, row.successor)


def _require_successor(reader: Reader, api: str, name: str, successor: str | None) -> None:
    """Raises a problem where *successor* does not lead callers of *name* on to a version that goes on working."""
    if successor is None:
        return
    stage = _version(reader, api, successor).stage(reader.now)
    if stage is Stage.SUNSET or name in _onward(reader, api, successor):
        raise ProblemError("lifecycle_dates_wrong", f"Version {successor} cannot be the successor of {name}.")


def _onward(reader: Reader, api: str, name: str | None) -> list[str]:
    """*name*, its successor, that one's, and so on."""
    rows = _rows.version_rows(reader.connection, api)
    way: list[str] = []
    while name is not None and name not in way:
        way.append(name)
        name = rows[name].successor if name in rows else None
    return way


def _dated(name: str, deprecated_at: float | None, sunset_at: float | None, successor: str | None) -> Version:
    for moment in (deprecated_at, sunset_at):
        if moment is not None and not 0 <= moment < _END_OF_TIME_S:
            raise ProblemError("lifecycle_dates_wrong", "A version's dates lie from 1970 to 9998.")
    try:
        return Version(name, deprecated_at, sunset_at, successor)
    except ValueError as error:
        raise ProblemError("lifecycle_dates_wrong", str(error)) from error


def _store(tx: Tx, api: str, version: Version) -> None:
    _rows.change_version(
        tx.connection,
        api,
        version.name,
        deprecated_at=version.deprecated_at,
        sunset_at=version.sunset_at,
        successor=version.successor,
        by_staff=True,
    )
    tx.change("rules", api=api)

"""The verbs of versions: register, deprecate, sunset; one way only (R57, R166)."""

from __future__ import annotations

from limen.control.apis import profile_of
from limen.control.versions import _rows
from limen.core import events
from limen.core.problems import ProblemError
from limen.core.versions import Stage, Version, by_age, http_date, well_formed
from limen.db.changes import registered_versions
from limen.db.transaction import Reader, Tx

END_OF_TIME_S = 253_370_764_800.0
"""The year 9999, in Unix seconds: no header can say what is later."""


def listed(reader: Reader, api: str) -> list[Version]:
    """The versions of *api* with their brownouts, in the order of their names. Raises ``api_unknown``."""
    profile_of(reader, api)
    return registered_versions(reader.connection, api)


def require(reader: Reader, api: str, name: str) -> Version:
    """The version. Raises ``api_unknown``, ``version_not_registered``."""
    known = {version.name: version for version in listed(reader, api)}
    if name not in known:
        raise ProblemError(
            "version_not_registered", f"API {api!r} has no version {name}; it has {', '.join(known) or 'none'}."
        )
    return known[name]


def newest(reader: Reader, api: str) -> str | None:
    """The newest active version of *api*; the newest that is still served where none is; None where there is none."""
    served = [version for version in listed(reader, api) if version.stage(reader.now) is not Stage.SUNSET]
    active = [version for version in served if version.stage(reader.now) is Stage.ACTIVE]
    return max((version.name for version in active or served), key=by_age, default=None)


def register(tx: Tx, api: str, name: str) -> Version:
    """A new, active version. Raises ``version_exists``, or ``version_malformed`` for a name of the wrong form."""
    versioning = profile_of(tx, api).versioning
    if versioning is None:
        raise ProblemError("lifecycle_dates_wrong", f"API {api!r} has no versions: its profile has no 'versioning'.")
    if not well_formed(name, versioning.form):
        raise ProblemError(
            "version_malformed", f"{name!r} is not of the form of this API's versions: {versioning.form}."
        )
    if name in {version.name for version in listed(tx, api)}:
        raise ProblemError("version_exists", f"Version {name} is registered already.")
    _rows.add(tx.connection, api, name, by_staff=True, registered_at=tx.now)
    tx.change("rules", api=api)
    tx.record("versions.register", events.VersionRegistered(api=api, subject=name))
    return Version(name)


def deprecate(tx: Tx, api: str, name: str, *, at: float, successor: str | None = None) -> Version:
    """The version is deprecated from *at* on (Unix seconds). Raises ``lifecycle_one_way`` once it has been."""
    found = require(tx, api, name)
    wanted = successor or found.successor
    if (found.deprecated_at, found.successor) == (at, wanted):
        return found
    if found.stage(tx.now) is not Stage.ACTIVE:
        raise ProblemError(
            "lifecycle_one_way", f"Version {name} is deprecated since {http_date(found.deprecated_at or 0)}."
        )
    _require_successor(tx, api, name, wanted)
    version = _dated(found, at, found.sunset_at, wanted)
    _store(tx, api, version)
    happened = events.VersionDeprecated(api=api, subject=name, at=at)
    tx.record("versions.deprecate", happened, before=_dates(found), after=_dates(version))
    return version


def sunset(tx: Tx, api: str, name: str, *, at: float, successor: str | None = None) -> Version:
    """The version stops working at *at* (Unix seconds), and is deprecated by then.

    Raises ``lifecycle_one_way`` once it has stopped, ``lifecycle_dates_wrong`` without a successor to move to.
    """
    found = require(tx, api, name)
    wanted = successor or found.successor
    if (found.sunset_at, found.successor) == (at, wanted):
        return found
    if found.stage(tx.now) is Stage.SUNSET:
        raise ProblemError("lifecycle_one_way", f"Version {name} stopped working on {http_date(found.sunset_at or 0)}.")
    if wanted is None:
        raise ProblemError("lifecycle_dates_wrong", f"Version {name} needs a successor that its callers can move to.")
    _require_successor(tx, api, name, wanted)
    version = _dated(found, min(tx.now, at) if found.deprecated_at is None else found.deprecated_at, at, wanted)
    _store(tx, api, version)
    happened = events.VersionSunset(api=api, subject=name, at=at, successor=wanted)
    tx.record("versions.sunset", happened, before=_dates(found), after=_dates(version))
    return version


def _dates(version: Version) -> dict[str, float | str | None]:
    return {
        "deprecated_at": version.deprecated_at,
        "sunset_at": version.sunset_at,
        "successor": version.successor,
    }


def _require_successor(reader: Reader, api: str, name: str, successor: str | None) -> None:
    """Raises a problem where *successor* does not lead callers of *name* on to a version that goes on working."""
    if successor is None:
        return
    stage = require(reader, api, successor).stage(reader.now)
    if stage is Stage.SUNSET or name in _onward(reader, api, successor):
        raise ProblemError("lifecycle_dates_wrong", f"Version {successor} cannot be the successor of {name}.")


def _onward(reader: Reader, api: str, name: str | None) -> list[str]:
    """*name*, its successor, that one's, and so on."""
    following = {version.name: version.successor for version in listed(reader, api)}
    way: list[str] = []
    while name is not None and name not in way:
        way.append(name)
        name = following.get(name)
    return way


def _dated(found: Version, deprecated_at: float | None, sunset_at: float | None, successor: str | None) -> Version:
    for moment in (deprecated_at, sunset_at):
        if moment is not None and not 0 <= moment < END_OF_TIME_S:
            raise ProblemError("lifecycle_dates_wrong", "A version's dates lie from 1970 to 9998.")
    try:
        return Version(found.name, deprecated_at, sunset_at, successor, found.brownouts)
    except ValueError as error:
        raise ProblemError("lifecycle_dates_wrong", str(error)) from error


def _store(tx: Tx, api: str, version: Version) -> None:
    _rows.change(
        tx.connection,
        api,
        version.name,
        deprecated_at=version.deprecated_at,
        sunset_at=version.sunset_at,
        successor=version.successor,
        by_staff=True,
    )
    tx.change("rules", api=api)

"""The verbs of brownouts: minutes in which a deprecated version does not work, announced before they come."""

from __future__ import annotations

from typing import Any

from limen.control.versions import _rows
from limen.control.versions.actions import END_OF_TIME_S, require
from limen.core import events
from limen.core.keys import draw_id
from limen.core.problems import ProblemError
from limen.core.versions import Version, http_date
from limen.db.transaction import Tx

STATUSES = (410, 503)


def announce_brownout(
    tx: Tx, api: str, version: str, *, starts_at: float, ends_at: float, status: int = 410
) -> Version:
    """The version does not work from *starts_at* until *ends_at* (Unix seconds): every request is answered *status*.

    Announced twice, it is announced once. Raises ``version_not_registered``, ``brownout_wrong`` for a time that has
    begun, in which the version is not deprecated yet or sunset already, or in which it is in another brownout.
    """
    found = require(tx, api, version)
    if any((held.starts_at, held.ends_at, held.status) == (starts_at, ends_at, status) for held in found.brownouts):
        return found
    _check(found, starts_at, ends_at, status, now=tx.now)
    brownout = draw_id(tx.entropy)
    _rows.add_brownout(
        tx.connection,
        brownout=brownout,
        api=api,
        version=version,
        starts_at=starts_at,
        ends_at=ends_at,
        status=status,
        announced_at=tx.now,
    )
    tx.change("rules", api=api)
    happened = events.BrownoutAnnounced(
        api=api, subject=version, brownout=brownout, starts_at=starts_at, ends_at=ends_at, status=status
    )
    tx.record("versions.announce_brownout", happened, after=_written(happened))
    return require(tx, api, version)


def cancel_brownout(tx: Tx, api: str, brownout: str) -> Version:
    """The brownout does not come or, where it has begun, is over; the version that it was of.

    What has ended stays. Raises ``brownout_unknown``.
    """
    row = _rows.one_brownout(tx.connection, brownout)
    if row is None or row.api != api:
        raise ProblemError("brownout_unknown", f"API {api!r} has no brownout {brownout!r}.")
    if row.cancelled_at is None and tx.now < row.ends_at:
        _rows.change_brownout(tx.connection, brownout, cancelled_at=tx.now)
        tx.change("rules", api=row.api)
        happened = events.BrownoutCancelled(api=row.api, subject=row.version, brownout=brownout)
        tx.record("versions.cancel_brownout", happened, before=_written(row))
    return require(tx, row.api, row.version)


def _check(version: Version, starts_at: float, ends_at: float, status: int, *, now: float) -> None:
    def wrong(detail: str) -> ProblemError:
        return ProblemError("brownout_wrong", detail)

    if status not in STATUSES:
        raise wrong(f"A brownout is answered with {' or '.join(map(str, STATUSES))}, not with {status}.")
    if not now <= starts_at < ends_at < END_OF_TIME_S:
        raise wrong("A brownout begins now or later, ends after that, and before the year 9999.")
    if version.deprecated_at is None or starts_at < version.deprecated_at:
        since = "never" if version.deprecated_at is None else f"from {http_date(version.deprecated_at)} on"
        raise wrong(f"Version {version.name} is deprecated {since}; a brownout is of a deprecated version.")
    if version.sunset_at is not None and ends_at > version.sunset_at:
        raise wrong(f"Version {version.name} stops working on {http_date(version.sunset_at)}; end it before that.")
    for held in version.brownouts:
        if held.starts_at < ends_at and starts_at < held.ends_at:
            raise wrong(f"Version {version.name} is in brownout {held.brownout} in that time already.")


def _written(said: Any) -> dict[str, Any]:
    """A brownout as the audit has it."""
    return {name: getattr(said, name) for name in ("brownout", "starts_at", "ends_at", "status")}

"""Versions of an API: Active, then Deprecated, then Sunset, one way only; and the headers they cause (R57 to R61)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email.utils import format_datetime
from enum import IntEnum

Header = tuple[bytes, bytes]
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SEGMENT = re.compile(r"v\d{1,4}", re.ASCII)
_FIRST_S, _LAST_S = -62_135_596_800.0, 253_402_300_799.0
"""From the year 1 to the last second of 9999, in Unix seconds: what a calendar has."""


class Stage(IntEnum):
    """Where a version stands in its life."""

    ACTIVE = 1
    DEPRECATED = 2
    SUNSET = 3


@dataclass(frozen=True, slots=True)
class Brownout:
    """A time, from *starts_at* until *ends_at* (Unix seconds), in which a deprecated version does not work."""

    brownout: str
    starts_at: float
    ends_at: float
    status: int
    """What is answered in it: 410 or 503."""


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """One version. Moments are Unix seconds; *successor* is the version to move to."""

    name: str
    deprecated_at: float | None = None
    sunset_at: float | None = None
    successor: str | None = None
    brownouts: tuple[Brownout, ...] = ()
    tag: bytes = field(init=False)
    """The name in bytes, for the journal."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tag", self.name.encode())
        if self.sunset_at is not None and (self.deprecated_at is None or self.sunset_at < self.deprecated_at):
            raise ValueError(f"version {self.name}: its sunset must not come before its deprecation (RFC 9745 §4)")

    def stage(self, now: float) -> Stage:
        """The version's stage at *now*, by its dates alone."""
        if self.sunset_at is not None and now >= self.sunset_at:
            return Stage.SUNSET
        if self.deprecated_at is not None and now >= self.deprecated_at:
            return Stage.DEPRECATED
        return Stage.ACTIVE

    def brownout(self, now: float) -> Brownout | None:
        """The brownout that the version is in at *now*. Only what is deprecated and not sunset is ever in one."""
        for found in self.brownouts:
            if found.starts_at <= now < found.ends_at and self.stage(now) is Stage.DEPRECATED:
                return found
        return None


def by_age(name: str) -> tuple[int, str]:
    """What sorts the names of an API's versions from the oldest to the newest: v2 comes before v10."""
    return len(name), name


def well_formed(name: str, form: str) -> bool:
    """Whether *name* is a version's name in *form*: ``date`` (a real day, R40) or ``segment`` (``v1``)."""
    if form == "segment":
        return _SEGMENT.fullmatch(name) is not None
    if _DATE.fullmatch(name) is None:
        return False
    try:
        date.fromisoformat(name)
    except ValueError:
        return False
    return True


def http_date(moment: float) -> str:
    """*moment* as an IMF-fixdate in GMT (RFC 9110 §5.6.7); the weekday is computed."""
    return format_datetime(datetime.fromtimestamp(int(moment), UTC), usegmt=True)


def iso_instant(moment: float) -> str:
    """*moment* as an ISO 8601 UTC instant with milliseconds; what no calendar has, as the calendar's first or last."""
    moment = max(_FIRST_S, min(moment, _LAST_S))  # in this order, nothing that a row can hold gets through
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def lifecycle_headers(version: Version, *, deprecation: str, next_header: str) -> tuple[Header, ...]:
    """What an answer in a deprecated or sunset *version* carries: Deprecation, Sunset and the next version.

    *deprecation* is ``rfc9745`` (``@`` and Unix seconds, RFC 9745 §2.1) or ``http-date`` (C13).
    """
    headers: list[Header] = []
    if version.deprecated_at is not None:
        moment = version.deprecated_at
        value = f"@{int(moment)}" if deprecation == "rfc9745" else http_date(moment)
        headers.append((b"deprecation", value.encode()))
    if version.sunset_at is not None:
        headers.append((b"sunset", http_date(version.sunset_at).encode()))
    if version.successor is not None:
        headers.append((next_header.lower().encode(), version.successor.encode()))
    return tuple(headers)

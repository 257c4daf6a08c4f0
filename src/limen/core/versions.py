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


class Stage(IntEnum):
    """Where a version stands in its life."""

    ACTIVE = 1
    DEPRECATED = 2
    SUNSET = 3


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """One version. Moments are Unix seconds; *successor* is the version to move to."""

    name: str
    deprecated_at: float | None = None
    sunset_at: float | None = None
    successor: str | None = None
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
    """*moment* as an ISO 8601 UTC instant with milliseconds."""
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

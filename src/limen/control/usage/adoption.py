"""Who still calls which version, how that goes on, and whom the version's end will meet (R167)."""

from __future__ import annotations

from dataclasses import dataclass

from limen.control import versions
from limen.control.usage import _rows
from limen.core.adoption import DAYS, breaks, expected
from limen.core.rollup import DAY_S
from limen.db.transaction import Reader


@dataclass(frozen=True, slots=True)
class VersionCaller:
    """A key whose requests named a version: how many were admitted, how many refused, and when the last one came."""

    owner: str
    key: str
    name: str
    admitted: int
    refused: int
    last_at: float


@dataclass(frozen=True, slots=True)
class Leaver:
    """An owner who called a version in the last two weeks.

    *last_week* and *week_before* are whole days by UTC, *today* is beside them. *expected*: how many calls the last
    week before the sunset will have if it goes on like this; None where no sunset is set. *breaks*: there will be some.
    """

    owner: str
    keys: int
    week_before: int
    last_week: int
    today: int
    expected: float | None
    breaks: bool


@dataclass(frozen=True, slots=True)
class Adoption:
    """How a version is left, by the roll-ups by day."""

    api: str
    version: str
    deprecated_at: float | None
    sunset_at: float | None
    successor: str | None
    share: float | None
    """Of all calls of the last week, of whatever version, those of this one; None where there were none."""
    days: tuple[tuple[float, int], ...]
    """How many calls each day had, the first one first; without days that had none."""
    callers: tuple[Leaver, ...]
    """Who still calls it, the busiest first."""
    owners: int
    """How many owners called it in the last two weeks, shown or not, and how many of them the sunset will meet:"""
    breaking: int


def callers_of(reader: Reader, api: str, version: str, *, since: float, limit: int = 100) -> list[VersionCaller]:
    """The keys that called *version* of *api* since *since* (Unix seconds), the busiest first, at most *limit*.

    It reads every reading since then: about 0.6 s a million.
    """
    return [
        VersionCaller(row.owner, row.key, row.name, row.admitted, row.refused, row.last_at)
        for row in _rows.callers(reader.connection, api, version, since=since, limit=limit)
    ]


def adoption(reader: Reader, api: str, version: str, *, owner: str = "", days: int = 90, limit: int = 100) -> Adoption:
    """How *version* of *api* is left: over the last *days* days, and by whom; at most *limit* of them are shown.

    *owner*: of this one alone, about itself. Raises ``api_unknown``, ``version_not_registered``. It reads the roll-ups
    by day of all keys of the last two weeks.
    """
    found = versions.require(reader, api, version)
    today = int(reader.now // DAY_S) * DAY_S
    left = None if found.sunset_at is None else (found.sunset_at - reader.now) / DAY_S
    weeks = _rows.weeks(reader.connection, api, version, owner=owner, today=today, days=DAYS)
    callers = [
        Leaver(
            owner=row.owner,
            keys=row.keys,
            week_before=row.week_before,
            last_week=row.last_week,
            today=row.today,
            expected=None if left is None else expected(row.week_before, row.last_week or row.today, left),
            breaks=left is not None and breaks(row.week_before, row.last_week or row.today, left),
        )
        for row in weeks
    ]
    since = today - days * DAY_S
    by_day = _rows.days_of(reader.connection, api, version, owner=owner, since=since)
    week = _rows.calls(reader.connection, api, owner=owner, since=today - DAYS * DAY_S, until=today)
    return Adoption(
        api=api,
        version=version,
        deprecated_at=found.deprecated_at,
        sunset_at=found.sunset_at,
        successor=found.successor,
        share=sum(each.last_week for each in callers) / week if week else None,
        days=tuple((float(row.at), row.times) for row in by_day),
        callers=tuple(callers[:limit]),
        owners=len(callers),
        breaking=sum(each.breaks for each in callers),
    )

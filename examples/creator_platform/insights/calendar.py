"""Hours, days, weeks and months of a time zone, as a summary counts them."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from examples.creator_platform.insights.shapes import Granularity

_HOUR = timedelta(hours=1)


def period_of(moment: datetime, granularity: Granularity, zone: ZoneInfo) -> datetime:
    """When the period began that *moment* lies in, in UTC."""
    local = moment.astimezone(zone)
    if granularity is Granularity.HOUR:  # counted back, because a clock that is set back shows an hour twice
        into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        return moment.astimezone(UTC) - into
    day = local.date()
    if granularity is Granularity.WEEK:
        day -= timedelta(days=day.weekday())
    elif granularity is Granularity.MONTH:
        day = day.replace(day=1)
    return _midnight(day, zone)


def periods(since: datetime, until: datetime, granularity: Granularity, zone: ZoneInfo) -> Iterator[datetime]:
    """When each period began that has a part between *since* and *until*, in UTC."""
    current = period_of(since, granularity, zone)
    while current < until:
        yield current
        current = _next(current, granularity, zone)


def month_before(moment: datetime, zone: ZoneInfo) -> datetime:
    """When the month before that of *moment* began, in UTC."""
    first = period_of(moment, Granularity.MONTH, zone)
    return period_of(first - _HOUR, Granularity.MONTH, zone)


def days_between(since: datetime, until: datetime, zone: ZoneInfo) -> list[date]:
    """The days of which a part lies between *since* and *until*."""
    return [start.astimezone(zone).date() for start in periods(since, until, Granularity.DAY, zone)]


def _next(start: datetime, granularity: Granularity, zone: ZoneInfo) -> datetime:
    if granularity is Granularity.HOUR:
        return period_of(start + _HOUR, granularity, zone)
    day = start.astimezone(zone).date()
    if granularity is Granularity.MONTH:
        return _midnight((day.replace(day=1) + timedelta(days=31)).replace(day=1), zone)
    return _midnight(day + timedelta(days=7 if granularity is Granularity.WEEK else 1), zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)

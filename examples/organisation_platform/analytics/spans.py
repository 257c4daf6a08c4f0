"""Spans of time, and the hours, days, weeks and months in them. All in UTC."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Granularity = Literal["hour", "day", "week", "month"]
MAX_DAYS = 90

_STEPS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}


@dataclass(frozen=True, slots=True)
class Span:
    """From *start* on, and before *end*."""

    start: datetime
    end: datetime

    @classmethod
    def before(cls, end: datetime, *, days: int) -> "Span":
        """So many days up to *end*."""
        return cls(end - timedelta(days=days), end)

    def parts(self, granularity: Granularity) -> Iterator[datetime]:
        """When each hour, day, week (from Monday) or month begins of which some lies in the span."""
        begin = _beginning(self.start, granularity)
        while begin < self.end:
            yield begin
            begin = _STEPS[granularity] + begin if granularity != "month" else _next_month(begin)


def _beginning(moment: datetime, granularity: Granularity) -> datetime:
    hour = moment.replace(minute=0, second=0, microsecond=0)
    if granularity == "hour":
        return hour
    day = hour.replace(hour=0)
    if granularity == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if granularity == "month" else day


def _next_month(first: datetime) -> datetime:
    return (first + timedelta(days=31)).replace(day=1)

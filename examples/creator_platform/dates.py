"""Moments and ranges of time in requests: ISO 8601 with an offset, the start in the range and the end not."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from examples.creator_platform.wire import Shape

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
USUAL = timedelta(days=30)
"""How much time is meant where a range needs a start and none is given."""


def read_moment(text: object) -> datetime:
    """A moment as the API takes it; without an offset it is UTC. Raises ValueError."""
    if not isinstance(text, str) or _MOMENT.fullmatch(text) is None:
        raise ValueError("must be an ISO 8601 date-time, as 2024-10-20T00:00:00Z; write the + of an offset as %2B")
    try:
        moment = datetime.fromisoformat(text.upper())
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        known = _FIRST <= moment <= _LAST
    except (ValueError, OverflowError):
        raise ValueError("must be a real date and time") from None
    if not known:
        raise ValueError("must be in the years 1970 to 2199")
    return moment


MomentIn = Annotated[
    datetime,
    BeforeValidator(read_moment),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2024-10-20T00:00:00+01:00"]}),
]


def later_than_start(end: datetime | None, info: ValidationInfo) -> datetime | None:
    """*end*, if it comes after the start that was read before it. Raises ValueError."""
    start = info.data.get("start_date")
    if end is not None and start is not None and end <= start:
        raise ValueError("must be later than startDate")
    return end


@dataclass(frozen=True, slots=True)
class Span:
    """A range of time with both of its ends: *since* is in it, *until* is not."""

    since: datetime
    until: datetime


class Range(Shape):
    """From when until when, both of which may be left open."""

    start_date: MomentIn | None = Field(default=None, description="The first moment in the range")
    end_date: MomentIn | None = Field(default=None, description="The first moment that is no longer in the range")

    _ordered = field_validator("end_date")(later_than_start)

    def span(self, now: datetime) -> Span:
        """The range, where no end is given until *now*, where no start is given from ``USUAL`` before the end."""
        until = self.end_date or max(now, self.start_date or now)
        return Span(self.start_date or until - USUAL, until)


def offset_of(moment: datetime) -> timezone:
    """The offset that *moment* was written with."""
    return timezone(moment.utcoffset() or timedelta())


def day_of(moment: datetime, offset: timezone) -> datetime:
    """The midnight with which *moment*'s day began, where clocks are *offset* from UTC."""
    return moment.astimezone(offset).replace(hour=0, minute=0, second=0, microsecond=0)

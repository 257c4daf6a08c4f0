"""Analytics on the wire."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, JsonValue, Tag, model_validator

from examples.organisation_platform.analytics.spans import MAX_DAYS, Granularity, Span
from examples.organisation_platform.wire import Body, Instant, Line, Moment, Shape

Event = Literal[
    "queue.consumer.entered",
    "queue.consumer.admitted",
    "queue.consumer.left",
    "draw.consumer.entered",
    "draw.consumer.won",
    "auction.bid.placed",
    "order.created",
    "order.completed",
    "order.cancelled",
]
Measured = Literal["amount", "quantity", "waitSeconds"]
Dimension = Literal["experienceId", "country", "device"]
Unit = Literal["number", "currency"]
Preset = Literal["7d", "30d", "90d"]

MAX_MEASURES, MAX_GROUPS = 10, 20
Values = Annotated[list[Line], Field(min_length=1, max_length=20)]


class Filters(Body):
    """Only events with one of these values, in each of the dimensions that is given."""

    experience_id: Values | None = None
    country: Values | None = Field(default=None, examples=[["AT", "DE"]])
    device: Values | None = None


class _Measured(Body):
    name: Line
    event: Event
    unit: Unit = "number"
    filters: Filters = Filters()


class Count(_Measured):
    """How many events there were: those with a value in *field*, where it is given."""

    op: Literal["count"]
    field: Measured | None = None


class Calculation(_Measured):
    """What the events' values come to. Money is in minor units."""

    op: Literal["sum", "avg", "min", "max"]
    field: Measured


Measure = Annotated[Count | Calculation, Field(discriminator="op")]
"""One number to be worked out."""


class Between(Body):
    """From a moment on, and before another."""

    start: Instant
    end: Instant

    @model_validator(mode="after")
    def _span(self) -> Self:
        if not 0 < (self.end - self.start).total_seconds() <= MAX_DAYS * 86_400:
            raise ValueError(f"end should be later than start, by {MAX_DAYS} days at most")
        return self


TimeRangeAsked = Annotated[
    Annotated[Preset, Tag("preset")] | Annotated[Between, Tag("between")],
    Discriminator(lambda given: "preset" if isinstance(given, str) else "between"),
]


_EXAMPLE: dict[str, JsonValue] = {
    "measures": [
        {"name": "Orders", "event": "order.completed", "op": "count"},
        {"name": "Turnover", "event": "order.completed", "op": "sum", "field": "amount", "unit": "currency"},
    ],
    "timeRange": "30d",
    "granularity": "day",
    "groupBy": "country",
}


class AnalyticsQuery(Body):
    """What is asked."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    measures: list[Measure] = Field(min_length=1, max_length=MAX_MEASURES)
    time_range: TimeRangeAsked = Field(description="So many days up to now, or a span of at most 90 days")
    granularity: Granularity | None = Field(default=None, description="With it, each measure has a series, in UTC")
    filters: Filters = Filters()
    group_by: Dimension | None = Field(default=None, description=f"With it, each measure has its {MAX_GROUPS} largest")

    def span(self, now: datetime) -> Span:
        """The time that is asked about, *now*."""
        if isinstance(self.time_range, Between):
            return Span(self.time_range.start, self.time_range.end)
        return Span.before(now, days=int(self.time_range.removesuffix("d")))


class Point(Shape):
    """A measure's value from *timestamp* on. Where nothing was counted it is 0, where nothing was measured null."""

    timestamp: Moment
    value: int | float | None


class Group(Shape):
    """A measure's value among the events with *key*."""

    key: str
    value: int | float | None


class Measurement(Shape):
    """One measure's answer."""

    name: str
    value: int | float | None
    unit: Unit
    series: list[Point] | None = None
    groups: list[Group] | None = None


class TimeRange(Shape):
    """The time that was asked about."""

    start: Moment
    end: Moment


class AnalyticsResult(Shape):
    """The measures, in the order in which they were asked for."""

    measures: list[Measurement]
    time_range: TimeRange
    currency_code: str

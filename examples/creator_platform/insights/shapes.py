"""Insights on the wire. Money is in whole cents."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from examples.creator_platform.cursors import Walk
from examples.creator_platform.dates import Range
from examples.creator_platform.users.shapes import User, UserMini
from examples.creator_platform.wire import Moment, Paging, Shape

MAX_SUMMARY = timedelta(days=366)


class Source(StrEnum):
    """What was paid for."""

    AFFILIATE = "affiliate"
    MEDIA_LINK = "mediaLink"
    MESSAGE = "message"
    POST = "post"
    REFERRAL = "referral"
    RENEWAL = "renewal"
    SUBSCRIPTION = "subscription"
    TIP = "tip"
    GIVEAWAY = "giveaway"


_ALL = "all"


def _sources(text: str) -> str:
    allowed = [_ALL, *Source]
    if not set(text.split(",")) <= set(allowed):
        raise ValueError(f"must be some of {', '.join(allowed)}, with commas between them")
    return text


class EarningsQuery(Walk, Range):
    """Which of a creator's transactions are asked for."""

    source: Annotated[str, Field(max_length=200), AfterValidator(_sources)] = Field(
        default=_ALL, description="What was paid for: some of all, " + ", ".join(Source) + ", with commas between them"
    )

    @property
    def sources(self) -> list[str] | None:
        """The sources that are asked for; None for all."""
        named = self.source.split(",")
        return None if _ALL in named else named


class Earning(Shape):
    """One transaction."""

    date: Moment
    gross: int
    net: int
    currency: str | None
    source: Source
    message_uuid: str | None
    post_uuid: str | None
    user: UserMini | None


class Granularity(StrEnum):
    """How long the periods of a summary are."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise ValueError("must be a time zone of the IANA database, as Europe/Berlin") from None
    return name


class SummaryQuery(Range):
    """Of which time a summary is asked for: without an end until now, without a start the 30 days before the end."""

    model_config = Walk.model_config

    granularity: Granularity = Granularity.DAY
    timezone: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_+/-]{1,64}$"), AfterValidator(_zone), WithJsonSchema({"type": "string"})
    ] = Field(default="UTC", description="Whose days, weeks and months are meant")

    @field_validator("end_date")
    @classmethod
    def _not_too_long(cls, end: datetime | None, info: ValidationInfo) -> datetime | None:
        start = info.data.get("start_date")
        if end is not None and start is not None and end - start > MAX_SUMMARY:
            raise ValueError(f"must be at most {MAX_SUMMARY.days} days after startDate")
        return end


class Amount(Shape):
    """Money, before and after the platform's share."""

    gross: int
    net: int


class ThisMonth(Amount):
    """The month so far, and the whole month before it. Changes are in percent, null where there was nothing before."""

    previous_month_gross: int
    previous_month_net: int
    gross_change_percentage: float | None
    net_change_percentage: float | None


class Totals(Shape):
    """Sums that do not depend on the range."""

    all_time: Amount
    this_month: ThisMonth


class BySource(Shape):
    """The range's earnings by what was paid for."""

    subs: Amount
    messages: Amount
    posts: Amount
    tips: Amount
    referrals: Amount
    renewals: Amount
    other: Amount


class Period(Amount):
    """One hour, day, week or month of the range."""

    period_start: Moment


class SummaryPeriod(Shape):
    """The range that was summed up."""

    start_date: Moment
    end_date: Moment


class Summary(Shape):
    """What a creator earned, in sums."""

    totals: Totals
    breakdown_by_source: BySource
    earnings_by_type: dict[Source, Amount]
    over_time: list[Period]
    average_by_day_of_week: dict[str, Amount] = Field(description="From 1, Monday, to 7")
    average_by_hour_of_day: dict[str, Amount] = Field(description="From 0 to 23")
    period: SummaryPeriod


class SpendersQuery(Paging, Range):
    """Which of a creator's spenders are asked for, and from when what they spent counts."""


class TopSpender(Shape):
    """What somebody has spent. *messages*: how many messages they have paid for."""

    gross: int
    net: int
    messages: int
    user: User


class SubscriberDaysQuery(Walk, Range):
    """Of which days the subscribers are asked for: without an end until today, without a start 30 days.

    The time of day is ignored. A day begins at midnight in the offset of the start, or of the end where that is alone.
    """


class SubscriberDay(Shape):
    """One day. *total*: by how much the subscribers have become more since the range began, this day included."""

    date: Moment
    total: int
    new_subscribers_count: int
    cancelled_subscribers_count: int


class FanStatus(StrEnum):
    """How somebody stands with a creator."""

    SUBSCRIBER = "subscriber"
    EXPIRED = "expired"
    FOLLOWER = "follower"
    NOT_CONTACTABLE = "not_contactable"


class Gross(Shape):
    """Money, before the platform's share."""

    gross: int


class Spending(Shape):
    """What a fan has spent with the creator."""

    last_purchase_at: Moment | None
    total: Gross
    max_single_payment: Gross
    sources: dict[Source, Gross]


class Subscription(Shape):
    """A fan's running subscription; nulls where none runs."""

    created_at: Moment | None
    renews_at: Moment | None
    auto_renewal_enabled: bool


class FanInsights(Shape):
    """One fan, as the creator sees them."""

    status: FanStatus
    spending: Spending
    subscription: Subscription

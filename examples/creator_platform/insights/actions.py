"""What is told of a creator's earnings and audience, for the creator that the caller of these functions names."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping

from examples.creator_platform.cursors import Part, part_of, write_cursor
from examples.creator_platform.dates import DAY, day_of, offset_of
from examples.creator_platform.errors import NotFound
from examples.creator_platform.insights import rows, summary
from examples.creator_platform.insights.shapes import (
    Earning,
    EarningsQuery,
    FanInsights,
    FanStatus,
    Gross,
    SpendersQuery,
    Spending,
    SubscriberDay,
    SubscriberDaysQuery,
    Subscription,
    Summary,
    SummaryQuery,
    TopSpender,
)
from examples.creator_platform.tables import EPOCH
from examples.creator_platform.users.shapes import person, person_in_short
from examples.creator_platform.wire import Page, page_of


def list_earnings(conn: Connection, creator: str, query: EarningsQuery) -> Part[Earning]:
    """A part of *creator*'s transactions, the latest first."""
    found = rows.list_earnings(conn, creator, query)
    return part_of([_earning(row) for row in found], [(_ms(row["at"]), row["id"]) for row in found], query)


def summarise(conn: Connection, creator: str, query: SummaryQuery) -> Summary:
    """*creator*'s earnings in sums."""
    return summary.summarise(conn, creator, query, now=datetime.now(UTC))


def list_spenders(conn: Connection, creator: str, query: SpendersQuery) -> Page[TopSpender]:
    """A page of those who spent most with *creator*, who spent most first."""
    found = rows.list_spenders(conn, creator, query)
    plain = ("gross", "net", "messages")
    return page_of([TopSpender(**{name: row[name] for name in plain}, user=person(row)) for row in found], query)


def list_subscriber_days(conn: Connection, creator: str, query: SubscriberDaysQuery) -> Part[SubscriberDay]:
    """A part of the days of the range, the first day first; days on which nothing happened are among them."""
    given = query.span(datetime.now(UTC) + DAY)  # without an end: until today is over
    offset = offset_of(query.start_date or given.until)
    first, end = day_of(given.since, offset), day_of(given.until, offset)
    since = first if query.place is None else max(first, day_of(EPOCH + query.place[0] * rows.MILLISECOND, offset))
    count = max(min((end - since) // DAY, query.size), 0)
    until = since + count * DAY
    began, ended = rows.count_runs(conn, creator, first, since)
    began_on, ended_on = rows.count_runs_by_day(conn, creator, since, until)
    total, days = began - ended, []
    for number in range(count):
        new, cancelled = began_on.get(number, 0), ended_on.get(number, 0)
        total += new - cancelled
        days.append(
            SubscriberDay(
                date=since + number * DAY,
                total=total,
                new_subscribers_count=new,
                cancelled_subscribers_count=cancelled,
            )
        )
    return Part(data=days, next_cursor=write_cursor(_ms(until), 0) if until < end else None)


def describe_fan(conn: Connection, creator: str, fan: str) -> FanInsights:
    """How *fan* stands with *creator*. Raises NotFound, the same for a fan of others and for a person who is none."""
    row = rows.find_fan(conn, creator, fan)
    if row is None:
        raise NotFound("Fan not found")
    sources: Any = {source: Gross(gross=cents) for source, cents in rows.sum_by_source(conn, creator, fan).items()}
    return FanInsights(
        status=_status(row),
        spending=Spending(
            last_purchase_at=row["last_purchase_at"],
            total=Gross(gross=row["spent_gross"]),
            max_single_payment=Gross(gross=row["max_payment_gross"]),
            sources=sources,
        ),
        subscription=Subscription(
            created_at=row["subscribed_at"] if row["is_subscribed"] else None,
            renews_at=row["expires_at"] if row["auto_renews"] else None,
            auto_renewal_enabled=row["auto_renews"],
        ),
    )


def _ms(moment: datetime) -> int:
    return (moment - EPOCH) // rows.MILLISECOND


def _earning(row: RowMapping) -> Earning:
    plain = ("gross", "net", "currency", "source", "message_uuid", "post_uuid")
    user = None if row["fan_uuid"] is None else person_in_short(row)
    return Earning(date=row["at"], **{name: row[name] for name in plain}, user=user)


def _status(row: RowMapping) -> FanStatus:
    if row["is_subscribed"]:
        return FanStatus.SUBSCRIBER
    if row["subscribed_at"] is not None:
        return FanStatus.EXPIRED
    return FanStatus.FOLLOWER if row["followed_at"] is not None else FanStatus.NOT_CONTACTABLE

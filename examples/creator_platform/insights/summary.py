"""A creator's earnings in sums: the database adds up quarters of an hour, and these are added up further here."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, RowMapping

from examples.creator_platform.insights import rows
from examples.creator_platform.insights.calendar import days_between, month_before, period_of, periods
from examples.creator_platform.insights.shapes import (
    Amount,
    BySource,
    Granularity,
    Period,
    Source,
    Summary,
    SummaryPeriod,
    SummaryQuery,
    ThisMonth,
    Totals,
)
from examples.creator_platform.tables import EPOCH

_HOURS = range(24)
_WEEKDAYS = range(1, 8)
_GROUPS = {
    Source.SUBSCRIPTION: "subs",
    Source.MESSAGE: "messages",
    Source.POST: "posts",
    Source.TIP: "tips",
    Source.REFERRAL: "referrals",
    Source.RENEWAL: "renewals",
}


class _Quarter(NamedTuple):
    """What one source brought in one quarter of an hour."""

    start: datetime
    source: Source
    gross: int
    net: int


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums by whatever they are grouped by; nothing where nothing was."""

    by: dict[object, list[int]]

    def of(self, group: object, share: int = 1) -> Amount:
        """The sum of *group*, or its *share*-th part in whole cents."""
        gross, net = self.by.get(group, (0, 0))
        return Amount(gross=round(gross / share), net=round(net / share))


def summarise(conn: Connection, creator: str, query: SummaryQuery, *, now: datetime) -> Summary:
    """What *creator* earned in the range that is asked for, and this month and ever."""
    zone, span = ZoneInfo(query.timezone), query.span(now)
    since, until = span.since, span.until
    quarters = [_quarter(row) for row in rows.sum_quarters(conn, creator, span)]
    local = [quarter._replace(start=quarter.start.astimezone(zone)) for quarter in quarters]
    days = days_between(since, until, zone)
    by_type = _sums((quarter.source, quarter) for quarter in quarters)
    by_group = _sums((_GROUPS.get(quarter.source, "other"), quarter) for quarter in quarters)
    over_time = _sums((period_of(quarter.start, query.granularity, zone), quarter) for quarter in quarters)
    by_weekday = _sums((quarter.start.isoweekday(), quarter) for quarter in local)
    by_hour = _sums((quarter.start.hour, quarter) for quarter in local)
    weekdays = [day.isoweekday() for day in days]
    return Summary(
        totals=_totals(conn, creator, now, zone),
        breakdown_by_source=BySource(**{name: by_group.of(name) for name in BySource.model_fields}),
        earnings_by_type={source: by_type.of(source) for source in Source},
        over_time=[
            Period(period_start=start, **over_time.of(start).model_dump())
            for start in periods(since, until, query.granularity, zone)
        ],
        average_by_day_of_week={str(day): by_weekday.of(day, max(weekdays.count(day), 1)) for day in _WEEKDAYS},
        average_by_hour_of_day={str(hour): by_hour.of(hour, max(len(days), 1)) for hour in _HOURS},
        period=SummaryPeriod(start_date=since, end_date=until),
    )


def _quarter(row: RowMapping) -> _Quarter:
    return _Quarter(EPOCH + row["quarter"] * rows.QUARTER, Source(row["source"]), row["gross"], row["net"])


def _sums(grouped: Iterable[tuple[object, _Quarter]]) -> _Sums:
    sums: defaultdict[object, list[int]] = defaultdict(lambda: [0, 0])
    for group, quarter in grouped:
        sums[group][0] += quarter.gross
        sums[group][1] += quarter.net
    return _Sums(dict(sums))


def _totals(conn: Connection, creator: str, now: datetime, zone: ZoneInfo) -> Totals:
    month, before = period_of(now, Granularity.MONTH, zone), month_before(now, zone)
    ends = ((None, None), (month, None), (before, month))
    sums = (rows.sum_earnings(conn, creator, *span) for span in ends)
    ever, this, last = (Amount(gross=gross, net=net) for gross, net in sums)
    return Totals(
        all_time=ever,
        this_month=ThisMonth(
            gross=this.gross,
            net=this.net,
            previous_month_gross=last.gross,
            previous_month_net=last.net,
            gross_change_percentage=_change(last.gross, this.gross),
            net_change_percentage=_change(last.net, this.net),
        ),
    )


def _change(before: int, now: int) -> float | None:
    return round((now - before) * 100 / before, 2) if before else None

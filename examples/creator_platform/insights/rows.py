"""The SQL of insights. Every statement starts from one creator's own earnings, subscriptions or fans."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    case,
    func,
    literal,
    literal_column,
    select,
    tuple_,
    type_coerce,
)

from examples.creator_platform.dates import DAY, Span
from examples.creator_platform.insights.shapes import EarningsQuery, Source, SpendersQuery
from examples.creator_platform.tables import (
    EPOCH,
    chat_sides,
    earnings,
    fans,
    has_ended,
    is_spender,
    subscriptions,
    users,
)
from examples.creator_platform.users.rows import PERSON

MILLISECOND = timedelta(milliseconds=1)
QUARTER = timedelta(minutes=15)
"""Every zone's hours and days begin with one of these."""

_GROSS, _NET = (func.coalesce(func.sum(column), 0) for column in (earnings.c.gross, earnings.c.net))


def within(
    moment: ColumnElement[datetime], since: datetime | None, until: datetime | None
) -> list[ColumnElement[bool]]:
    """That *moment* lies in a range, the ends of which may be open: its start is in it, its end is not."""
    return [*([moment >= since] if since else []), *([moment < until] if until else [])]


def list_earnings(conn: Connection, creator: str, query: EarningsQuery) -> Sequence[RowMapping]:
    """*creator*'s transactions, the latest first; at most ``query.limit``."""
    payer = and_(fans.c.creator_uuid == earnings.c.creator_uuid, fans.c.fan_uuid == earnings.c.fan_uuid)
    side = and_(chat_sides.c.user_uuid == earnings.c.creator_uuid, chat_sides.c.peer_uuid == earnings.c.fan_uuid)
    found = earnings.outerjoin(users, users.c.uuid == earnings.c.fan_uuid).outerjoin(fans, payer)
    statement = select(earnings, *PERSON).select_from(found.outerjoin(chat_sides, side))
    statement = statement.where(
        earnings.c.creator_uuid == creator, *within(earnings.c.at, query.start_date, query.end_date)
    )
    if query.sources is not None:
        statement = statement.where(earnings.c.source.in_(query.sources))
    if query.place is not None:
        moment_ms, row = query.place
        before = tuple_(literal(EPOCH + moment_ms * MILLISECOND, earnings.c.at.type), literal(row))
        statement = statement.where(tuple_(earnings.c.at, earnings.c.id) < before)
    statement = statement.order_by(earnings.c.at.desc(), earnings.c.id.desc())
    return conn.execute(statement.limit(query.limit)).mappings().all()


def sum_earnings(
    conn: Connection, creator: str, since: datetime | None = None, until: datetime | None = None
) -> tuple[int, int]:
    """What *creator* earned in the range: gross and net."""
    mine = select(_GROSS, _NET).where(earnings.c.creator_uuid == creator, *within(earnings.c.at, since, until))
    gross, net = conn.execute(mine).one()
    return gross, net


def sum_quarters(conn: Connection, creator: str, span: Span) -> Sequence[RowMapping]:
    """What *creator* earned in each quarter of an hour of the range, by source: ``quarter`` counts them since 1970."""
    quarter = type_coerce(earnings.c.at, BigInteger) // literal_column(str(QUARTER // MILLISECOND), BigInteger)
    statement = (
        select(quarter.label("quarter"), earnings.c.source, _GROSS.label("gross"), _NET.label("net"))
        .where(earnings.c.creator_uuid == creator, *within(earnings.c.at, span.since, span.until))
        .group_by(quarter, earnings.c.source)
    )
    return conn.execute(statement).mappings().all()


def list_spenders(conn: Connection, creator: str, query: SpendersQuery) -> Sequence[RowMapping]:
    """Who has spent most with *creator* in the range, or ever; at most ``query.limit``."""
    is_ever = query.start_date is None and query.end_date is None
    statement = _spent_ever(creator, query) if is_ever else _spent_within(creator, query)
    return conn.execute(statement).mappings().all()


def _spent_ever(creator: str, query: SpendersQuery) -> Select[Any]:
    side = and_(chat_sides.c.user_uuid == fans.c.creator_uuid, chat_sides.c.peer_uuid == fans.c.fan_uuid)
    spent = (fans.c.spent_gross.label("gross"), fans.c.spent_net.label("net"), fans.c.messages_bought.label("messages"))
    return (
        select(*spent, *PERSON)
        .select_from(fans.join(users, users.c.uuid == fans.c.fan_uuid).outerjoin(chat_sides, side))
        .where(fans.c.creator_uuid == creator, is_spender)
        .order_by(fans.c.spent_gross.desc(), fans.c.fan_uuid.desc())
        .limit(query.limit)
        .offset(query.offset)
    )


def _spent_within(creator: str, query: SpendersQuery) -> Select[Any]:
    """The database adds up the range before it can say who spent most: no index knows that."""
    bought = func.sum(case((earnings.c.source == Source.MESSAGE, 1), else_=0)).label("messages")
    page = (
        select(earnings.c.fan_uuid, _GROSS.label("gross"), _NET.label("net"), bought)
        .where(
            earnings.c.creator_uuid == creator,
            earnings.c.fan_uuid.is_not(None),
            *within(earnings.c.at, query.start_date, query.end_date),
        )
        .group_by(earnings.c.fan_uuid)
        .order_by(_GROSS.desc(), earnings.c.fan_uuid.desc())
        .limit(query.limit)
        .offset(query.offset)
        .subquery("page")
    )
    fan = and_(fans.c.creator_uuid == creator, fans.c.fan_uuid == page.c.fan_uuid)
    side = and_(chat_sides.c.user_uuid == creator, chat_sides.c.peer_uuid == page.c.fan_uuid)
    return (
        select(*page.c["gross", "net", "messages"], *PERSON)
        .select_from(page.join(users, users.c.uuid == page.c.fan_uuid).outerjoin(fans, fan).outerjoin(chat_sides, side))
        .order_by(page.c.gross.desc(), page.c.fan_uuid.desc())
    )


def count_runs(conn: Connection, creator: str, since: datetime, until: datetime) -> tuple[int, int]:
    """How many subscriptions to *creator* began, and how many ended, from *since* until before *until*."""
    began = select(func.count()).where(
        subscriptions.c.creator_uuid == creator, *within(subscriptions.c.started_at, since, until)
    )
    ended = select(func.count()).where(
        subscriptions.c.creator_uuid == creator, has_ended, *within(subscriptions.c.ended_at, since, until)
    )
    return conn.execute(began).scalar_one(), conn.execute(ended).scalar_one()


def count_runs_by_day(
    conn: Connection, creator: str, since: datetime, until: datetime
) -> tuple[dict[int, int], dict[int, int]]:
    """As ``count_runs``, by day: how many days after *since* it lies, to how many; days without any are missing."""
    began = (subscriptions.c.started_at, within(subscriptions.c.started_at, since, until))
    ended = (subscriptions.c.ended_at, [has_ended, *within(subscriptions.c.ended_at, since, until)])
    counts: list[dict[int, int]] = []
    for moment, in_range in (began, ended):
        passed = type_coerce(moment, BigInteger) - literal((since - EPOCH) // MILLISECOND, BigInteger)
        day = (passed // literal_column(str(DAY // MILLISECOND), BigInteger)).label("day")
        statement = select(day, func.count().label("count")).group_by("day")
        found = conn.execute(statement.where(subscriptions.c.creator_uuid == creator, *in_range)).mappings()
        counts.append({row["day"]: row["count"] for row in found})
    return counts[0], counts[1]


def find_fan(conn: Connection, creator: str, fan: str) -> RowMapping | None:
    """How *fan* stands with *creator*; None where they never followed, subscribed or paid, or where there is none."""
    statement = select(fans).where(fans.c.creator_uuid == creator, fans.c.fan_uuid == fan)
    return conn.execute(statement).mappings().one_or_none()


def sum_by_source(conn: Connection, creator: str, fan: str) -> dict[str, int]:
    """What *fan* has paid *creator*, gross, by what it was for; sources without any are missing."""
    statement = (
        select(earnings.c.source, _GROSS.label("gross"))
        .where(earnings.c.creator_uuid == creator, earnings.c.fan_uuid == fan)
        .group_by(earnings.c.source)
    )
    return {row["source"]: row["gross"] for row in conn.execute(statement).mappings()}

"""The SQL of agencies. Every statement starts from one agency, or from creators whom a member was found to reach."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    RowMapping,
    String,
    and_,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    type_coerce,
    update,
)

from examples.creator_platform.agencies.shapes import Role
from examples.creator_platform.audience.rows import FANS
from examples.creator_platform.chats.rows import CHATS
from examples.creator_platform.dates import DAY
from examples.creator_platform.insights.rows import MILLISECOND, within
from examples.creator_platform.tables import (
    EPOCH,
    agency_creators,
    agency_members,
    chat_sides,
    creator_access,
    earnings,
    fans,
    has_ended,
    is_agency_subscriber,
    subscriptions,
    users,
    with_agency,
)
from examples.creator_platform.users.rows import PERSON
from examples.creator_platform.wire import Paging

_DAY_MS = literal_column(str(DAY // MILLISECOND), BigInteger)


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who works for an agency. An admin reaches every creator of it, others those that they were given."""

    uuid: str
    agency: str
    is_admin: bool


def find_member(conn: Connection, user: str) -> Member | None:
    """*user*, as a member of an agency; None where of none."""
    columns = agency_members.c["user_uuid", "agency_uuid", "is_admin"]
    row = conn.execute(select(*columns).where(agency_members.c.user_uuid == user)).one_or_none()
    return None if row is None else Member(*row)


def reaches(conn: Connection, member: Member, creators: Iterable[str]) -> set[str]:
    """Those of *creators* whom *member* reaches."""
    mine = select(agency_creators.c.creator_uuid).where(
        agency_creators.c.agency_uuid == member.agency, agency_creators.c.creator_uuid.in_(sorted(creators))
    )
    if not member.is_admin:
        mine = mine.join(creator_access, creator_access.c.creator_uuid == agency_creators.c.creator_uuid)
        mine = mine.where(creator_access.c.member_uuid == member.uuid)
    return set(conn.execute(mine).scalars())


def list_reached(conn: Connection, member: str) -> list[str]:
    """The creators whom a *member* was given, in the order of their uuids."""
    mine = select(creator_access.c.creator_uuid).where(creator_access.c.member_uuid == member)
    return list(conn.execute(mine.order_by(creator_access.c.creator_uuid)).scalars())


def list_all(conn: Connection, agency: str) -> list[str]:
    """The creators of an *agency*, in the order of their uuids: as many as one agency has."""
    theirs = select(agency_creators.c.creator_uuid).where(agency_creators.c.agency_uuid == agency)
    return sorted(conn.execute(theirs).scalars())


def list_creators(conn: Connection, member: Member, paging: Paging) -> Sequence[RowMapping]:
    """The creators whom *member* reaches, who came last first; at most ``paging.limit``."""
    # In these words, the database walks the creators in their order, not what the member was given.
    given = select(creator_access.c.role).where(
        creator_access.c.creator_uuid == agency_creators.c.creator_uuid, creator_access.c.member_uuid == member.uuid
    )
    role = literal(Role.ADMIN, String) if member.is_admin else given.scalar_subquery()
    whose = [agency_creators.c.agency_uuid == member.agency, *([] if member.is_admin else [role.is_not(None)])]
    side = and_(chat_sides.c.user_uuid == member.uuid, chat_sides.c.peer_uuid == agency_creators.c.creator_uuid)
    fan = and_(fans.c.creator_uuid == member.uuid, fans.c.fan_uuid == agency_creators.c.creator_uuid)
    found = agency_creators.join(users, users.c.uuid == agency_creators.c.creator_uuid)
    statement = (
        select(*PERSON, role.label("role"))
        .select_from(found.outerjoin(chat_sides, side).outerjoin(fans, fan))
        .where(*whose)
        .order_by(agency_creators.c.added_at.desc(), agency_creators.c.creator_uuid.desc())
    )
    return conn.execute(statement.limit(paging.limit).offset(paging.offset)).mappings().all()


def list_members(conn: Connection, agency: str, member: str | None = None) -> Sequence[RowMapping]:
    """Who works for *agency*, who joined first first; or of them *member* alone."""
    statement = (
        select(agency_members, *users.c["email", "display_name"])
        .join(users, users.c.uuid == agency_members.c.user_uuid)
        .where(agency_members.c.agency_uuid == agency)
        .order_by(agency_members.c.joined_at, agency_members.c.user_uuid)
    )
    if member is not None:
        statement = statement.where(agency_members.c.user_uuid == member)
    return conn.execute(statement).mappings().all()


def list_access(conn: Connection, members: Sequence[str]) -> Sequence[RowMapping]:
    """Which creators these *members* were given, and as what."""
    statement = select(creator_access).where(creator_access.c.member_uuid.in_(members))
    return conn.execute(statement.order_by(*creator_access.primary_key.columns)).mappings().all()


def lock_member(conn: Connection, member: str) -> None:
    """Let nobody else change what *member* reaches before this transaction has ended."""
    mine = select(agency_members.c.user_uuid).where(agency_members.c.user_uuid == member)
    conn.execute(mine.with_for_update(key_share=True))


def set_nickname(conn: Connection, member: str, nickname: str | None) -> None:
    """The agency calls *member* so."""
    conn.execute(update(agency_members).where(agency_members.c.user_uuid == member).values(nickname=nickname))


def set_access(conn: Connection, member: str, creators: set[str]) -> None:
    """*member* reaches these creators and no others. Whoever was given before keeps the role."""
    held = set(list_reached(conn, member))
    mine = creator_access.c.member_uuid == member
    conn.execute(delete(creator_access).where(mine, creator_access.c.creator_uuid.in_(held - creators)))
    if new := sorted(creators - held):
        rows = [{"member_uuid": member, "creator_uuid": creator, "role": Role.CHATTER} for creator in new]
        conn.execute(insert(creator_access), rows)


def list_chats(conn: Connection, agency: str, paging: Paging) -> Sequence[RowMapping]:
    """The chats of all creators of *agency*, the most recently active first; at most ``paging.limit``."""
    order = (chat_sides.c.last_message_at, chat_sides.c.user_uuid, chat_sides.c.peer_uuid)
    statement = CHATS.where(chat_sides.c.agency_uuid == agency, with_agency)
    statement = statement.order_by(*(column.desc() for column in order))
    return conn.execute(statement.limit(paging.limit).offset(paging.offset)).mappings().all()


def list_subscribers(
    conn: Connection, agency: str, creators: Sequence[str] | None, paging: Paging
) -> Sequence[RowMapping]:
    """Who subscribes to creators of *agency*, or to *creators* of it, the latest first; at most ``paging.limit``."""
    order = (fans.c.subscribed_at, fans.c.creator_uuid, fans.c.fan_uuid)
    statement = FANS.where(fans.c.agency_uuid == agency, is_agency_subscriber)
    if creators is not None:
        statement = statement.where(fans.c.creator_uuid.in_(creators))
    statement = statement.order_by(*(column.desc() for column in order))
    return conn.execute(statement.limit(paging.limit).offset(paging.offset)).mappings().all()


def list_earnings(
    conn: Connection, creators: Sequence[str], first: datetime, end: datetime, paging: Paging
) -> Sequence[RowMapping]:
    """What *creators* earned by day, the last day first; *day*: how many days after *first* it lies."""
    day = _day_of(earnings.c.at, first)
    statement = (
        select(
            earnings.c.creator_uuid,
            day.label("day"),
            func.sum(earnings.c.gross).label("gross"),
            func.sum(earnings.c.net).label("net"),
            func.max(earnings.c.currency).label("currency"),
        )
        .where(earnings.c.creator_uuid.in_(creators), *within(earnings.c.at, first, end))
        .group_by(earnings.c.creator_uuid, "day")
        .order_by(literal_column("day").desc(), earnings.c.creator_uuid)
    )
    return conn.execute(statement.limit(paging.limit).offset(paging.offset)).mappings().all()


def count_runs(conn: Connection, creators: Sequence[str], since: datetime, until: datetime) -> dict[str, int]:
    """By how much the subscriptions to each of *creators* became more; those without any are missing."""
    counts: dict[str, int] = {}
    for sign, _, conditions in _ends_of_runs(since, until):
        statement = select(subscriptions.c.creator_uuid, func.count().label("count")).group_by("creator_uuid")
        found = conn.execute(statement.where(subscriptions.c.creator_uuid.in_(creators), *conditions)).mappings()
        for row in found:
            counts[row["creator_uuid"]] = counts.get(row["creator_uuid"], 0) + sign * row["count"]
    return counts


def count_runs_by_day(
    conn: Connection, creators: Sequence[str], since: datetime, until: datetime
) -> tuple[dict[tuple[str, int], int], dict[tuple[str, int], int]]:
    """How many subscriptions to each of *creators* began, and how many ended, by creator and day after *since*."""
    counts: list[dict[tuple[str, int], int]] = []
    for _, moment, conditions in _ends_of_runs(since, until):
        day = _day_of(moment, since).label("day")
        statement = select(subscriptions.c.creator_uuid, day, func.count().label("count"))
        statement = statement.group_by("creator_uuid", "day")
        found = conn.execute(statement.where(subscriptions.c.creator_uuid.in_(creators), *conditions)).mappings()
        counts.append({(row["creator_uuid"], row["day"]): row["count"] for row in found})
    return counts[0], counts[1]


def _ends_of_runs(since: datetime, until: datetime) -> tuple[tuple[int, Any, list[Any]], ...]:
    """The beginnings of subscriptions in a range, and their ends: whether it adds one, its moment, its conditions."""
    began, ended = subscriptions.c.started_at, subscriptions.c.ended_at
    return (+1, began, within(began, since, until)), (-1, ended, [has_ended, *within(ended, since, until)])


def _day_of(moment: Any, first: datetime) -> Any:
    """How many days after *first* a moment lies."""
    passed = type_coerce(moment, BigInteger) - literal((first - EPOCH) // MILLISECOND, BigInteger)
    return passed // _DAY_MS

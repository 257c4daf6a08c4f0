"""What is done for an agency, in the transaction and for the member that the caller of these functions names."""

from sqlalchemy import Connection

from examples.creator_platform.agencies import rows
from examples.creator_platform.agencies.access import admin, chosen, member
from examples.creator_platform.agencies.shapes import (
    AgencyChat,
    AgencyCreator,
    AgencySubscriber,
    ChosenCreators,
    CreatorAccess,
    CreatorDay,
    CreatorDayEarnings,
    DaysQuery,
    EarningsQuery,
    HistoryQuery,
    TeamMember,
    TeamMemberChange,
    agency_chat,
    agency_creator,
    agency_subscriber,
)
from examples.creator_platform.dates import DAY, Span, day_of, offset_of
from examples.creator_platform.errors import NotFound
from examples.creator_platform.wire import Page, Paging, page_of

USUAL_CURRENCY = "USD"


def list_creators(conn: Connection, user: str, paging: Paging) -> Page[AgencyCreator]:
    """A page of the creators whom *user* works for; of nobody, for who works for no agency."""
    who = rows.find_member(conn, user)
    found = [] if who is None else rows.list_creators(conn, who, paging)
    return page_of([agency_creator(each) for each in found], paging)


def list_team(conn: Connection, user: str) -> list[TeamMember]:
    """Who works for *user*'s agency. Raises Forbidden unless *user* is its admin."""
    return _team(conn, admin(conn, user).agency)


def change_member(conn: Connection, user: str, changed: str, change: TeamMemberChange) -> TeamMember:
    """Somebody of *user*'s agency, as *change* says. Raises Forbidden; NotFound for who is not the agency's."""
    who = admin(conn, user)
    rows.lock_member(conn, changed)
    if not rows.list_members(conn, who.agency, changed):
        raise NotFound("Team member not found")
    if "nickname" in change.model_fields_set:
        rows.set_nickname(conn, changed, change.nickname or None)
    if change.creator_uuids is not None:
        creators = {str(uuid) for uuid in change.creator_uuids}
        if rows.reaches(conn, who, creators) != creators:
            raise NotFound("Creator not found")
        rows.set_access(conn, changed, creators)
    return _team(conn, who.agency, changed)[0]


def _team(conn: Connection, agency: str, only: str | None = None) -> list[TeamMember]:
    found = rows.list_members(conn, agency, only)
    access: dict[str, list[CreatorAccess]] = {row["user_uuid"]: [] for row in found}
    for row in rows.list_access(conn, list(access)):
        access[row["member_uuid"]].append(CreatorAccess(uuid=row["creator_uuid"], role=row["role"]))
    plain = ("is_admin", "nickname", "email", "display_name")
    return [
        TeamMember(
            uuid=row["user_uuid"], **{name: row[name] for name in plain}, creator_access=access[row["user_uuid"]]
        )
        for row in found
    ]


def list_chats(conn: Connection, user: str, paging: Paging) -> Page[AgencyChat]:
    """A page of the chats of all of the agency's creators. Raises Forbidden unless *user* is its admin."""
    found = rows.list_chats(conn, admin(conn, user).agency, paging)
    return page_of([agency_chat(row) for row in found], paging)


def list_subscribers(conn: Connection, user: str, query: ChosenCreators) -> Page[AgencySubscriber]:
    """A page of who subscribes to creators whom *user* reaches. Raises Forbidden, NotFound."""
    who = member(conn, user)
    found = rows.list_subscribers(conn, who.agency, chosen(conn, who, query.creators), query)
    return page_of([agency_subscriber(row) for row in found], query)


def list_earnings(conn: Connection, user: str, query: EarningsQuery) -> Page[CreatorDayEarnings]:
    """A page of what creators whom *user* reaches earned by day, the last day first. Raises Forbidden, NotFound."""
    creators, span = _creators(conn, user, query.creators), _days(query)
    found = rows.list_earnings(conn, creators, span.since, span.until, query)
    plain = ("creator_uuid", "gross", "net")
    return page_of(
        [
            CreatorDayEarnings(
                **{name: row[name] for name in plain},
                date=span.since + row["day"] * DAY,
                currency=row["currency"] or USUAL_CURRENCY,
            )
            for row in found
        ],
        query,
    )


def list_history(conn: Connection, user: str, query: HistoryQuery) -> Page[CreatorDay]:
    """A page of how the subscribers of each creator became more and fewer, creator by creator, the first day first.

    Every day of the range is there for every creator whom *user* reaches. Raises Forbidden.
    """
    creators, span = _creators(conn, user, None), _days(query)
    days = (span.until - span.since) // DAY
    places = range(query.offset, min(query.offset + query.limit, len(creators) * days))
    shown = creators[places[0] // days : places[-1] // days + 1] if places else []
    since = span.since + (places[0] % days if len(shown) == 1 else 0) * DAY if places else span.since
    before = rows.count_runs(conn, shown, span.since, since)
    began, ended = rows.count_runs_by_day(conn, shown, since, span.until)
    skipped = (since - span.since) // DAY
    found = []
    totals = {creator: _totals(creator, before.get(creator, 0), days - skipped, began, ended) for creator in shown}
    for place in places:
        creator, day = creators[place // days], place % days
        found.append(
            CreatorDay(
                creator_uuid=creator,
                date=span.since + day * DAY,
                total=totals[creator][day - skipped],
                new_subscribers_count=began.get((creator, day - skipped), 0),
                cancelled_subscribers_count=ended.get((creator, day - skipped), 0),
            )
        )
    return page_of(found, query)


def _totals(
    creator: str, total: int, days: int, began: dict[tuple[str, int], int], ended: dict[tuple[str, int], int]
) -> list[int]:
    """How many more there are at the end of each day than when the range began; *total*: before the first of them."""
    totals = []
    for day in range(days):
        total += began.get((creator, day), 0) - ended.get((creator, day), 0)
        totals.append(total)
    return totals


def _creators(conn: Connection, user: str, wanted: list[str] | None) -> list[str]:
    who = member(conn, user)
    found = chosen(conn, who, wanted)
    return rows.list_all(conn, who.agency) if found is None else found


def _days(query: DaysQuery) -> Span:
    """The days of the range, by the clock with which its start was written."""
    offset = offset_of(query.start_date)
    first, end = day_of(query.start_date, offset), day_of(query.end_date, offset)
    return Span(first, max(end, first + DAY))

"""Agencies: whom a member reaches, what is done in a creator's place, and the lists over all creators."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from examples.creator_platform.tables import EPOCH

AsUser = Callable[..., TestClient]
Ask = Callable[..., list[tuple[Any, ...]]]

DAY = timedelta(days=1)


class Agency(NamedTuple):
    """An agency of the made-up data, and those around it."""

    uuid: str
    admin: str
    chatter: str
    """Reaches one creator or more, and not all."""
    idle: str
    """Reaches nobody."""
    creators: list[str]
    given: list[str]
    """To the chatter."""
    foreign: str
    """A creator of another agency."""


def find_agency(ask: Ask) -> Agency:
    """The agency with the most creators."""
    ((uuid, _),) = ask("SELECT agency_uuid, count(*) FROM agency_creators GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1")
    ((admin,),) = ask("SELECT user_uuid FROM agency_members WHERE agency_uuid = ? AND is_admin", uuid)
    others = [
        user
        for (user,) in ask(
            "SELECT user_uuid FROM agency_members WHERE agency_uuid = ? AND NOT is_admin ORDER BY 1", uuid
        )
    ]
    held = {
        user: [creator for (creator,) in ask("SELECT creator_uuid FROM creator_access WHERE member_uuid = ?", user)]
        for user in others
    }
    creators = [creator for (creator,) in ask("SELECT creator_uuid FROM agency_creators WHERE agency_uuid = ?", uuid)]
    ((foreign,),) = ask("SELECT creator_uuid FROM agency_creators WHERE agency_uuid <> ? ORDER BY 1 LIMIT 1", uuid)
    chatter = max(others, key=lambda user: len(held[user]))
    idle = min(others, key=lambda user: len(held[user]))
    assert 0 < len(held[chatter]) < len(creators)
    assert not held[idle]
    return Agency(uuid, admin, chatter, idle, sorted(creators), sorted(held[chatter]), foreign)


@pytest.fixture(scope="session")
def agency(seen: Ask) -> Agency:
    """An agency; the same in the data that tests read and in the copies that they write to."""
    return find_agency(seen)


def everything(client: TestClient, path: str, **query: str) -> list[dict[str, Any]]:
    """The whole list, page by page."""
    found: list[dict[str, Any]] = []
    for page in range(1, 400):
        answer = client.get(path, params={"size": "7", "page": str(page), **query})
        assert answer.status_code == 200, answer.text
        found += answer.json()["data"]
        if not answer.json()["pagination"]["hasMore"]:
            return found
    raise AssertionError("the list does not end")


def ms(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


# -- whom a member reaches -------------------------------------------------------------------------------------------


@pytest.mark.req("R94")
def test_an_admin_sees_every_creator_and_a_chatter_those_that_were_given(reader: AsUser, agency: Agency) -> None:
    seen_by_admin = everything(reader(agency.admin), "/creators")
    assert sorted(each["uuid"] for each in seen_by_admin) == agency.creators
    assert {each["role"] for each in seen_by_admin} == {"ADMIN"}
    assert sorted(each["uuid"] for each in everything(reader(agency.chatter), "/creators")) == agency.given
    assert everything(reader(agency.idle), "/creators") == []
    assert everything(reader(agency.creators[0]), "/creators") == []  # a creator is no member


@pytest.mark.req("R94", "R125")
@pytest.mark.parametrize("path", ["followers", "subscribers", "chats", "insights/earnings", "insights/subscribers"])
def test_a_creator_who_is_not_reached_does_not_exist(reader: AsUser, agency: Agency, path: str) -> None:
    not_given = next(creator for creator in agency.creators if creator not in agency.given)
    refused = {"message": "Creator not found"}
    for user, creator in (
        (agency.admin, agency.foreign),
        (agency.admin, str(uuid4())),
        (agency.chatter, not_given),
        (agency.idle, agency.creators[0]),
        (agency.creators[0], agency.creators[0]),  # for themselves they have operations of their own
    ):
        answer = reader(user).get(f"/creators/{creator}/{path}")
        assert (answer.status_code, answer.json()) == (404, refused)
    assert reader(agency.chatter).get(f"/creators/{agency.given[0]}/{path}").status_code == 200


@pytest.mark.req("R95", "R96")
@pytest.mark.parametrize(
    "path",
    [
        "/followers",
        "/subscribers?sortDirection=asc",
        "/chats?filter=spenders",
        "/insights/earnings?source=tip",
        "/insights/top-spenders",
        "/insights/earnings/summary?startDate=2025-03-01T00:00:00Z&endDate=2025-04-01T00:00:00Z",
        "/insights/subscribers?startDate=2025-03-01T00:00:00Z&endDate=2025-04-01T00:00:00Z",
    ],
)
def test_a_member_is_shown_what_the_creator_is_shown(reader: AsUser, agency: Agency, path: str) -> None:
    creator = agency.given[0]
    own, shown = reader(creator).get(path), reader(agency.chatter).get(f"/creators/{creator}{path}")
    assert (own.status_code, own.json()) == (200, shown.json())


@pytest.mark.req("R95")
def test_a_message_is_the_creators_and_says_who_wrote_it(writer: AsUser, written: Ask, agency: Agency) -> None:
    creator = agency.given[0]
    ((peer,),) = written(
        "SELECT s.peer_uuid FROM chat_sides AS s JOIN users AS u ON u.uuid = s.peer_uuid AND u.is_contactable"
        " WHERE s.user_uuid = ? ORDER BY 1 LIMIT 1",
        creator,
    )
    path = f"/creators/{creator}/chats/{peer}"
    sent = writer(agency.chatter).post(f"{path}/message", json={"text": "for her"})
    assert sent.status_code == 201
    (newest,) = writer(agency.chatter).get(f"{path}/messages", params={"size": 1}).json()["data"]
    assert (newest["uuid"], newest["sender"]["uuid"]) == (sent.json()["messageUuid"], creator)
    assert newest["sentByUserId"] == agency.chatter
    assert writer(peer).get(f"/chats/{creator}/messages", params={"size": 1}).json()["data"][0]["text"] == "for her"


@pytest.mark.req("R95")
def test_a_chat_is_started_and_changed_for_a_creator(writer: AsUser, written: Ask, agency: Agency) -> None:
    creator = agency.given[0]
    ((peer,),) = written(
        "SELECT uuid FROM users WHERE is_contactable AND uuid <> ?"
        " AND uuid NOT IN (SELECT peer_uuid FROM chat_sides WHERE user_uuid = ?) ORDER BY 1 LIMIT 1",
        *(creator, creator),
    )
    client = writer(agency.admin)
    assert client.post(f"/creators/{creator}/chats", json={"userUuid": peer}).status_code == 201
    assert client.patch(f"/creators/{creator}/chats/{peer}", json={"nickname": "Sunny"}).status_code == 204
    (found,) = writer(creator).get("/chats", params={"search": "sunny"}).json()["data"]
    assert (found["user"]["uuid"], found["user"]["nickname"]) == (peer, "Sunny")


# -- the team --------------------------------------------------------------------------------------------------------


ADMINS_ONLY = [("GET", "/agencies/team-members"), ("GET", "/agencies/chats"), ("PUT", "/agencies/team-members/{idle}")]
RANGE = {"startDate": "2025-03-01T00:00:00Z", "endDate": "2025-04-01T00:00:00Z"}
MEMBERS_ONLY = ["/agencies/subscribers", "/agencies/earnings", "/agencies/subscribers-history"]


@pytest.mark.parametrize(("method", "path"), ADMINS_ONLY)
def test_what_is_an_admins_is_refused_to_others(reader: AsUser, agency: Agency, method: str, path: str) -> None:
    for user in (agency.chatter, agency.creators[0]):
        body = {"creatorUuids": []} if method == "PUT" else None
        answer = reader(user).request(method, path.format(idle=agency.idle), json=body)
        assert (answer.status_code, answer.json()) == (403, {"error": "Forbidden"})


@pytest.mark.parametrize("path", MEMBERS_ONLY)
def test_what_is_an_agencys_is_refused_to_who_is_in_none(reader: AsUser, agency: Agency, path: str) -> None:
    query = {} if path.endswith("subscribers") else RANGE
    answer = reader(agency.creators[0]).get(path, params=query)
    assert (answer.status_code, answer.json()) == (403, {"error": "Forbidden"})


@pytest.mark.req("R94")
def test_the_team_is_shown_with_what_each_reaches(reader: AsUser, seen: Ask, agency: Agency) -> None:
    team = {each["uuid"]: each for each in reader(agency.admin).get("/agencies/team-members").json()}
    assert set(team) == {
        user for (user,) in seen("SELECT user_uuid FROM agency_members WHERE agency_uuid = ?", agency.uuid)
    }
    assert [each["isAdmin"] for each in (team[agency.admin], team[agency.chatter])] == [True, False]
    assert sorted(each["uuid"] for each in team[agency.chatter]["creatorAccess"]) == agency.given
    assert set(team[agency.idle]) == {"uuid", "isAdmin", "nickname", "email", "displayName", "creatorAccess"}


@pytest.mark.req("R94")
def test_what_a_member_reaches_is_replaced(writer: AsUser, agency: Agency) -> None:
    client, path = writer(agency.admin), f"/agencies/team-members/{agency.chatter}"
    wanted = [agency.creators[-1], agency.given[0]]
    changed = client.put(path, json={"creatorUuids": wanted, "nickname": "Al"}).json()
    assert changed["nickname"] == "Al"
    assert sorted(each["uuid"] for each in changed["creatorAccess"]) == sorted(set(wanted))
    assert sorted(each["uuid"] for each in everything(writer(agency.chatter), "/creators")) == sorted(set(wanted))
    kept = client.put(path, json={"creatorUuids": None}).json()
    assert kept == changed
    assert client.put(path, json={"creatorUuids": [], "nickname": None}).json()["creatorAccess"] == []
    assert everything(writer(agency.chatter), "/creators") == []


def test_a_creator_of_another_agency_is_given_to_nobody(writer: AsUser, agency: Agency) -> None:
    client, path = writer(agency.admin), f"/agencies/team-members/{agency.chatter}"
    answer = client.put(path, json={"creatorUuids": [agency.given[0], agency.foreign], "nickname": "Al"})
    assert (answer.status_code, answer.json()) == (404, {"message": "Creator not found"})
    team = {each["uuid"]: each for each in client.get("/agencies/team-members").json()}
    assert team[agency.chatter]["nickname"] != "Al"  # all of it, or nothing
    assert sorted(each["uuid"] for each in team[agency.chatter]["creatorAccess"]) == agency.given


# -- over all creators -----------------------------------------------------------------------------------------------


@pytest.mark.req("R95", "R98")
def test_the_chats_of_all_creators_are_in_one_list(reader: AsUser, seen: Ask, agency: Agency) -> None:
    expected = seen(
        "SELECT user_uuid, peer_uuid FROM chat_sides WHERE user_uuid IN"
        " (SELECT creator_uuid FROM agency_creators WHERE agency_uuid = ?)"
        " ORDER BY last_message_at DESC, user_uuid DESC, peer_uuid DESC",
        agency.uuid,
    )
    found = everything(reader(agency.admin), "/agencies/chats")
    assert [(each["creatorUuid"], each["user"]["uuid"]) for each in found] == expected
    assert len(expected) > 7


@pytest.mark.req("R96", "R98")
def test_subscribers_of_some_creators_or_of_all(reader: AsUser, seen: Ask, agency: Agency) -> None:
    def expected(creators: list[str]) -> list[tuple[str, str]]:
        marks = ", ".join("?" for _ in creators)
        return seen(
            f"SELECT creator_uuid, fan_uuid FROM fans WHERE is_subscribed AND creator_uuid IN ({marks})"
            " ORDER BY subscribed_at DESC, creator_uuid DESC, fan_uuid DESC",
            *creators,
        )

    for user, query, creators in (
        (agency.admin, {}, agency.creators),
        (agency.chatter, {}, agency.given),
        (agency.admin, {"creatorUuids": agency.creators[0]}, agency.creators[:1]),
    ):
        found = everything(reader(user), "/agencies/subscribers", **query)
        assert [(each["creatorUuid"], each["uuid"]) for each in found] == expected(creators)
    for user, creator in ((agency.admin, agency.foreign), (agency.idle, agency.creators[0])):
        answer = reader(user).get("/agencies/subscribers", params={"creatorUuids": creator})
        assert answer.status_code == 404
    assert everything(reader(agency.idle), "/agencies/subscribers") == []


@pytest.mark.req("R96", "R98")
@pytest.mark.parametrize("offset", ["Z", "+05:30", "-08:00"])
def test_earnings_by_day_are_those_of_the_transactions(reader: AsUser, seen: Ask, agency: Agency, offset: str) -> None:
    first = datetime.fromisoformat(f"2025-02-01T00:00:00{offset}")
    end = first + 60 * DAY
    rows = seen(
        "SELECT creator_uuid, at, gross, net FROM earnings WHERE at >= ? AND at < ? AND creator_uuid IN"
        " (SELECT creator_uuid FROM agency_creators WHERE agency_uuid = ?)",
        *(ms(first), ms(end), agency.uuid),
    )
    sums: dict[tuple[str, str], list[int]] = {}
    for creator, at, gross, net in rows:
        day = first + (at - ms(first)) // 86_400_000 * DAY
        written = day.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        total = sums.setdefault((written, creator), [0, 0])
        total[0] += gross
        total[1] += net
    query = {"startDate": f"2025-02-01T17:30:00{offset}", "endDate": end.isoformat()}  # the time does not count
    found = everything(reader(agency.admin), "/agencies/earnings", **query)
    assert {(each["date"], each["creatorUuid"]): [each["gross"], each["net"]] for each in found} == sums
    assert [each["date"] for each in found] == sorted((each["date"] for each in found), reverse=True)
    assert len(found) == len(sums) > 7


@pytest.mark.req("R96", "R98")
def test_the_history_is_that_of_each_creator(reader: AsUser, agency: Agency) -> None:
    days = 300
    span = {"startDate": "2025-01-01T00:00:00Z", "endDate": "2025-10-28T00:00:00Z"}
    found = everything(reader(agency.admin), "/agencies/subscribers-history", **span)
    assert len(found) == days * len(agency.creators)
    for creator in agency.creators:
        own: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while len(own) < days:
            part = reader(creator).get("/insights/subscribers", params=span | cursor | {"size": "50"}).json()
            own += part["data"]
            cursor = {"cursor": part["nextCursor"]}
        theirs = [each for each in found if each["creatorUuid"] == creator]
        assert [{name: each[name] for name in own[0]} for each in theirs] == own
    assert any(each["newSubscribersCount"] for each in found)
    assert any(each["cancelledSubscribersCount"] for each in found)


@pytest.mark.req("R98")
def test_ranges_need_both_ends_and_are_no_longer_than_a_year(reader: AsUser, agency: Agency) -> None:
    client = reader(agency.admin)
    for path in MEMBERS_ONLY[1:]:
        for query in (
            {},
            {"startDate": RANGE["startDate"]},
            {"endDate": RANGE["endDate"]},
            {"startDate": RANGE["endDate"], "endDate": RANGE["startDate"]},
            {"startDate": "2024-01-01T00:00:00Z", "endDate": "2025-01-02T00:00:00Z"},
            RANGE | {"creatorUuids": "everybody"} if path.endswith("earnings") else RANGE | {"size": "51"},
        ):
            answer = client.get(path, params=query)
            assert answer.status_code == 400, (path, query)
            assert answer.json()["errors"]
        longest = {"startDate": "2024-01-02T00:00:00Z", "endDate": "2025-01-01T00:00:00Z", "size": "1"}
        assert client.get(path, params=longest).status_code == 200

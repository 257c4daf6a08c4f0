"""GET /followers and GET /subscribers."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

AsUser = Callable[..., TestClient]
Ask = Callable[..., list[tuple[Any, ...]]]

FOLLOWERS = (
    "SELECT fan_uuid FROM fans WHERE creator_uuid = ? AND followed_at IS NOT NULL AND NOT is_subscribed"
    " ORDER BY followed_at DESC, fan_uuid DESC"
)
SUBSCRIBERS = "SELECT fan_uuid FROM fans WHERE creator_uuid = ? AND is_subscribed ORDER BY subscribed_at, fan_uuid"


def everybody(client: TestClient, path: str, **query: str) -> list[dict[str, Any]]:
    """The whole list, page by page."""
    found: list[dict[str, Any]] = []
    for page in range(1, 100):
        answer = client.get(path, params={"size": "4", "page": str(page), **query}).json()
        found += answer["data"]
        if not answer["pagination"]["hasMore"]:
            return found
    raise AssertionError("the list does not end")


@pytest.mark.req("R89", "R98")
def test_followers_are_who_follows_without_a_subscription(reader: AsUser, seen: Ask, busiest: str) -> None:
    expected = [fan for (fan,) in seen(FOLLOWERS, busiest)]
    followers = everybody(reader(busiest), "/followers")
    assert [fan["uuid"] for fan in followers] == expected
    assert len(expected) > 4
    assert not set(expected) & {fan for (fan,) in seen(SUBSCRIBERS, busiest)}


@pytest.mark.req("R90", "R98")
def test_subscribers_are_listed_from_either_end(reader: AsUser, seen: Ask, busiest: str) -> None:
    expected = [fan for (fan,) in seen(SUBSCRIBERS, busiest)]
    assert len(expected) > 4
    client = reader(busiest)
    for query, order in (
        ({"sortField": "subscribedAt", "sortDirection": "asc"}, expected),
        ({"sortDirection": "desc"}, expected[::-1]),
        ({}, expected[::-1]),
    ):
        assert [fan["uuid"] for fan in everybody(client, "/subscribers", **query)] == order


@pytest.mark.req("R89")
def test_a_fan_is_shown_as_the_creator_knows_them(reader: AsUser, seen: Ask) -> None:
    creator, fan, handle, nickname, top = seen(
        "SELECT f.creator_uuid, fan_uuid, handle, nickname, is_top_spender FROM fans AS f"
        " JOIN chat_sides AS s ON s.user_uuid = f.creator_uuid AND s.peer_uuid = f.fan_uuid"
        " JOIN users ON uuid = fan_uuid"
        " WHERE nickname IS NOT NULL AND is_subscribed ORDER BY 1, 2"
    )[0]
    (shown,) = (found for found in everybody(reader(creator), "/subscribers") if found["uuid"] == fan)
    assert set(shown) == {
        *("uuid", "handle", "displayName", "nickname", "isTopSpender", "avatarUrl", "registeredAt"),
    }
    assert (shown["handle"], shown["nickname"], shown["isTopSpender"]) == (handle, nickname, bool(top))


@pytest.mark.req("R89", "R90", "R125")
def test_who_is_no_creator_has_no_audience(reader: AsUser, seen: Ask) -> None:
    ((fan,),) = seen("SELECT uuid FROM users WHERE uuid NOT IN (SELECT user_uuid FROM creators) ORDER BY 1 LIMIT 1")
    for path in ("/followers", "/subscribers"):
        answer = reader(fan).get(path)
        assert (answer.status_code, answer.json()["data"]) == (200, [])


@pytest.mark.req("R98")
@pytest.mark.parametrize(
    "query",
    [
        {"page": "0"},
        {"size": "51"},
        {"sortField": "name"},
        {"sortDirection": "up"},
        {"search": "a"},
        {"sortfield": "x"},
    ],
    ids=str,
)
def test_a_query_that_makes_no_sense_is_refused(anybody: TestClient, query: dict[str, str]) -> None:
    answer = anybody.get("/subscribers", params=query)
    assert answer.status_code == 400
    assert [line.split(":")[0] for line in answer.json()["errors"]] == list(query)

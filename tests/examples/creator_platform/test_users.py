"""GET /users/me."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.mark.req("R84")
def test_a_creator_sees_their_own_account(
    reader: Callable[[str], TestClient], seen: Callable[..., list[tuple[Any, ...]]]
) -> None:
    uuid, handle, email, likes, followers, audio = seen(
        "SELECT uuid, handle, email, likes_count, followers_count, audio_count"
        " FROM users JOIN creators ON user_uuid = uuid ORDER BY handle"
    )[0]
    answer = reader(uuid).get("/users/me")
    assert answer.status_code == 200
    me = answer.json()
    assert set(me) == {
        *("uuid", "email", "handle", "bio", "displayName", "isCreator", "createdAt", "updatedAt", "avatarUrl"),
        *("bannerUrl", "likesCount", "fanCounts", "contentCounts"),
    }
    assert (me["uuid"], me["handle"], me["email"], me["isCreator"]) == (uuid, handle, email, True)
    assert me["likesCount"] == likes
    assert set(me["fanCounts"]) == {"followersCount", "subscribersCount"}
    assert me["fanCounts"]["followersCount"] == followers
    assert set(me["contentCounts"]) == {
        *("imageCount", "videoCount", "audioCount", "postCount", "payToViewPostCount"),
    }
    assert me["contentCounts"]["audioCount"] == audio
    assert MOMENT.fullmatch(me["createdAt"])


@pytest.mark.req("R84")
def test_a_fan_has_no_counts(reader: Callable[[str], TestClient], seen: Callable[..., list[tuple[Any, ...]]]) -> None:
    (uuid,) = seen("SELECT uuid FROM users WHERE uuid NOT IN (SELECT user_uuid FROM creators) ORDER BY uuid")[0]
    me = reader(uuid).get("/users/me").json()
    assert me["uuid"] == uuid
    assert me["isCreator"] is False
    assert me["likesCount"] is me["fanCounts"] is me["contentCounts"] is None


@pytest.mark.req("R84")
def test_a_key_that_outlived_its_account_finds_nothing(reader: Callable[[str], TestClient]) -> None:
    answer = reader(str(uuid4())).get("/users/me")
    assert (answer.status_code, answer.json()) == (404, {"message": "User not found"})


@pytest.mark.req("R84")
def test_nothing_private_of_the_database_is_shown(
    reader: Callable[[str], TestClient], seen: Callable[..., list[tuple[Any, ...]]]
) -> None:
    (uuid,) = seen("SELECT uuid FROM users ORDER BY uuid")[0]
    assert "contactable" not in reader(uuid).get("/users/me").text.lower()

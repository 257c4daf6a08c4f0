"""Nobody sees or touches another's chats, whichever pair of users is drawn."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

AsUser = Callable[..., TestClient]
Ask = Callable[..., list[tuple[Any, ...]]]

USERS = st.integers(0, 39)


def users(ask: Ask) -> list[str]:
    return [uuid for (uuid,) in ask("SELECT uuid FROM users ORDER BY handle")]


def peers(ask: Ask, owner: str) -> set[str]:
    return {peer for (peer,) in ask("SELECT peer_uuid FROM chat_sides WHERE user_uuid = ?", owner)}


@pytest.mark.req("R125")
def test_every_users_list_holds_their_own_chats_and_no_others(reader: AsUser, seen: Ask) -> None:
    for owner in users(seen):
        page = reader(owner).get("/chats", params={"size": 50}).json()
        assert page["pagination"]["hasMore"] is False
        assert {chat["user"]["uuid"] for chat in page["data"]} == peers(seen, owner)
        for chat in page["data"]:
            if chat["lastMessage"]:
                assert chat["lastMessage"]["senderUuid"] in {owner, chat["user"]["uuid"]}


@pytest.mark.req("R125")
def test_every_account_is_the_callers_own(reader: AsUser, seen: Ask) -> None:
    for owner in users(seen):
        assert reader(owner).get("/users/me").json()["uuid"] == owner


@pytest.mark.req("R125", "R88")
@settings(max_examples=200, deadline=None)
@given(one=USERS, other=USERS)
def test_a_chat_of_others_is_not_found(reader: AsUser, seen: Ask, one: int, other: int) -> None:
    everyone = users(seen)
    owner, peer = everyone[one], everyone[other]
    answer = reader(owner).get(f"/chats/{peer}/messages", params={"size": 50})
    if peer not in peers(seen, owner):
        assert (answer.status_code, answer.json()) == (404, {"message": "Chat not found"})
        return
    for message in answer.json()["data"]:
        assert {message["sender"]["uuid"], message["recipient"]["uuid"]} == {owner, peer}


@pytest.mark.req("R125", "R98")
@settings(max_examples=100, deadline=None)
@given(
    one=USERS,
    query=st.fixed_dictionaries(
        {},
        optional={
            "page": st.integers(1, 4),
            "size": st.integers(1, 50),
            "filter": st.just("unread"),
            "search": st.sampled_from(["a", "fan", "creator", "0000", "%", "e C"]),
        },
    ),
)
def test_no_query_widens_a_list_to_others(reader: AsUser, seen: Ask, one: int, query: dict[str, str]) -> None:
    owner = users(seen)[one]
    answer = reader(owner).get("/chats", params=query)
    assert answer.status_code == 200
    assert {chat["user"]["uuid"] for chat in answer.json()["data"]} <= peers(seen, owner)


@pytest.mark.req("R125", "R87")
def test_nobody_writes_into_a_chat_of_others(writer: AsUser, written: Ask) -> None:
    everyone = users(written)
    before = [written(f"SELECT * FROM {table} ORDER BY 1, 2") for table in ("messages", "chat_sides")]
    for owner in everyone[:8]:
        for peer in set(everyone) - peers(written, owner):
            send = writer(owner).post(f"/chats/{peer}/message", json={"text": "hello"})
            assert (send.status_code, send.json()) == (404, {"message": "Chat not found"})
            read = writer(owner).get(f"/chats/{peer}/messages", params={"markAsRead": "true"})
            assert read.status_code == 404
    assert [written(f"SELECT * FROM {table} ORDER BY 1, 2") for table in ("messages", "chat_sides")] == before


@pytest.mark.req("R125")
def test_sending_touches_no_third_persons_view(writer: AsUser, written: Ask, longest: tuple[str, str]) -> None:
    owner, peer = longest
    written("UPDATE users SET is_contactable = ? WHERE uuid = ?", True, peer)
    others = [user for user in users(written) if user not in longest]
    before = {user: writer(user).get("/chats", params={"size": 50}).text for user in others}
    answer = writer(owner).post(f"/chats/{peer}/message", json={"text": "for one only"})
    assert answer.status_code == 201
    for user in others:
        assert writer(user).get("/chats", params={"size": 50}).text == before[user]
    assert "for one only" in json.dumps(writer(peer).get("/chats").json())

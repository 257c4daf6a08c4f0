"""GET /chats and POST /chats."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

AsUser = Callable[..., TestClient]
Ask = Callable[..., list[tuple[Any, ...]]]

BAD_QUERIES = [
    *({"page": bad} for bad in ("0", "-1", "one", "1.5", "", str(2**31), str(10**40))),
    *({"size": bad} for bad in ("0", "51", "-3", "many", "")),
    *({"filter": bad} for bad in ("", "read", "unread,unread")),
    *({"smartListIds": bad} for bad in ("", "muted")),
    *({"sortBy": bad} for bad in ("", "oldest", "MOST_RECENT_MESSAGES")),
    *({"search": bad} for bad in ("", "x" * 101, "\x00", "a\x00")),
    *({unknown: "1"} for unknown in ("filter[unread]", "customListId", "sort_by")),
]
BAD_BODIES: list[object] = [
    {},
    [],
    None,
    "text",
    {"userUuid": None},
    {"userUuid": 7},
    {"userUuid": "not-a-uuid"},
    {"user_id": "x"},
]


def all_chats(client: TestClient, **query: str) -> list[dict[str, Any]]:
    answer = client.get("/chats", params={"size": "50", **query})
    assert answer.status_code == 200
    assert answer.json()["pagination"]["hasMore"] is False
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


def stranger(ask: Ask, owner: str, contactable: bool) -> str:
    """Someone with whom *owner* has no chat."""
    return str(
        ask(
            "SELECT uuid FROM users WHERE uuid <> ? AND is_contactable = ?"
            " AND uuid NOT IN (SELECT peer_uuid FROM chat_sides WHERE user_uuid = ?) ORDER BY uuid",
            *(owner, contactable, owner),
        )[0][0]
    )


@pytest.mark.req("R85")
def test_a_chat_shows_the_other_person_and_the_newest_message(
    reader: AsUser, seen: Ask, longest: tuple[str, str]
) -> None:
    owner, peer = longest
    ((handle, name),) = seen("SELECT handle, display_name FROM users WHERE uuid = ?", peer)
    ((message, text, sender),) = seen(
        "SELECT uuid, text, sender_uuid FROM messages WHERE chat_id ="
        " (SELECT chat_id FROM chat_sides WHERE user_uuid = ? AND peer_uuid = ?)"
        " ORDER BY sent_at DESC, id DESC LIMIT 1",
        *longest,
    )
    (chat,) = (chat for chat in all_chats(reader(owner)) if chat["user"]["uuid"] == peer)
    assert set(chat) == {
        *("createdAt", "lastMessageAt", "isRead", "isMuted", "unreadMessagesCount", "user", "lastMessage"),
    }
    assert set(chat["user"]) == {
        *("uuid", "handle", "displayName", "nickname", "isTopSpender", "avatarUrl", "registeredAt"),
    }
    assert (chat["user"]["handle"], chat["user"]["displayName"]) == (handle, name)
    last = chat["lastMessage"]
    assert set(last) == {
        *("uuid", "text", "type", "sentAt", "hasMedia", "mediaType", "senderUuid", "sentByUserId"),
    }
    assert (last["uuid"], last["text"], last["senderUuid"]) == (message, text, sender)
    assert last["sentAt"] == chat["lastMessageAt"]


@pytest.mark.req("R85")
def test_chats_are_listed_by_their_newest_message_and_silent_ones_last(reader: AsUser, seen: Ask) -> None:
    (owner,) = seen("SELECT user_uuid FROM chat_sides WHERE last_message_id IS NULL ORDER BY 1")[0]
    moments = [chat["lastMessageAt"] for chat in all_chats(reader(owner), sortBy="most_recent_messages")]
    spoken = [moment for moment in moments if moment is not None]
    assert moments == [*sorted(spoken, reverse=True), *[None] * (len(moments) - len(spoken))]
    assert moments[-1] is None


@pytest.mark.req("R85")
def test_a_user_without_chats_has_an_empty_list(reader: AsUser, seen: Ask) -> None:
    (loner,) = seen("SELECT uuid FROM users WHERE uuid NOT IN (SELECT user_uuid FROM chat_sides) ORDER BY uuid")[0]
    page = reader(loner).get("/chats").json()
    assert page == {"data": [], "pagination": {"page": 1, "size": 0, "hasMore": False}}


@pytest.mark.req("R85", "R98")
def test_the_unread_filter_keeps_the_unread_ones(reader: AsUser, busiest: str) -> None:
    client = reader(busiest)
    everything = all_chats(client)
    unread = [chat for chat in everything if chat["unreadMessagesCount"] > 0]
    assert 0 < len(unread) < len(everything)
    assert all_chats(client, filter="unread") == unread
    assert all(chat["isRead"] is (chat["unreadMessagesCount"] == 0) for chat in everything)


@pytest.mark.req("R85", "R98")
def test_search_looks_at_handle_name_and_nickname(reader: AsUser, seen: Ask) -> None:
    owner, peer, handle, name, nickname = seen(
        "SELECT user_uuid, peer_uuid, handle, display_name, nickname FROM chat_sides JOIN users ON uuid = peer_uuid"
        " WHERE nickname IS NOT NULL AND display_name NOT LIKE '%' || nickname || '%' ORDER BY 1, 2"
    )[0]
    for words in (handle[2:], name.upper(), nickname):
        found = all_chats(reader(owner), search=words)
        assert peer in {chat["user"]["uuid"] for chat in found}, words
        for chat in found:
            user = chat["user"]
            assert words.lower() in f"{user['handle']}|{user['displayName']}|{user['nickname']}".lower()


@pytest.mark.req("R98")
@pytest.mark.parametrize("words", ["%", "_", "/", "' OR 1=1 --", "\ud7ff"])
def test_search_takes_no_character_for_a_pattern(reader: AsUser, busiest: str, words: str) -> None:
    assert all_chats(reader(busiest), search=words) == []


@pytest.mark.req("R85", "R98")
@pytest.mark.parametrize("query", BAD_QUERIES, ids=str)
def test_a_query_that_makes_no_sense_is_refused(anybody: TestClient, query: dict[str, str]) -> None:
    answer = anybody.get("/chats", params=query)
    assert answer.status_code == 400
    (line,) = answer.json()["errors"]
    assert line.startswith(next(iter(query)))


@pytest.mark.req("R86")
def test_a_new_chat_is_seen_from_both_sides(writer: AsUser, written: Ask, busiest: str) -> None:
    peer = stranger(written, busiest, contactable=True)
    answer = writer(busiest).post("/chats", json={"userUuid": peer})
    assert (answer.status_code, answer.json()) == (201, {"message": "Chat created"})
    for one, other in ((busiest, peer), (peer, busiest)):
        (chat,) = (chat for chat in all_chats(writer(one)) if chat["user"]["uuid"] == other)
        assert chat["lastMessage"] is chat["lastMessageAt"] is None
        assert (chat["unreadMessagesCount"], chat["isRead"], chat["isMuted"]) == (0, True, False)
        assert writer(one).get(f"/chats/{other}/messages").json()["data"] == []


@pytest.mark.req("R86")
def test_a_repeated_request_changes_nothing(writer: AsUser, written: Ask, busiest: str) -> None:
    peer = stranger(written, busiest, contactable=True)
    writer(busiest).post("/chats", json={"userUuid": peer})
    before = written("SELECT * FROM chat_sides ORDER BY 1, 2")
    for one, other in ((busiest, peer.upper()), (peer, busiest)):
        answer = writer(one).post("/chats", json={"userUuid": other})
        assert (answer.status_code, answer.json()) == (201, {"message": "Chat already exists"})
    assert written("SELECT * FROM chat_sides ORDER BY 1, 2") == before


@pytest.mark.req("R86")
def test_unreachable_unknown_and_oneself_are_refused_alike(writer: AsUser, written: Ask, busiest: str) -> None:
    before = written("SELECT count(*) FROM chats")
    unreachable = stranger(written, busiest, contactable=True)
    written("UPDATE users SET is_contactable = ? WHERE uuid = ?", False, unreachable)
    for peer in (unreachable, str(uuid4()), busiest):
        answer = writer(busiest).post("/chats", json={"userUuid": peer})
        assert (answer.status_code, answer.json()) == (400, {"message": "User cannot be contacted"})
    nobody = writer(str(uuid4())).post("/chats", json={"userUuid": busiest})
    assert (nobody.status_code, nobody.json()) == (400, {"message": "User cannot be contacted"})
    assert written("SELECT count(*) FROM chats") == before


@pytest.mark.req("R86")
@pytest.mark.parametrize("body", BAD_BODIES, ids=str)
def test_a_body_without_a_uuid_is_refused(anybody: TestClient, body: object) -> None:
    answer = anybody.post("/chats", json=body)
    assert answer.status_code == 400
    assert answer.json()["errors"]
    assert set(answer.json()) == {"errors"}


@pytest.mark.req("R86")
def test_an_unknown_field_is_refused(anybody: TestClient) -> None:
    answer = anybody.post("/chats", json={"userUuid": str(uuid4()), "price": 300})
    assert (answer.status_code, answer.json()) == (400, {"errors": ["price: Extra inputs are not permitted"]})


@pytest.mark.req("R86")
def test_two_people_who_start_at_once_have_one_chat(writer: AsUser, written: Ask, busiest: str) -> None:
    peer = stranger(written, busiest, contactable=True)
    pairs = [(busiest, peer), (peer, busiest)] * 8

    def start(pair: tuple[str, str]) -> str:
        answer = writer(pair[0]).post("/chats", json={"userUuid": pair[1]})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["message"])

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(start, pairs))
    assert told.count("Chat created") == 1
    assert written(
        "SELECT count(*) FROM chat_sides WHERE ? IN (user_uuid, peer_uuid) AND ? IN (user_uuid, peer_uuid)",
        busiest,
        peer,
    ) == [(2,)]


@pytest.mark.req("R96")
def test_a_new_chat_of_a_creator_is_one_of_their_agencys(writer: AsUser, written: Ask) -> None:
    ((creator, agency),) = written("SELECT creator_uuid, agency_uuid FROM agency_creators ORDER BY 1 LIMIT 1")
    peer = stranger(written, creator, contactable=True)
    writer(creator).post("/chats", json={"userUuid": peer})
    sides = "SELECT agency_uuid FROM chat_sides WHERE user_uuid = ? AND peer_uuid = ?"
    assert written(sides, creator, peer) == [(agency,)]
    assert written(sides, peer, creator) == [(None,)]

"""GET /chats/{userUuid}/messages and POST /chats/{userUuid}/message."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient

AsUser = Callable[..., TestClient]
Ask = Callable[..., list[tuple[Any, ...]]]

BAD_BODIES: list[object] = [
    *({}, [], None, {"text": ""}, {"text": None}, {"text": 7}, {"text": "x" * 5001}, {"text": "a\x00b"}),
    *({"text": "hello", "price": 300}, {"text": "hello", "mediaUuids": []}, {"Text": "hello"}),
]


def chat_of(client: TestClient, peer: str) -> dict[str, Any]:
    """The caller's chat with *peer*, as the list shows it."""
    chats: list[dict[str, Any]] = client.get("/chats", params={"size": 50}).json()["data"]
    return next(chat for chat in chats if chat["user"]["uuid"] == peer)


@pytest.fixture
def open_chat(written: Ask) -> tuple[str, str]:
    """Two people with a chat, the second of whom can be written to and has read everything."""
    user, peer = written(
        "SELECT user_uuid, peer_uuid FROM chat_sides JOIN users ON uuid = peer_uuid WHERE is_contactable"
        " AND NOT EXISTS (SELECT 1 FROM messages WHERE messages.chat_id = chat_sides.chat_id AND NOT is_read)"
        " AND last_message_id IS NOT NULL ORDER BY 1, 2"
    )[0]
    return user, peer


@pytest.mark.req("R88")
def test_messages_are_listed_newest_first(reader: AsUser, seen: Ask, longest: tuple[str, str]) -> None:
    owner, peer = longest
    handles: dict[str, str] = dict(seen("SELECT uuid, handle FROM users"))
    expected = seen(
        "SELECT uuid, text, sender_uuid, type FROM messages WHERE chat_id ="
        " (SELECT chat_id FROM chat_sides WHERE user_uuid = ? AND peer_uuid = ?)"
        " ORDER BY sent_at DESC, id DESC LIMIT 15",
        *longest,
    )
    answer = reader(owner).get(f"/chats/{peer}/messages")
    assert answer.status_code == 200
    page = answer.json()
    assert page["pagination"] == {"page": 1, "size": 15, "hasMore": True}
    assert [(m["uuid"], m["text"], m["sender"]["uuid"], m["type"]) for m in page["data"]] == expected
    for message in page["data"]:
        assert set(message) == {
            *("uuid", "text", "sentAt", "sender", "recipient", "hasMedia", "mediaType", "mediaUuids", "type"),
            *("pricing", "purchasedAt", "isRead", "sentByUserId"),
        }
        assert {message["sender"]["uuid"], message["recipient"]["uuid"]} == {owner, peer}
        assert message["sender"]["handle"] == handles[message["sender"]["uuid"]]
        assert message["recipient"]["handle"] == handles[message["recipient"]["uuid"]]


@pytest.mark.req("R88")
def test_reading_changes_nothing_unless_asked_to(writer: AsUser, written: Ask) -> None:
    owner, peer, unread = written(
        "SELECT user_uuid, peer_uuid, unread_count FROM chat_sides WHERE unread_count > 1 ORDER BY 1, 2"
    )[0]
    client, path = writer(owner), f"/chats/{peer}/messages"
    before = written("SELECT * FROM messages ORDER BY id")
    assert [m["isRead"] for m in client.get(path, params={"size": unread}).json()["data"]] == [False] * unread
    assert client.get(path, params={"markAsRead": "false"}).status_code == 200
    assert written("SELECT * FROM messages ORDER BY id") == before

    marked = client.get(path, params={"markAsRead": "true", "size": 1})
    assert marked.json()["data"][0]["isRead"] is True
    assert chat_of(client, peer)["unreadMessagesCount"] == 0
    assert chat_of(client, peer)["isRead"] is True
    changed = set(written("SELECT * FROM messages")) - set(before)
    assert len(changed) == unread


@pytest.mark.req("R88")
def test_marking_as_read_leaves_what_the_other_has_not_read(writer: AsUser, written: Ask) -> None:
    owner, peer, unread = written(
        "SELECT peer_uuid, user_uuid, unread_count FROM chat_sides WHERE unread_count > 0 ORDER BY 1, 2"
    )[0]
    assert writer(owner).get(f"/chats/{peer}/messages", params={"markAsRead": "true"}).status_code == 200
    assert chat_of(writer(peer), owner)["unreadMessagesCount"] == unread


@pytest.mark.req("R88", "R98")
@pytest.mark.parametrize("query", [{"page": "0"}, {"size": "51"}, {"markAsRead": "perhaps"}, {"cursor": "x"}], ids=str)
def test_a_query_that_makes_no_sense_is_refused(anybody: TestClient, query: dict[str, str]) -> None:
    answer = anybody.get(f"/chats/{uuid4()}/messages", params=query)
    assert answer.status_code == 400
    assert [line.split(":")[0] for line in answer.json()["errors"]] == list(query)


@pytest.mark.req("R87", "R88")
@pytest.mark.parametrize("text", ["me", "1", "0" * 31, "g" * 36, "%00", "0000000-00000-0000-0000-000000000000"])
def test_a_path_without_a_uuid_is_refused(anybody: TestClient, text: str) -> None:
    for answer in (
        anybody.get(f"/chats/{text}/messages", params={"page": 0}),
        anybody.post(f"/chats/{text}/message", json={"text": "hello"}),
        anybody.patch(f"/chats/{text}", json={"isRead": True}),
        anybody.delete(f"/chats/{uuid4()}/messages/{text}"),
    ):
        assert (answer.status_code, answer.json()) == (400, {"message": "Invalid UUID"})


@pytest.mark.req("R87")
def test_a_sent_message_is_the_newest_on_both_sides(writer: AsUser, written: Ask, open_chat: tuple[str, str]) -> None:
    owner, peer = open_chat
    before = {one: chat_of(writer(one), other)["unreadMessagesCount"] for one, other in (open_chat, open_chat[::-1])}
    text = "Hello, \u4e16\u754c \U0001f600 %s 'quoted'"
    answer = writer(owner).post(f"/chats/{peer}/message", json={"text": text})
    assert answer.status_code == 201
    assert set(answer.json()) == {"messageUuid"}
    uuid = str(UUID(answer.json()["messageUuid"]))

    for one, other in ((owner, peer), (peer, owner)):
        chats = writer(one).get("/chats").json()["data"]
        assert chats[0]["user"]["uuid"] == other
        assert (chats[0]["lastMessage"]["uuid"], chats[0]["lastMessage"]["text"]) == (uuid, text)
        assert chats[0]["lastMessage"]["type"] == "SINGLE_RECIPIENT"
        newest = writer(one).get(f"/chats/{other}/messages").json()["data"][0]
        assert (newest["uuid"], newest["text"], newest["isRead"]) == (uuid, text, False)
        assert (newest["sender"]["uuid"], newest["recipient"]["uuid"]) == (owner, peer)
        assert newest["sentAt"] == chats[0]["lastMessageAt"] == chats[0]["lastMessage"]["sentAt"]
    assert chat_of(writer(peer), owner)["unreadMessagesCount"] == before[peer] + 1
    assert chat_of(writer(owner), peer)["unreadMessagesCount"] == before[owner]


@pytest.mark.req("R87")
@pytest.mark.parametrize("length", [1, 5000])
def test_the_longest_and_the_shortest_text_are_sent(
    writer: AsUser, written: Ask, open_chat: tuple[str, str], length: int
) -> None:
    owner, peer = open_chat
    text = "\U0001f600" * length
    uuid = writer(owner).post(f"/chats/{peer}/message", json={"text": text}).json()["messageUuid"]
    assert written("SELECT text FROM messages WHERE uuid = ?", uuid) == [(text,)]


@pytest.mark.req("R87")
@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: ascii(body)[:40])
def test_a_body_that_makes_no_sense_is_refused(anybody: TestClient, body: object) -> None:
    answer = anybody.post(f"/chats/{uuid4()}/message", json=body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"errors"}


@pytest.mark.req("R87")
@pytest.mark.parametrize(
    "raw", [b"", b"{", b"\xff\xfe", b'{"text": "\xc3\x28"}', b"[" * 10_000, b'{"text": "\\ud800"}']
)
def test_a_body_that_is_not_json_is_refused(anybody: TestClient, raw: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = anybody.post(f"/chats/{uuid4()}/message", content=raw, headers=headers)
    assert answer.status_code == 400
    assert set(answer.json()) == {"errors"}


@pytest.mark.req("R87")
def test_nothing_is_sent_to_who_cannot_be_contacted(writer: AsUser, written: Ask) -> None:
    owner, peer = written(
        "SELECT user_uuid, peer_uuid FROM chat_sides JOIN users ON uuid = peer_uuid WHERE NOT is_contactable ORDER BY 1"
    )[0]
    before = written("SELECT count(*) FROM messages")
    answer = writer(owner).post(f"/chats/{peer}/message", json={"text": "hello"})
    assert (answer.status_code, answer.json()) == (400, {"message": "User cannot be contacted"})
    assert written("SELECT count(*) FROM messages") == before


@pytest.mark.req("R87", "R88")
def test_there_is_no_chat_with_oneself_or_with_nobody(writer: AsUser, busiest: str) -> None:
    for peer in (busiest, str(uuid4())):
        for answer in (
            writer(busiest).get(f"/chats/{peer}/messages", params={"markAsRead": "true"}),
            writer(busiest).post(f"/chats/{peer}/message", json={"text": "hello"}),
        ):
            assert (answer.status_code, answer.json()) == (404, {"message": "Chat not found"})


@pytest.mark.req("R87")
def test_messages_sent_at_once_are_all_counted(writer: AsUser, written: Ask, open_chat: tuple[str, str]) -> None:
    owner, peer = open_chat
    unread = chat_of(writer(peer), owner)["unreadMessagesCount"]

    def send(number: int) -> int:
        return writer(owner).post(f"/chats/{peer}/message", json={"text": f"number {number}"}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(send, range(80))) == {201}
    assert chat_of(writer(peer), owner)["unreadMessagesCount"] == unread + 80
    ((stored, newest),) = written("SELECT count(*), max(id) FROM messages WHERE text LIKE 'number %'")
    assert stored == 80
    assert written(
        "SELECT DISTINCT last_message_id FROM chat_sides WHERE user_uuid = ? AND peer_uuid = ?", *open_chat
    ) == [(newest,)]


@pytest.mark.req("R87")
def test_a_clock_that_was_set_back_does_not_reorder_a_chat(
    writer: AsUser, written: Ask, open_chat: tuple[str, str]
) -> None:
    owner, peer = open_chat
    far = 4_102_444_800_000  # the year 2100
    written(
        "UPDATE messages SET sent_at = ? WHERE id = (SELECT last_message_id FROM chat_sides"
        " WHERE user_uuid = ? AND peer_uuid = ?)",
        *(far, owner, peer),
    )
    written(
        "UPDATE chat_sides SET last_message_at = ? WHERE ? IN (user_uuid, peer_uuid) AND ? IN (user_uuid, peer_uuid)",
        *(far, owner, peer),
    )
    uuid = writer(owner).post(f"/chats/{peer}/message", json={"text": "later"}).json()["messageUuid"]
    assert writer(owner).get(f"/chats/{peer}/messages").json()["data"][0]["uuid"] == uuid

"""What happens to chats: filters, orders, changes, what is unread, who is there, what is taken back."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

AsUser = Callable[..., TestClient]
Ask = Callable[..., list[tuple[Any, ...]]]

SIDES = (
    "SELECT s.peer_uuid FROM chat_sides AS s LEFT JOIN fans AS f"
    " ON f.creator_uuid = s.user_uuid AND f.fan_uuid = s.peer_uuid WHERE s.user_uuid = ? AND {}"
)
NARROWED = {
    "filter": {
        "unread": "unread_count > 0",
        "online": "peer_is_online",
        "subscribed_to": "EXISTS (SELECT 1 FROM fans AS t WHERE t.is_subscribed"
        " AND t.creator_uuid = s.peer_uuid AND t.fan_uuid = s.user_uuid)",
        "not_muted": "NOT is_muted",
        "subscribers": "is_subscribed",
        "followers": "followed_at IS NOT NULL AND NOT is_subscribed",
        "not_answered": "awaits_answer",
        "spent_more_than_50": "spent_gross > 5000",
        "on_free_trial": "is_subscribed AND is_trial",
        "has_tipped": "tipped_gross > 0",
        "spenders": "spent_gross > 0",
        "exclude_creators": "s.peer_uuid NOT IN (SELECT user_uuid FROM creators)",
    },
    "smartListIds": {
        "subscribers": "is_subscribed",
        "auto_renewing": "is_subscribed AND auto_renews",
        "non_renewing": "is_subscribed AND NOT auto_renews",
        "followers": "followed_at IS NOT NULL AND NOT is_subscribed",
        "free_trial_subscribers": "is_subscribed AND is_trial",
        "expired_subscribers": "subscribed_at IS NOT NULL AND NOT is_subscribed",
        "spent_more_than_50": "spent_gross > 5000",
    },
}
CASES = [(name, value, condition) for name, values in NARROWED.items() for value, condition in values.items()]


def peers_in(client: TestClient, **query: str | list[str]) -> list[str]:
    """With whom the chats are that the query finds, in its order."""
    answer = client.get("/chats", params={"size": "50", **query})
    assert answer.status_code == 200, answer.text
    assert answer.json()["pagination"]["hasMore"] is False
    return [chat["user"]["uuid"] for chat in answer.json()["data"]]


def chat_of(client: TestClient, peer: str) -> dict[str, Any]:
    """The caller's chat with *peer*, as the list shows it."""
    chats: list[dict[str, Any]] = client.get("/chats", params={"size": 50}).json()["data"]
    return next(chat for chat in chats if chat["user"]["uuid"] == peer)


@pytest.mark.req("R85", "R98")
@pytest.mark.parametrize(("name", "value", "condition"), CASES)
def test_each_filter_keeps_what_it_says(reader: AsUser, seen: Ask, name: str, value: str, condition: str) -> None:
    kept = 0
    whose = "chat_sides" if value == "subscribed_to" else "creators"
    for (user,) in seen(f"SELECT DISTINCT user_uuid FROM {whose} ORDER BY 1"):
        expected = {peer for (peer,) in seen(SIDES.format(condition), user)}
        assert set(peers_in(reader(user), **{name: value})) == expected
        kept += len(expected)
    assert kept


@pytest.mark.req("R85", "R98")
def test_filters_narrow_together_and_lists_widen(reader: AsUser, busiest: str) -> None:
    client = reader(busiest)
    both = set(peers_in(client, filter=["spenders", "not_muted"]))
    assert both == set(peers_in(client, filter="spenders")) & set(peers_in(client, filter="not_muted"))
    either = set(peers_in(client, smartListIds=["subscribers", "followers"]))
    assert either == set(peers_in(client, smartListIds="subscribers")) | set(peers_in(client, smartListIds="followers"))


@pytest.mark.req("R85")
def test_a_recent_subscriber_subscribed_in_the_last_month(writer: AsUser, written: Ask, busiest: str) -> None:
    assert peers_in(writer(busiest), filter="recent_subscribers") == []  # the data ends long ago
    ((fan,),) = written(SIDES.format("is_subscribed") + " ORDER BY 1 LIMIT 1", busiest)
    written("UPDATE fans SET subscribed_at = 4102444800000 WHERE fan_uuid = ?", fan)
    assert peers_in(writer(busiest), filter="recent_subscribers") == [fan]


@pytest.mark.req("R85", "R98")
@pytest.mark.parametrize(
    ("order", "first"), [("online_now", "peer_is_online"), ("most_unanswered_chats", "awaits_answer")]
)
def test_an_order_puts_some_first_and_keeps_the_newest_before_the_rest(
    reader: AsUser, seen: Ask, busiest: str, order: str, first: str
) -> None:
    expected = seen(
        "SELECT peer_uuid FROM chat_sides WHERE user_uuid = ?"
        f" ORDER BY {first} DESC, last_message_at DESC, peer_uuid DESC",
        busiest,
    )
    assert peers_in(reader(busiest), sortBy=order) == [peer for (peer,) in expected]
    assert peers_in(reader(busiest), sortBy=order) != peers_in(reader(busiest))


@pytest.mark.req("R85", "R98")
@pytest.mark.parametrize(("name", "value", "condition"), CASES)
def test_filters_for_creators_are_for_creators(
    reader: AsUser, seen: Ask, name: str, value: str, condition: str
) -> None:
    ((fan,),) = seen(
        "SELECT user_uuid FROM chat_sides WHERE user_uuid NOT IN (SELECT user_uuid FROM creators) ORDER BY 1 LIMIT 1"
    )
    answer = reader(fan).get("/chats", params={name: value})
    if value in ("unread", "online", "subscribed_to", "not_muted"):
        assert answer.status_code == 200
        assert {chat["user"]["uuid"] for chat in answer.json()["data"]} == {
            peer for (peer,) in seen(SIDES.format(condition), fan)
        }
    else:
        assert (answer.status_code, answer.json()) == (403, {"error": "Forbidden"})


def test_a_change_touches_what_it_names_on_one_side(writer: AsUser, written: Ask, longest: tuple[str, str]) -> None:
    owner, peer = longest
    client, path = writer(owner), f"/chats/{peer}"
    theirs = chat_of(writer(peer), owner)
    for change, shown in (
        ({"isMuted": True, "nickname": "amber"}, (True, "amber")),
        ({"isMuted": False}, (False, "amber")),
        ({"nickname": "x" * 30, "isMuted": None}, (False, "x" * 30)),
        ({"nickname": None}, (False, None)),
        ({}, (False, None)),
    ):
        answer = client.patch(path, json=change)
        assert (answer.status_code, answer.content) == (204, b"")
        chat = chat_of(client, peer)
        assert (chat["isMuted"], chat["user"]["nickname"]) == shown
    assert chat_of(writer(peer), owner) == theirs


def test_a_chat_is_marked_read_and_unread_again(writer: AsUser, written: Ask) -> None:
    owner, peer = written("SELECT user_uuid, peer_uuid FROM chat_sides WHERE unread_count > 1 ORDER BY 1, 2")[0]
    client = writer(owner)
    for change, unread in ((True, 0), (True, 0), (False, 1), (False, 1), (True, 0)):
        assert client.patch(f"/chats/{peer}", json={"isRead": change}).status_code == 204
        chat = chat_of(client, peer)
        assert (chat["unreadMessagesCount"], chat["isRead"]) == (unread, not unread)
        counted = (
            "SELECT count(*) FROM messages WHERE chat_id = (SELECT chat_id FROM chat_sides WHERE user_uuid = ?"
            " AND peer_uuid = ?) AND sender_uuid = ? AND NOT is_read"
        )
        assert written(counted, owner, peer, peer) == [(unread,)]


@pytest.mark.parametrize(
    "body", [{"isRead": "soon"}, {"nickname": "x" * 31}, {"nickname": "a\x00"}, {"muted": True}, [], None], ids=ascii
)
def test_a_change_that_makes_no_sense_is_refused(anybody: TestClient, body: object) -> None:
    answer = anybody.patch(f"/chats/{uuid4()}", json=body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"errors"}


def test_what_is_unread_is_counted(reader: AsUser, seen: Ask) -> None:
    for (creator,) in seen("SELECT user_uuid FROM creators ORDER BY 1"):
        ((chats, messages),) = seen(
            "SELECT count(*), coalesce(sum(unread_count), 0) FROM chat_sides WHERE user_uuid = ? AND unread_count > 0",
            creator,
        )
        answer = reader(creator).get("/chats/unread")
        assert answer.status_code == 200
        unread = answer.json()
        kinds = dict(seen("SELECT kind, count FROM unread_notifications WHERE user_uuid = ?", creator))
        assert (unread["unreadChatsCount"], unread["unreadMessagesCount"]) == (chats, messages)
        assert set(unread["unreadNotifications"]) == {
            *("newFollower", "newPostComment", "newPostLike", "newPurchase", "newSubscriber", "newTip", "newPromotion"),
        }
        assert {kind: count for kind, count in unread["unreadNotifications"].items() if count} == kinds


def test_statuses_tell_who_is_there_and_nothing_of_who_hides_it(reader: AsUser, seen: Ask, busiest: str) -> None:
    everyone = seen("SELECT uuid, is_online, last_seen_at FROM users ORDER BY 1")
    nobody = str(uuid4())
    answer = reader(busiest).post("/chats/statuses", json={"userUuids": [*(uuid for uuid, *_ in everyone), nobody]})
    assert answer.status_code == 200
    told = answer.json()
    assert told.pop(nobody) == {"isOnline": False, "lastSeenAt": None}
    for uuid, is_online, seen_at in everyone:
        assert told[uuid]["isOnline"] is bool(is_online)
        assert (told[uuid]["lastSeenAt"] is None) is (seen_at is None)
        assert seen_at is not None or not is_online
    assert any(seen_at is None for *_, seen_at in everyone)


@pytest.mark.parametrize("uuids", [None, "me", ["me"], [7], [str(uuid4())] * 101])
def test_statuses_of_too_many_or_of_nothing_are_refused(anybody: TestClient, uuids: object) -> None:
    answer = anybody.post("/chats/statuses", json={"userUuids": uuids})
    assert answer.status_code == 400
    assert answer.json()["errors"][0].startswith("userUuids")
    assert anybody.post("/chats/statuses", json={"userUuids": []}).json() == {}


@pytest.fixture
def said(writer: AsUser, written: Ask, longest: tuple[str, str]) -> list[str]:
    """Three messages that the first of the two has just sent, the oldest first."""
    owner, peer = longest
    written("UPDATE users SET is_contactable = ? WHERE uuid = ?", True, peer)
    sent = [writer(owner).post(f"/chats/{peer}/message", json={"text": text}).json() for text in ("a", "b", "c")]
    return [answer["messageUuid"] for answer in sent]


def test_a_message_that_is_taken_back_is_gone_for_both(
    writer: AsUser, written: Ask, longest: tuple[str, str], said: list[str]
) -> None:
    owner, peer = longest
    unread = chat_of(writer(peer), owner)["unreadMessagesCount"]
    for gone, newest in ((said[1], said[2]), (said[2], said[0])):
        answer = writer(owner).delete(f"/chats/{peer}/messages/{gone}")
        assert (answer.status_code, answer.content) == (204, b"")
        unread -= 1
        for one, other in (longest, longest[::-1]):
            listed = writer(one).get(f"/chats/{other}/messages", params={"size": 50}).json()["data"]
            assert gone not in {message["uuid"] for message in listed}
            chat = chat_of(writer(one), other)
            assert chat["lastMessage"]["uuid"] == listed[0]["uuid"] == newest
            assert chat["lastMessageAt"] == listed[0]["sentAt"]
        assert chat_of(writer(peer), owner)["unreadMessagesCount"] == unread
    again = writer(owner).delete(f"/chats/{peer}/messages/{said[1]}")
    assert (again.status_code, again.json()) == (404, {"message": "Message not found"})


def test_the_only_message_that_is_taken_back_leaves_an_empty_chat(writer: AsUser, written: Ask, busiest: str) -> None:
    ((peer,),) = written(
        "SELECT uuid FROM users WHERE uuid <> ? AND uuid NOT IN (SELECT peer_uuid FROM chat_sides WHERE user_uuid = ?)"
        " AND is_contactable ORDER BY uuid LIMIT 1",
        *(busiest, busiest),
    )
    client = writer(busiest)
    client.post("/chats", json={"userUuid": peer})
    sent = client.post(f"/chats/{peer}/message", json={"text": "too early"}).json()["messageUuid"]
    assert chat_of(writer(peer), busiest)["unreadMessagesCount"] == 1
    assert client.delete(f"/chats/{peer}/messages/{sent}").status_code == 204
    for one, other in ((busiest, peer), (peer, busiest)):
        chat = chat_of(writer(one), other)
        assert (chat["lastMessage"], chat["lastMessageAt"], chat["unreadMessagesCount"]) == (None, None, 0)
    assert written("SELECT DISTINCT awaits_answer FROM chat_sides WHERE peer_uuid = ?", peer)[0][0] in (0, False)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("purchased_at = 1760000000000", "A message that was purchased cannot be deleted"),
        ("type = 'BROADCAST'", "A mass message cannot be deleted"),
        ("sender_uuid = '{peer}'", "Only your own messages can be deleted"),
    ],
)
def test_what_must_stay_stays(
    writer: AsUser, written: Ask, longest: tuple[str, str], said: list[str], change: str, reason: str
) -> None:
    owner, peer = longest
    written(f"UPDATE messages SET {change.format(peer=peer)} WHERE uuid = ?", said[0])
    answer = writer(owner).delete(f"/chats/{peer}/messages/{said[0]}")
    assert (answer.status_code, answer.json()) == (400, {"message": reason})
    assert written("SELECT count(*) FROM messages WHERE uuid = ?", said[0]) == [(1,)]


@pytest.mark.req("R125")
def test_a_message_of_another_chat_is_not_found(
    writer: AsUser, written: Ask, longest: tuple[str, str], said: list[str]
) -> None:
    owner, peer = longest
    ((third, fourth),) = written(
        "SELECT user_uuid, peer_uuid FROM chat_sides WHERE user_uuid NOT IN (?, ?) AND peer_uuid NOT IN (?, ?)"
        " ORDER BY 1, 2 LIMIT 1",
        *(owner, peer, owner, peer),
    )
    for caller, path in ((third, fourth), (third, owner), (owner, third)):
        answer = writer(caller).delete(f"/chats/{path}/messages/{said[0]}")
        assert answer.status_code == 404
    assert writer(owner).delete(f"/chats/{peer}/messages/x").json() == {"message": "Invalid UUID"}


def test_what_costs_is_read_by_who_has_paid(writer: AsUser, written: Ask, longest: tuple[str, str]) -> None:
    owner, peer = longest
    written("UPDATE users SET is_contactable = ? WHERE uuid = ?", True, peer)
    uuid = writer(owner).post(f"/chats/{peer}/message", json={"text": "a secret"}).json()["messageUuid"]
    for purchased_at, shown in ((None, None), (1_760_000_000_000, "a secret")):
        written("UPDATE messages SET price = 900, purchased_at = ? WHERE uuid = ?", purchased_at, uuid)
        for one, other, text in ((owner, peer, "a secret"), (peer, owner, shown)):
            message = writer(one).get(f"/chats/{other}/messages").json()["data"][0]
            assert (message["uuid"], message["text"], message["pricing"]) == (uuid, text, {"USD": {"price": 900}})
            assert (message["purchasedAt"] is None) is (purchased_at is None)
            assert chat_of(writer(one), other)["lastMessage"]["text"] == text

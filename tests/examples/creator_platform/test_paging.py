"""Pages: whatever their size, together they are the list, once and in order."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

AsUser = Callable[..., TestClient]
Ask = Callable[..., list[tuple[Any, ...]]]

CHATS = "SELECT peer_uuid FROM chat_sides WHERE user_uuid = ? ORDER BY last_message_at DESC, peer_uuid DESC"
MESSAGES = (
    "SELECT uuid FROM messages WHERE chat_id = (SELECT chat_id FROM chat_sides WHERE user_uuid = ? AND peer_uuid = ?)"
    " ORDER BY sent_at DESC, id DESC"
)


def check_page(page: dict[str, Any], asked: tuple[int, int], expected: list[Any], shown: list[Any]) -> None:
    """The page *asked* for, by number and size, holds its part of *expected* and says whether more follows."""
    number, size = asked
    part = expected[(number - 1) * size : number * size]
    assert shown == part
    assert page["pagination"] == {"page": number, "size": len(part), "hasMore": len(expected) > number * size}


@pytest.mark.req("R98", "R85")
@settings(max_examples=60, deadline=None)
@given(number=st.integers(1, 12), size=st.integers(1, 50))
def test_any_page_of_chats_is_its_part_of_the_list(
    reader: AsUser, seen: Ask, busiest: str, number: int, size: int
) -> None:
    expected = [peer for (peer,) in seen(CHATS, busiest)]
    page = reader(busiest).get("/chats", params={"page": number, "size": size}).json()
    check_page(page, (number, size), expected, [chat["user"]["uuid"] for chat in page["data"]])


@pytest.mark.req("R98", "R88")
@settings(max_examples=60, deadline=None)
@given(number=st.integers(1, 60), size=st.integers(1, 50))
def test_any_page_of_messages_is_its_part_of_the_list(
    reader: AsUser, seen: Ask, longest: tuple[str, str], number: int, size: int
) -> None:
    expected = [uuid for (uuid,) in seen(MESSAGES, *longest)]
    owner, peer = longest
    page = reader(owner).get(f"/chats/{peer}/messages", params={"page": number, "size": size}).json()
    check_page(page, (number, size), expected, [message["uuid"] for message in page["data"]])


@pytest.mark.req("R98")
def test_without_parameters_it_is_the_first_fifteen(reader: AsUser, seen: Ask, busiest: str) -> None:
    expected = [peer for (peer,) in seen(CHATS, busiest)]
    assert len(expected) > 15
    page = reader(busiest).get("/chats").json()
    check_page(page, (1, 15), expected, [chat["user"]["uuid"] for chat in page["data"]])


@pytest.mark.req("R98")
@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_a_page_that_ends_with_the_list_has_no_more(reader: AsUser, seen: Ask, busiest: str, beyond: int) -> None:
    chats = len(seen(CHATS, busiest))
    page = reader(busiest).get("/chats", params={"size": chats + beyond}).json()
    assert page["pagination"]["hasMore"] is (beyond < 0)
    owner, peer, length = seen(
        "SELECT user_uuid, peer_uuid, count(*) FROM chat_sides JOIN messages USING (chat_id)"
        " GROUP BY 1, 2 HAVING count(*) BETWEEN 10 AND 49 ORDER BY 1, 2"
    )[0]
    page = reader(owner).get(f"/chats/{peer}/messages", params={"size": length + beyond}).json()
    assert page["pagination"]["hasMore"] is (beyond < 0)


@pytest.mark.req("R98")
@pytest.mark.parametrize("number", [10_000, 2**31 - 1])
def test_a_page_behind_the_end_is_empty(reader: AsUser, busiest: str, number: int) -> None:
    page = reader(busiest).get("/chats", params={"page": number, "size": 50}).json()
    assert page == {"data": [], "pagination": {"page": number, "size": 0, "hasMore": False}}


@pytest.mark.req("R98")
def test_chats_of_the_same_moment_are_neither_repeated_nor_skipped(written: Ask, writer: AsUser, busiest: str) -> None:
    written("UPDATE chat_sides SET last_message_at = 1700000000000")
    whole = writer(busiest).get("/chats", params={"size": 50}).json()["data"]
    pages = [writer(busiest).get("/chats", params={"size": 3, "page": n}).json() for n in range(1, 20)]
    assert [chat for page in pages for chat in page["data"]] == whole

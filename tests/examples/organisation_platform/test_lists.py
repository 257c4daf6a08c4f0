"""Lists in both databases: every order, forwards and backwards, page by page, whatever comes and goes in between."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from tests.examples.organisation_platform.conftest import Ask, AsKey

ORDERS = {
    "experiences": {"createdAt": "created_at", "updatedAt": "updated_at", "name": "lower(name)"},
    "consumers": {
        "createdAt": "created_at",
        "email": "coalesce(email, '')",
        "fullName": "coalesce(lower(full_name), '')",
        "lastOrderAt": "coalesce(last_order_at, 0)",
        "totalOrderValue": "total_order_value",
        "totalOrders": "total_orders",
    },
    "organizations/me/users": {"createdAt": "created_at"},
}
TABLES = {"organizations/me/users": "members"}
EVERY_ORDER = [(path, order) for path, orders in ORDERS.items() for order in orders]


def walk(client: TestClient, path: str, *, back: bool = False, size: int = 7, **query: Any) -> list[str]:
    """The ids of all records, page by page, in the order in which they were come upon."""
    found: list[str] = []
    count, to, place = ("last", "before", "startCursor") if back else ("first", "after", "endCursor")
    more, cursor = True, None
    while more:
        answer = client.get(f"/{path}", params=query | {count: size} | ({to: cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        info, ids = answer.json()["pageInfo"], [each["id"] for each in answer.json()["data"]]
        assert len(ids) == size or not info["hasPreviousPage" if back else "hasNextPage"]
        assert info["hasNextPage" if back else "hasPreviousPage"] is (cursor is not None)
        more, cursor = info["hasPreviousPage" if back else "hasNextPage"], info[place]
        found += reversed(ids) if back else ids
    return found


@pytest.mark.parametrize(("path", "order"), EVERY_ORDER)
@pytest.mark.parametrize("falling", [True, False], ids=["desc", "asc"])
def test_every_record_is_listed_once_in_the_order_asked_for_and_in_its_reverse_from_the_end(
    reader: AsKey, seen: Ask, path: str, order: str, falling: bool
) -> None:
    key, way = ORDERS[path][order], "DESC" if falling else "ASC"
    table = TABLES.get(path, path)
    expected = [row[0] for row in seen(f"SELECT id FROM {table} WHERE organisation = 1 ORDER BY {key} {way}, id {way}")]
    query = {"sortBy": order, "sortDir": way.lower()}
    assert walk(reader(), path, **query) == expected
    assert walk(reader(), path, back=True, **query) == expected[::-1]


@pytest.mark.req("R238")
def test_a_list_begins_with_the_newest_twenty(reader: AsKey, seen: Ask) -> None:
    expected = seen("SELECT id FROM consumers WHERE organisation = 1 ORDER BY created_at DESC, id DESC LIMIT 20")
    page = reader().get("/consumers").json()
    assert [(each["id"],) for each in page["data"]] == expected
    assert set(page) == {"data", "pageInfo"}
    assert set(page["pageInfo"]) == {"hasNextPage", "hasPreviousPage", "startCursor", "endCursor"}


def test_before_alone_is_the_page_in_front(reader: AsKey) -> None:
    client = reader()
    first = client.get("/consumers", params={"first": 25}).json()
    page = client.get("/consumers", params={"before": first["pageInfo"]["endCursor"]}).json()
    assert page["data"] == first["data"][4:24]
    both = {"after": first["pageInfo"]["startCursor"], "before": first["pageInfo"]["endCursor"], "first": 5}
    assert client.get("/consumers", params=both).json()["data"] == first["data"][1:6]


def test_an_empty_list_has_no_cursors(reader: AsKey) -> None:
    page = reader().get("/consumers", params={"search": "nobody at all"}).json()
    info = {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None}
    assert page == {"data": [], "pageInfo": info}


def test_a_walk_neither_repeats_nor_loses_what_stays_while_others_come_and_go(writer: AsKey) -> None:
    client = writer()
    expected = walk(client, "consumers", size=50)
    first = client.get("/consumers", params={"first": 10}).json()
    for gone in (first["data"][-1]["id"], first["data"][3]["id"]):  # the cursor's own record, too
        assert client.delete(f"/consumers/{gone}").status_code == 204
    assert client.post("/consumers", json={"fullName": "New"}).status_code == 201
    after = {"first": 100, "after": first["pageInfo"]["endCursor"]}
    assert [each["id"] for each in client.get("/consumers", params=after).json()["data"]] == expected[10:110]


BAD_QUERIES = [
    *({"first": bad} for bad in ("0", "101", "-1", "many", "", "1.5", "9" * 30)),
    *({"last": bad} for bad in ("0", "101", "x")),
    {"first": "1", "last": "1"},
    *({"sortBy": bad} for bad in ("", "created_at", "phone", "id; DROP TABLE consumers")),
    *({"sortDir": bad} for bad in ("", "up", "DESC")),
    *({"search": bad} for bad in ("", "a", "x" * 101, "ab\0")),
    *({"createdAfter": bad} for bad in ("", "yesterday", "2025-01-01", "2025-01-01T00:00:00", "0001-01-01T00:00:00Z")),
    {"createdBefore": "2025-13-01T00:00:00Z"},
    {"page": "1"},
]


@pytest.mark.parametrize("query", BAD_QUERIES, ids=str)
def test_a_query_that_makes_no_sense_is_refused(reader: AsKey, query: dict[str, str]) -> None:
    answer = reader().get("/consumers", params=query)
    assert (answer.status_code, answer.json()["error"]) == (400, "validation_error")


def cursor(text: bytes) -> str:
    return urlsafe_b64encode(text).rstrip(b"=").decode()


BAD_CURSORS = [
    *("", "x", "not a cursor", "é", "=" * 40, "A" * 1000),
    *(
        cursor(text)
        for text in (
            b"",
            b"{}",
            b"null",
            b"[]",
            b'["createdAt"]',
            b'["createdAt", "text", "cons_1"]',
            b'["createdAt", true, "cons_1"]',
            b'["createdAt", 1.5, "cons_1"]',
            b'["createdAt", NaN, "cons_1"]',
            b'["createdAt", 9223372036854775808, "cons_1"]',
            b'["createdAt", 1, 2]',
            b'["createdAt", 1, "\\u0000"]',
            b'["createdAt", 1, "\\ud800"]',
            b'["email", "a", "cons_1"]',
            b'["createdAt", 1, "cons_1", 2]',
            b"[" * 700,
            b"\xff\xfe",
        )
    ),
]


@pytest.mark.parametrize("text", BAD_CURSORS, ids=lambda text: ascii(text)[:30])
@pytest.mark.parametrize("name", ["after", "before"])
def test_what_is_no_cursor_of_the_list_is_refused(reader: AsKey, name: str, text: str) -> None:
    answer = reader().get("/consumers", params={name: text})
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, name)


def test_text_in_a_cursor_is_looked_at_as_well(reader: AsKey) -> None:
    for text in (b'["email", "\\u0000", "c"]', b'["email", "\\udfff", "c"]', b'["email", 1, "c"]'):
        answer = reader().get("/consumers", params={"sortBy": "email", "after": cursor(text)})
        assert answer.status_code == 400


@given(
    key=st.integers(-(2**63), 2**63 - 1),
    row_id=st.text(st.characters(codec="utf-8", exclude_characters="\0")),
)
def test_a_cursor_that_was_made_up_shows_nothing_of_others(
    on_sqlite: FastAPI, seen: Ask, key: int, row_id: str
) -> None:
    mine = {row[0] for row in seen("SELECT id FROM consumers WHERE organisation = 3")}
    ((owner,),) = seen("SELECT id FROM organisations WHERE number = 3")
    client = TestClient(on_sqlite, headers={"test-owner": owner, "test-environment": "live", "test-class": "secret"})
    text = cursor(json.dumps(["createdAt", key, row_id]).encode())
    answer = client.get("/v1/consumers", params={"after": text[:1000], "first": 100})
    if answer.status_code == 200:
        assert {each["id"] for each in answer.json()["data"]} <= mine
    else:
        assert (answer.status_code, len(text) > 1000) == (400, True)


@pytest.mark.req("R125", "R200")
@pytest.mark.parametrize("path", ORDERS)
def test_every_list_holds_what_the_caller_has_in_its_environment_and_no_more(
    reader: AsKey, seen: Ask, path: str
) -> None:
    for number, owner, environment in seen("SELECT number, id, environment FROM organisations"):
        table = TABLES.get(path, path)
        mine = {row[0] for row in seen(f"SELECT id FROM {table} WHERE organisation = ?", number)}
        assert set(walk(reader(owner, environment), path, size=100)) == mine
    assert reader("o-nobody").get(f"/{path}").status_code == 404
    assert reader(environment="staging").get(f"/{path}").status_code == 404


@pytest.mark.parametrize("words", ["Amber", "am", "@EXAMPLE", "+1555000000", "er."])
def test_search_looks_at_name_address_and_number(reader: AsKey, seen: Ask, words: str) -> None:
    where = " OR ".join(f"instr(lower(coalesce({name}, '')), lower(?))" for name in ("full_name", "email", "phone"))
    asked = f"SELECT id FROM consumers WHERE organisation = 1 AND ({where})"
    expected = {row[0] for row in seen(asked, words, words, words)}
    assert expected
    assert set(walk(reader(), "consumers", search=words)) == expected


@pytest.mark.parametrize("words", ["%%", "__", "' OR 1=1 --", "\\\\", "//"])
def test_search_takes_no_character_for_a_pattern(reader: AsKey, words: str) -> None:
    assert reader().get("/consumers", params={"search": words}).json()["data"] == []
    assert reader().get("/consumers/search", params={"q": words}).json()["data"] == []


def test_dates_narrow_a_list_and_offsets_are_honoured(reader: AsKey, seen: Ask) -> None:
    after, before = "2025-01-31T23:30:00-01:30", "2025-07-01T02:00:00+02:00"  # 2025-02-01T01:00Z, 2025-07-01T00:00Z
    asked = "SELECT id FROM consumers WHERE organisation = 1 AND created_at >= ? AND created_at < ?"
    expected = {row[0] for row in seen(asked, 1738371600000, 1751328000000)}
    assert expected
    found = walk(reader(), "consumers", createdAfter=after, createdBefore=before, sortBy="email")
    assert set(found) == expected


def test_the_bounds_of_dates_tile(reader: AsKey) -> None:
    (row,) = (
        each for each in reader().get("/consumers", params={"first": 100, "sortDir": "asc"}).json()["data"][50:51]
    )
    early = walk(reader(), "consumers", createdBefore=row["createdAt"])
    late = walk(reader(), "consumers", createdAfter=row["createdAt"])
    assert row["id"] in late
    assert sorted(early + late) == sorted(walk(reader(), "consumers"))


def test_members_are_narrowed_by_their_role(reader: AsKey) -> None:
    page = reader().get("/organizations/me/users", params={"role": "editor"}).json()
    assert [each["role"] for each in page["data"]] == ["editor", "editor"]

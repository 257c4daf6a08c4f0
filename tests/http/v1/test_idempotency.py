"""``Idempotency-Key``: the same write is done once, whoever sends it again, and whatever happened in between (C051)."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from limen.control import replies, run_settings
from tests.db.hand import full
from tests.http.v1.house import Caller, House

pytestmark = pytest.mark.check("C051")
KEY = {"Idempotency-Key": '"8e03978e-40d5"'}


def _owners(house: House) -> int:
    (count,) = house.rows("select count(*) from owners")[0]
    return int(count)


def _named(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


async def test_a_write_that_is_sent_again_is_done_once_and_answered_as_before(house: House, staff: Caller) -> None:
    first = await staff("POST", "/owners", {"kind": "user"}, headers=KEY)
    assert (first.status_code, "idempotency-replayed" in first.headers) == (201, False)
    before = house.dump()
    again = await staff("POST", "/owners", {"kind": "user"}, headers=KEY)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    assert again.json() == first.json()
    assert house.dump() == before


async def test_without_a_key_each_write_is_another(house: House, staff: Caller) -> None:
    before = _owners(house)
    for _ in range(2):
        await staff.do("POST", "/owners", {"kind": "user"})
    assert _owners(house) == before + 2


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/owners", {"kind": "organisation"}),
        ("POST", "/owners", {"kind": "user", "name": ""}),
        ("POST", "/apis", {"api": "x", "profile": {}}),
        ("PUT", "/settings/replies.hours", {"value": 24}),
        ("DELETE", "/settings/replies.hours", None),
    ],
)
async def test_under_the_same_key_another_write_is_refused(house: House, staff: Caller, method, path, body) -> None:
    await staff.do("POST", "/owners", {"kind": "user"}, headers=KEY)
    await staff.refused("idempotency_mismatch", method, path, body, headers=KEY)


async def test_the_query_is_part_of_a_write(house: House, staff: Caller) -> None:
    document = await staff.get("/apis/creator/profile")
    await staff.do("PUT", "/apis/creator/profile", document, headers=KEY)
    await staff.refused("idempotency_mismatch", "PUT", "/apis/creator/profile?overwrite=true", document, headers=KEY)


async def test_keys_are_the_callers_own(house: House, staff: Caller) -> None:
    other = house.staff()
    one = await staff.do("POST", "/owners", {"kind": "user"}, headers=KEY)
    assert (await other.do("POST", "/owners", {"kind": "user"}, headers=KEY)) != one
    user = house.user()
    made = house.key(user)
    path = f"/keys/{made.key.key}/revoke"
    for caller in (staff.acting_for(user), staff.acting_for(house.user()), staff):
        answer = await caller("POST", path, {}, headers=_named("revoke"))
        assert "idempotency-replayed" not in answer.headers


@pytest.mark.check("C051")
@pytest.mark.req("R67", "R208", "R210")
async def test_the_replay_of_an_issue_has_no_text(house: House, staff: Caller) -> None:
    asked = {"api": "creator", "owner": house.user(), "name": "a key", "scopes": ["read:self"]}
    issued = await staff.do("POST", "/keys", asked, headers=KEY)
    secret = issued["text"][-38:-6]
    assert re.fullmatch(r"fvak_[0-9A-Za-z]{12}.*", issued["text"])
    again = await staff("POST", "/keys", asked, headers=KEY)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == {"key": issued["key"], "text": None}
    fresh = await staff.do("POST", f"/keys/{issued['key']['key']}/regenerate", headers=_named("again"))
    assert (await staff.do("POST", f"/keys/{issued['key']['key']}/regenerate", headers=_named("again")))["text"] is None
    kept = house.kept()
    for text in (secret, fresh["text"][-38:-6]):
        assert [name for name, content in kept.items() if text.encode() in content] == []


@pytest.mark.parametrize("held", ["", '""', '"', "é", "x" * 256, '"' + "x" * 256 + '"', '"a" b', '"a\\b"'])
async def test_a_key_of_another_form_is_refused(house: House, staff: Caller, held: str) -> None:
    headers = [(b"idempotency-key", held.encode("latin-1"))]
    answer = await staff._client.request(
        "POST", "/owners", json={"kind": "user"}, headers=[*staff.headers.items(), *headers]
    )
    assert answer.json()["code"] == "idempotency_key_wrong"


async def test_a_key_is_sent_once(staff: Caller) -> None:
    twice = [*staff.headers.items(), ("idempotency-key", "a"), ("idempotency-key", "a")]
    answer = await staff._client.request("POST", "/owners", json={"kind": "user"}, headers=twice)
    assert answer.json()["code"] == "request_malformed"


@pytest.mark.parametrize(
    ("one", "other"), [('"a b"', '"a b"'), ("abc", '"abc"'), ('"a\\"b"', '"a\\"b"'), ("x" * 255, "x" * 255)]
)
async def test_a_key_is_the_same_with_quotes_and_without(staff: Caller, one: str, other: str) -> None:
    first = await staff("POST", "/owners", {"kind": "user"}, headers=_named(one))
    again = await staff("POST", "/owners", {"kind": "user"}, headers=_named(other))
    assert (first.status_code, again.headers["idempotency-replayed"]) == (201, "true")


async def test_what_is_refused_is_not_kept(house: House, staff: Caller) -> None:
    asked = {"kind": "user", "owner": house.name()}
    made = house.user()
    await staff.refused("owner_exists", "POST", "/owners", {"kind": "user", "owner": made}, headers=KEY)
    answer = await staff("POST", "/owners", asked, headers=KEY)
    assert (answer.status_code, "idempotency-replayed" in answer.headers) == (201, False)


async def test_a_read_takes_no_key(staff: Caller) -> None:
    answer = await staff("GET", "/me", headers=KEY)
    assert "idempotency-replayed" not in answer.headers
    await staff.do("POST", "/owners", {"kind": "user"}, headers=KEY)


async def test_a_reply_is_kept_for_as_long_as_the_setting_says(house: House, staff: Caller) -> None:
    first = await staff.do("POST", "/owners", {"kind": "user"}, headers=KEY)
    house.app.act(run_settings.set_value, "replies.hours", 1)
    try:
        house.execute("update replies set at = at - 3590")
        assert (await staff.do("POST", "/owners", {"kind": "user"}, headers=KEY)) == first
        house.execute("update replies set at = at - 20")
        late = await staff("POST", "/owners", {"kind": "organisation"}, headers=KEY)
        assert (late.status_code, "idempotency-replayed" in late.headers) == (201, False)
        assert (await staff.do("POST", "/owners", {"kind": "organisation"}, headers=KEY)) == late.json()
    finally:
        house.app.act(run_settings.reset, "replies.hours")


async def test_old_replies_are_forgotten_and_others_stay(house: House, staff: Caller) -> None:
    house.execute("delete from replies")
    for name in ("old", "new"):
        await staff.do("POST", "/owners", {"kind": "user"}, headers=_named(name))
    house.execute("update replies set at = at - 86401 where name = 'old'")
    assert house.app.act(replies.forget_old) == 1
    assert house.rows("select name from replies") == [("new",)]


async def test_a_reply_that_cannot_be_kept_undoes_the_write(house: House, staff: Caller) -> None:
    """The one is in the transaction of the other: whatever dies between them, neither is there."""
    with full(house.path, "replies"):
        before = house.dump()
        answer = await staff("POST", "/owners", {"kind": "user"}, headers=KEY)
        assert answer.json()["code"] == "broken"
        assert house.dump() == before
    answer = await staff("POST", "/owners", {"kind": "user"}, headers=KEY)
    assert (answer.status_code, "idempotency-replayed" in answer.headers) == (201, False)


async def test_while_it_is_being_done_the_same_write_is_refused(house: House, staff: Caller) -> None:
    before = _owners(house)
    with house.writing():  # another writer: what comes now waits for it
        first = asyncio.ensure_future(staff("POST", "/owners", {"kind": "user"}, headers=KEY))
        answer: Any = None
        for _ in range(200):
            await asyncio.sleep(0.01)
            answer = await asyncio.wait_for(staff("GET", "/me"), 5)
            if house.public._management.state.flights._doing:
                break
        answer = await asyncio.wait_for(staff("POST", "/owners", {"kind": "user"}, headers=KEY), 5)
        assert answer.json()["code"] == "idempotency_in_flight"
    assert (await first).status_code == 201
    assert _owners(house) == before + 1
    assert (await staff("POST", "/owners", {"kind": "user"}, headers=KEY)).headers["idempotency-replayed"] == "true"


async def test_of_a_crowd_with_one_key_one_is_done(house: House, staff: Caller) -> None:
    before = _owners(house)
    crowd = [staff("POST", "/owners", {"kind": "user"}, headers=_named("crowd")) for _ in range(20)]
    answers = await asyncio.gather(*crowd)
    assert _owners(house) == before + 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    made = {answer.json()["owner"] for answer in answers if answer.status_code == 201}
    assert len(made) == 1

"""Channels, deliveries, the inbox and notices over the management API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from limen.control import delivery, recording
from limen.core.usage import Decided
from limen.core.versions import iso_instant

if TYPE_CHECKING:
    from tests.http.v1.house import Caller, House


def _hand_on(house: House) -> None:
    while house.app.act(delivery.hand_on):
        continue


@pytest.mark.check("C108")
async def test_an_owner_sets_a_webhook_and_sees_its_secret_once(house: House, staff: Caller) -> None:
    member = house.member()
    asked = {"kind": "webhook", "address": "https://example.com/hooks", "api": "creator"}
    added = await member.do("POST", "/channels", asked)
    channel = added["channel"]
    path = f"/channels/{channel['channel']}"
    assert (channel["owner"], channel["dialect"], channel["state"]) == (member.owner, "profile", "on")
    assert added["secret"].startswith("whsec_")
    assert (await member.do("POST", "/channels", asked))["secret"] == ""
    assert await member.get(path) == channel
    assert (await member.get("/channels"))["items"] == [channel]
    changed = await member.do("PATCH", path, {"events": ["key.*"], "muted": True})
    assert (changed["events"], changed["state"]) == (["key.*"], "muted")
    await member.refused("channel_off", "POST", f"{path}/test")
    assert (await member.do("PATCH", path, {"muted": False}))["state"] == "on"
    rotated = await member.do("POST", f"{path}/rotate", {"overlap_s": 60})
    assert rotated["secret"] not in ("", added["secret"])
    assert rotated["channel"]["old_secret_ends_at"] is not None
    test = await member.do("POST", f"{path}/test")
    assert (test["event"], test["state"], test["attempts"]) == ("channel.test", "due", [])
    assert await member.get(f"/deliveries/{test['delivery']}") == test
    assert [each["delivery"] for each in (await member.get("/deliveries?state=due"))["items"]] == [test["delivery"]]
    assert (await member.do("POST", f"/deliveries/{test['delivery']}/retry"))["state"] == "due"
    assert (await member.do("POST", f"{path}/replay", {"since": iso_instant(house.app.clock.read()[0] - 60)}))[
        "count"
    ] >= 0
    await member.refused("channel_wrong", "POST", f"{path}/replay", {"since": "2026-01-01T00:00:00Z"})
    await member.do("DELETE", path)
    await member.refused("channel_unknown", "GET", path)
    assert (await member.get("/deliveries?state=dropped"))["items"][0]["delivery"] == test["delivery"]


@pytest.mark.check("C106")
async def test_what_is_no_endpoint_is_refused(house: House) -> None:
    member = house.member()
    for address in ("http://example.com/", "https://127.0.0.1/", "https://localhost/", "https://example.com:22/"):
        await member.refused("channel_wrong", "POST", "/channels", {"kind": "webhook", "address": address})
    for address in ("nobody", "a@b", "a b@example.com", "a@example.com\nb", "a@example.com,b@example.com"):
        await member.refused("channel_wrong", "POST", "/channels", {"kind": "email", "address": address})
    wrong = {"kind": "webhook", "address": "https://example.com/"}
    for more, code in (
        ({"events": ["key"]}, "channel_wrong"),
        ({"dialect": "profile"}, "channel_wrong"),
        ({"api": "nothing"}, "api_unknown"),
        ({"kind": "pigeon"}, "request_malformed"),
        ({"confirmed": True}, "staff_only"),
    ):
        await member.refused(code, "POST", "/channels", wrong | more)
    for number in range(20):
        await member.do("POST", "/channels", wrong | {"address": f"https://example.com/{number}"})
    await member.refused("too_many_open", "POST", "/channels", wrong)


async def test_an_address_is_confirmed_by_its_token_or_by_staff(house: House, staff: Caller) -> None:
    member = house.member()
    added = (await member.do("POST", "/channels", {"kind": "email", "address": "someone@example.com"}))["channel"]
    path = f"/channels/{added['channel']}/confirm"
    assert added["state"] == "unconfirmed"
    await member.refused("staff_only", "POST", path)
    await member.refused("token_wrong", "POST", path, {"token": f"{added['channel']}.AAAA"})
    from limen.db.sealed import write_token

    token = write_token(house.app.ring.keyring, "mute", added["channel"])
    await member.refused("token_wrong", "POST", path, {"token": token})
    token = write_token(house.app.ring.keyring, "confirm", added["channel"])
    assert (await member.do("POST", path, {"token": token}))["state"] == "on"
    own = (await staff.do("POST", "/channels", {"kind": "email", "address": "ops@example.com"}))["channel"]
    assert (own["owner"], own["state"]) == ("", "unconfirmed")
    assert (await staff.do("POST", f"/channels/{own['channel']}/confirm"))["state"] == "on"
    assert own["channel"] in [each["channel"] for each in (await staff.get("/channels"))["items"]]


async def test_the_inbox_is_read(house: House) -> None:
    user = house.user()
    key = house.key(user).key.key
    _hand_on(house)
    member = house.member(user)
    (letter, *_) = (await member.get("/inbox?unread=true"))["items"]
    assert (letter["event"], letter["subject"], letter["read_at"]) == ("key.issued", key, None)
    assert (await member.do("POST", "/inbox/read", {"message": letter["message"]}))["count"] == 1
    assert (await member.get("/inbox?unread=true"))["items"] == []
    assert (await member.do("POST", "/inbox/read", {}))["unread"] == 0
    await house.member().refused("message_unknown", "POST", "/inbox/read", {"message": letter["message"]})


@pytest.mark.req("R167")
async def test_a_versions_dates_are_told_to_whoever_calls_it_once(house: House, staff: Caller) -> None:
    caller, other = house.user(), house.user()
    key = house.key(caller).key.key
    house.key(other)
    now = house.app.clock.read()[0]
    entries = [
        Decided(number, now - 60 + number, key.encode(), "ok", "GET", "listChats", "2025-06-26", "/chats")
        for number in range(1, 4)
    ]
    late = house.user()  # its readings have gone by now, what they came to has not
    entries.append(entries[0]._replace(number=9, at=now - 40 * 86_400, locator=house.key(late).key.key.encode()))
    house.app.act(recording.record, "9001.seg", 0, api="creator", incarnation=9001, entries=entries)
    asked = {"kind": "version", "api": "creator", "version": "2025-06-26", "days": 7}
    await staff.refused("notice_wrong", "POST", "/notices/preview", asked)
    await staff.do("POST", "/apis/creator/versions", {"version": "2026-06-26"})
    dates = {"at": "2030-01-01T00:00:00Z", "successor": "2026-06-26"}
    await staff.do("POST", "/apis/creator/versions/2025-06-26/deprecate", dates)
    shown = await staff.do("POST", "/notices/preview", asked)
    assert shown["count"] == 1
    assert [(each["owner"], each["keys"], each["calls"]) for each in shown["recipients"]] == [(caller, 1, 3)]
    longer = await staff.do("POST", "/notices/preview", asked | {"days": 60})
    assert {each["owner"] for each in longer["recipients"]} == {caller, late}
    while house.app.act(recording.purge):
        pass
    assert await staff.do("POST", "/notices/preview", asked | {"days": 60}) == longer
    assert "2030-01-01" in shown["text"]
    assert "2026-06-26" in shown["text"]
    sent = await staff.do("POST", "/notices", asked | {"notice": "end-2025"})
    assert await staff.do("POST", "/notices", asked | {"notice": "end-2025"}) == sent
    assert (sent["notice"], sent["recipients"]) == ("end-2025", 1)
    assert await staff.get("/notices/end-2025") == sent
    assert sent in (await staff.get("/notices"))["items"]
    told = [each["title"] for each in (await house.member(caller).get("/inbox"))["items"]]
    assert told.count(sent["title"]) == 1
    assert sent["title"] not in [each["title"] for each in (await house.member(other).get("/inbox"))["items"]]


async def test_a_policy_is_told_to_whoever_holds_a_key(house: House, staff: Caller) -> None:
    holder, nobody = house.firm(), house.firm()
    house.key(holder, "organisation")
    asked = {"kind": "policy", "api": "organisation", "title": "New terms", "text": "They hold from March on."}
    shown = await staff.do("POST", "/notices/preview", asked)
    found = [each["owner"] for each in shown["recipients"]]
    assert holder in found
    assert nobody not in found
    for change in ({"title": ""}, {"text": ""}, {"title": "a\nb"}, {"version": "x"}, {"notice": "a/b"}):
        await staff.refused("notice_wrong", "POST", "/notices", asked | change)
    await staff.do("POST", "/notices", asked)
    await house.member().refused("scope_missing", "POST", "/notices", asked)

"""Measures, usage, what was refused, settings and the audit."""

from __future__ import annotations

import json

import pytest

from limen.control import audit, recording
from limen.core.usage import Decided, Tally
from tests.http.v1.house import Caller, House


@pytest.mark.req("R124", "R169")
async def test_a_measure_is_taken_and_lifted(house: House, staff: Caller) -> None:
    user = house.user()
    asked = {"kind": "throttle", "target": "owner", "subject": user, "limits": "5 per 60 s", "reason": "too much"}
    taken = await staff.do("POST", "/measures", asked | {"ends_at": "2031-01-01T00:00:00Z"})
    assert (taken["state"], taken["limits"], taken["ends_at"]) == ("on", "5 per 60 s", "2031-01-01T00:00:00.000Z")
    path = f"/measures/{taken['measure']}"
    assert await staff.get(path) == taken
    assert taken in (await staff.get("/measures"))["items"]
    assert (await staff.do("POST", f"{path}/lift"))["state"] == "lifted"
    assert taken["measure"] not in [each["measure"] for each in (await staff.get("/measures"))["items"]]
    assert taken["measure"] in [each["measure"] for each in (await staff.get("/measures?over=true"))["items"]]
    block = {"kind": "block", "target": "address", "subject": "203.0.113.0/24", "reason": "attack"}
    assert (await staff.do("POST", "/measures", block))["subject"] == "203.0.113.0/24"
    for changes, code in (
        ({"limits": "5 per 60 s"}, "measure_wrong"),
        ({"kind": "throttle"}, "measure_wrong"),
        ({"target": "moon"}, "request_malformed"),
        ({"subject": "somewhere"}, "addresses_wrong"),
        ({"reason": ""}, "reason_wrong"),
        ({"target": "owner", "subject": "nobody"}, "owner_unknown"),
        ({"ends_at": "2001-01-01T00:00:00Z"}, "measure_wrong"),
    ):
        await staff.refused(code, "POST", "/measures", block | changes)
    await staff.refused("measure_unknown", "GET", "/measures/0123456789Ab")
    await staff.refused("measure_unknown", "POST", "/measures/0123456789Ab/lift")


def _decided(house: House, key: str, count: int, code: str = "ok") -> None:
    """*count* decisions on *key*, as a gate journals them."""
    entries = [
        Decided(number, 1_800_000_000.0 + number, key.encode(), code, "GET", "listChats", "2025-06-26", "/chats")
        for number in range(1, count + 1)
    ]
    incarnation = int(house.name("").removeprefix("-"))
    house.app.act(recording.record, f"{incarnation}.seg", 0, api="creator", incarnation=incarnation, entries=entries)


@pytest.mark.req("R25", "R26", "R71", "R72")
async def test_what_keys_were_used_for(house: House, staff: Caller) -> None:
    user = house.user()
    key = house.key(user).key.key
    _decided(house, key, 3)
    _decided(house, house.key(house.user()).key.key, 1, "scope_missing")
    member = house.member(user)
    shown = (await member.get("/readings"))["items"]
    assert [each["key"] for each in shown] == [key] * 3
    assert [each["at"] for each in shown] == sorted((each["at"] for each in shown), reverse=True)
    assert shown[0] | {"reading": "", "at": ""} == {
        "reading": "",
        "at": "",
        "api": "creator",
        "key": key,
        "method": "GET",
        "path": "/chats",
        "operation": "listChats",
        "version": "2025-06-26",
        "address": "",
        "took_ms": None,
        "code": "ok",
        "status": None,
    }
    page = await staff.get(f"/readings?key={key}&limit=2")
    onward = await staff.get(f"/readings?key={key}&limit=2&after={page['next']}")
    assert [*page["items"], *onward["items"]] == shown
    for query, count in (
        (f"owner={user}&code=ok", 3),
        (f"owner={user}&code=scope_missing", 0),
        (f"key={key}&api=organisation", 0),
        (f"key={key}&since=2027-01-15T08:00:02Z", 2),
    ):
        assert len((await staff.get(f"/readings?{query}"))["items"]) == count, query
    await staff.refused("key_unknown", "GET", f"/readings?key={key}&owner={house.user()}")
    await staff.refused("key_unknown", "GET", "/readings?key=0123456789Ab")
    await staff.refused("request_malformed", "GET", "/readings?since=now")


@pytest.mark.req("R100", "R101", "R103")
async def test_signals_of_abuse(house: House, staff: Caller) -> None:
    key = house.key(house.user()).key.key
    _decided(house, key, 4, "limit_exceeded")
    tally = Tally(30_000_000, "credential_invalid", "fvak_", "203.0.113.0/24", 7)
    house.app.act(recording.record, "tally.seg", 0, api="creator", incarnation=1, entries=[tally])
    (strangers,) = (await staff.get("/refusals?api=creator"))["items"]
    assert (strangers["block"], strangers["count"]) == ("203.0.113.0/24", 7)
    known = (await staff.get("/refusals?of=keys"))["items"]
    assert (key, "limit_exceeded", 4) in [(each["key"], each["code"], each["count"]) for each in known]
    assert key in [each["key"] for each in (await staff.get("/disregards"))["items"]]
    assert (await staff.get("/disregards?api=organisation"))["items"] == []
    await staff.refused("request_malformed", "GET", "/refusals?of=all")


async def test_settings_change_at_run_time(house: House, staff: Caller) -> None:
    shown = {each["name"]: each for each in (await staff.get("/settings"))["items"]}
    assert list(shown) == sorted(shown)
    assert all(each["allowed"] and each["reason"] for each in shown.values())
    path = "/settings/replies.hours"
    assert (shown["replies.hours"]["value"], shown["replies.hours"]["set_at"]) == (24, None)
    changed = await staff.do("PUT", path, {"value": 48})
    assert (changed["value"], changed["default"], changed["set_by"][:6]) == (48, 24, "staff:")
    assert await staff.do("PUT", path, {"value": 48}) == changed
    assert await staff.get(path) == changed
    back = await staff.do("DELETE", path)
    assert (back["value"], back["set_at"]) == (24, None)
    assert await staff.do("DELETE", path) == back
    for value in (0, 721, "48", "many"):
        await staff.refused("setting_not_allowed", "PUT", path, {"value": value})
    for value in (True, 1.5, None, [1]):
        await staff.refused("request_malformed", "PUT", path, {"value": value})
    for method, body in (("GET", None), ("PUT", {"value": 1}), ("DELETE", None)):
        await staff.refused("setting_unknown", method, "/settings/nothing", body)
    said = [each["verb"] for each in (await staff.get("/audit?subject=replies.hours"))["items"]]
    assert said == ["settings.reset", "settings.set"]


async def test_the_audit_is_read_and_exported(house: House, staff: Caller) -> None:
    user = house.user()
    await staff.do("POST", f"/owners/{user}/suspend", {"reason": "abuse"})
    house.app.act(audit.lay, 100_000)
    (entry,) = (await staff.get(f"/audit?subject={user}&verb=owners.suspend"))["items"]
    assert (entry["verb"], entry["subject"], entry["personal"]["origin"]) == ("owners.suspend", user, "127.0.0.1")
    assert await staff.get(f"/audit/{entry['id']}") == entry
    page = await staff.get("/audit?limit=2")
    onward = await staff.get(f"/audit?limit=2&after={page['next']}")
    ids = [each["id"] for each in (*page["items"], *onward["items"])]
    assert ids == sorted(ids, reverse=True)
    assert (await staff.get("/audit?until=2001-01-01T00:00:00Z"))["items"] == []
    head = await staff.get("/audit/head")
    answer = await staff("GET", "/audit/export")
    assert answer.headers["content-type"].startswith("application/jsonl")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["row"]["id"] for line in lines] == [row for (row,) in house.rows("select id from audit order by id")]
    assert (head["position"], head["digest"]) == (lines[-1]["position"], lines[-1]["digest"])
    assert "203.0.113.9" not in answer.text
    last = await staff("GET", f"/audit/export?after={ids[0] - 1}&personal=true")
    (line,) = [json.loads(line) for line in last.text.splitlines()]
    assert line["personal"]["origin"]["value"] == "127.0.0.1"
    for number in ("x", "999999999", "9" * 30):
        await staff.refused("not_found", "GET", f"/audit/{number}")
    await staff.refused("request_malformed", "GET", "/audit/export?after=-1")

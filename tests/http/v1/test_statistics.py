"""Statistics over the management API: whose calls somebody may see, and in what form."""

from __future__ import annotations

import csv
import io
import itertools
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from limen.control import recording
from limen.core.people import Actor, Role
from limen.core.usage import Decided, Outcome
from tests.http.v1.house import Caller, House

_numbers = itertools.count(1)
SHOWN = ("totals", "series", "by", "top", "export")


def used(house: House, key: Any, times: int = 1, code: str = "ok", status: int | None = 200, ago: float = 60.0) -> None:
    """The key was used so often, *ago* seconds ago."""
    number, entries = next(_numbers), list[Any]()
    at = house.app.clock.read()[0] - ago
    for each in range(times):
        place = number * 1_000 + each
        entries.append(Decided(place, at, key.key.encode(), code, "GET", "getMe", "2025-06-26", "/users/me"))
        if status is not None:
            entries.append(Outcome(11, place, status, at, 2_000))
    worker = Actor("worker", "drain")
    house.app.act(recording.record, "one", number, api=key.api, incarnation=11, entries=entries, actor=worker)


@pytest.mark.req("R260", "R261", "R262", "R263", "R264")
async def test_a_member_sees_its_own_and_staff_see_all(house: House, staff: Caller) -> None:
    member, other = house.member(), house.member()
    mine, theirs = house.key(member.owner).key, house.key(other.owner).key
    used(house, mine, 3)
    used(house, mine, 1, status=500)
    used(house, theirs, 5)
    found = await member.get("/usage/totals")
    assert (found["calls"], found["success_percent"], found["error_percent"]) == (4, 75.0, 25.0)
    assert found["last_used_at"] is not None
    assert (await member.get(f"/usage/totals?key={mine.key}"))["calls"] == 4
    assert (await staff.get(f"/usage/totals?owner={other.owner}"))["calls"] == 5
    assert (await staff.get("/usage/totals?api=creator"))["calls"] >= 9
    for name in SHOWN:
        await member.refused("key_unknown", "GET", f"/usage/{name}?key={theirs.key}")
        await member.refused("owner_unknown", "GET", f"/usage/{name}?owner={other.owner}")
        await member.refused("api_unknown", "GET", f"/usage/{name}?api=limen")
    for name in ("scopes", "window"):
        await member.refused("key_unknown", "GET", f"/usage/{name}?key={theirs.key}")
    shown = await member("GET", "/usage/export?format=jsonl")
    assert {json.loads(line)["owner"] for line in shown.text.splitlines()} == {member.owner}


async def test_members_of_an_organisation_see_what_it_uses(house: House, staff: Caller) -> None:
    editor, outsider = house.member(), house.member()
    firm = house.firm(owner=house.user())
    house.join(firm, editor.owner, Role.EDITOR)
    key = house.key(firm, "organisation").key
    used(house, key, 2)
    assert (await editor.get(f"/usage/totals?owner={firm}"))["calls"] == 2
    assert (await editor.get("/usage/totals"))["calls"] == 0
    await outsider.refused("owner_unknown", "GET", f"/usage/totals?owner={firm}")
    acting = staff.acting_for(editor.owner)
    assert (await acting.get(f"/usage/top?owner={firm}"))["items"][0]["value"] == key.key


@pytest.mark.check("C119")
@pytest.mark.req("R125")
async def test_what_belongs_to_others_is_told_as_what_nobody_has(house: House) -> None:
    stranger, theirs = house.member(), house.key(house.user()).key
    for name in (*SHOWN, "scopes", "window"):
        told = (await stranger("GET", f"/usage/{name}?key={theirs.key}")).text
        nobodys = (await stranger("GET", f"/usage/{name}?key=Nobody000000")).text
        assert told.replace(theirs.key, "…") == nobodys.replace("Nobody000000", "…")
    for name in SHOWN:
        told = (await stranger("GET", f"/usage/{name}?owner={theirs.owner}")).text
        nobodys = (await stranger("GET", f"/usage/{name}?owner=Nobody")).text
        assert told.replace(theirs.owner, "…") == nobodys.replace("Nobody", "…")


async def test_it_takes_the_scope(house: House) -> None:
    without = house.member("", "read:keys")
    for name in SHOWN:
        await without.refused("scope_missing", "GET", f"/usage/{name}")


async def test_series_parts_and_top_say_the_same(house: House, staff: Caller) -> None:
    owner = house.user()
    key = house.key(owner).key
    used(house, key, 4, ago=7_000)
    used(house, key, 2, "limit_exceeded", None)
    whose = f"owner={owner}"
    points = (await staff.get(f"/usage/series?{whose}&granularity=hour"))["items"]
    assert sum(each["calls"] for each in points) == 6
    assert len(points) in (25, 26)
    codes = (await staff.get(f"/usage/by?{whose}"))["items"]
    assert {each["value"]: each["calls"] for each in codes} == {"ok": 4, "limit_exceeded": 2}
    statuses = (await staff.get(f"/usage/by?{whose}&of=status"))["items"]
    assert {each["value"]: each["calls"] for each in statuses} == {"2xx": 4}
    top = (await staff.get(f"/usage/top?{whose}&order=refused"))["items"]
    assert [(each["value"], each["refused"]) for each in top] == [(key.key, 2)]
    await staff.refused("request_malformed", "GET", "/usage/by?of=key")
    await staff.refused(
        "usage_gone", "GET", "/usage/series?granularity=minute&since=2020-01-01T00:00:00Z&until=2020-01-01T01:00:00Z"
    )
    await staff.refused("request_malformed", "GET", "/usage/series?granularity=minute&since=2020-01-01T00:00:00Z")
    await staff.refused("request_malformed", "GET", "/usage/totals?since=2990-01-01T00:00:00Z")


@pytest.mark.req("R234", "R275")
async def test_scopes_and_limits_of_a_key(house: House) -> None:
    member = house.member()
    key = house.key(member.owner, scopes=("read:self", "read:chat")).key
    used(house, key, 3, ago=5)
    (limit,) = (await member.get(f"/usage/window?key={key.key}"))["items"]
    assert (limit["limit"], limit["used_at_most"], limit["left_at_least"]) == ("100 per 60 s", 3, 97)
    assert limit["estimate"] is True
    scopes = (await member.get(f"/usage/scopes?key={key.key}"))["items"]
    assert {each["scope"] for each in scopes} == {"read:self", "read:chat"}
    await member.refused("request_malformed", "GET", "/usage/scopes")


@pytest.mark.check("C121")
async def test_an_export_is_a_file_of_its_kind(house: House, staff: Caller) -> None:
    key = house.key(house.user()).key
    used(house, key, 3)
    answer = await staff("GET", f"/usage/export?key={key.key}")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="usage.csv"'
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["key"], row["calls"], row["answered_2xx"]) == (key.key, "3", "3")
    assert datetime.fromisoformat(row["at"]).astimezone(UTC).minute == 0
    await staff.refused("request_malformed", "GET", "/usage/export?format=xlsx")

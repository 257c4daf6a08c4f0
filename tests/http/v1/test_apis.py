"""APIs, their profiles and switches, and their versions."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from limen.core.profile import BUILT_IN
from tests.http.v1.house import Caller, House


async def _made(house: House, staff: Caller, **changes: Any) -> str:
    """A new API, by the profile ``creator`` but for *changes*."""
    api = house.name("a")
    document = copy.deepcopy(await staff.get("/apis/creator/profile")) | changes
    made = await staff.do("POST", "/apis", {"api": api, "profile": document})
    assert (made["api"], made["revision"]) == (api, 1)
    return api


async def test_apis_are_listed_without_limens_own(house: House, staff: Caller) -> None:
    shown = [each["api"] for each in (await staff.get("/apis?limit=200"))["items"]]
    assert {"creator", "organisation"} <= set(shown)
    assert BUILT_IN not in shown
    assert shown == sorted(shown)
    everything = (await staff.get("/apis?built_in=true&limit=200"))["items"]
    assert BUILT_IN in [each["api"] for each in everything]
    page = await staff.get("/apis?limit=1")
    assert [each["api"] for each in page["items"]] == shown[:1]
    assert (await staff.get(f"/apis?limit=1&after={page['next']}"))["items"][0]["api"] == shown[1]


async def test_to_members_limens_own_api_is_not_there(house: House) -> None:
    member = house.member()
    for path in ("", "/scopes", "/operations", "/plans", "/versions"):
        await member.refused("api_unknown", "GET", f"/apis/{BUILT_IN}{path}")
    await member.refused("staff_only", "GET", "/apis?built_in=true")


async def test_an_api_is_made_from_a_profile(house: House, staff: Caller) -> None:
    api = await _made(house, staff)
    document = await staff.get(f"/apis/{api}/profile")
    await staff.refused("api_exists", "POST", "/apis", {"api": api, "profile": document})
    await staff.refused("request_malformed", "POST", "/apis", {"api": "Not a name", "profile": document})
    await staff.refused("api_unknown", "GET", "/apis/nowhere")


async def test_every_mistake_of_a_profile_is_told(staff: Caller) -> None:
    document = await staff.get("/apis/creator/profile") | {"surprise": 1, "title": ""}
    problem = await staff.refused("profile_wrong", "POST", "/apis", {"api": "new", "profile": document})
    assert {"surprise", "title"} <= {each["path"] for each in problem["errors"]}
    assert all(each["allowed"] for each in problem["errors"])


async def test_a_profile_is_applied_and_its_revisions_stay(house: House, staff: Caller) -> None:
    api = await _made(house, staff)
    first = await staff.get(f"/apis/{api}/profile")
    second = first | {"title": "Another"}
    assert (await staff.do("PUT", f"/apis/{api}/profile", second))["revision"] == 2
    assert (await staff.do("PUT", f"/apis/{api}/profile", second))["revision"] == 2
    assert await staff.get(f"/apis/{api}/profile") == second
    page = await staff.get(f"/apis/{api}/revisions?limit=1")
    assert [each["revision"] for each in page["items"]] == [2]
    (older,) = (await staff.get(f"/apis/{api}/revisions?after={page['next']}"))["items"]
    assert (older["revision"], older["applied_by"][:6]) == (1, "staff:")
    assert await staff.get(f"/apis/{api}/revisions/1") == first
    for revision in ("3", "0", "x", "1.0", "9" * 30):
        await staff.refused("not_found", "GET", f"/apis/{api}/revisions/{revision}")


async def test_what_staff_dated_is_overwritten_only_when_it_is_said(house: House, staff: Caller) -> None:
    api = await _made(house, staff)
    document = await staff.get(f"/apis/{api}/profile")
    at = "2031-01-01T00:00:00Z"
    await staff.do("POST", f"/apis/{api}/versions/2025-06-26/deprecate", {"at": at})
    changed = document | {"title": "Another"}
    await staff.refused("profile_conflict", "PUT", f"/apis/{api}/profile", changed)
    await staff.do("PUT", f"/apis/{api}/profile?overwrite=true", changed)
    (version,) = (await staff.get(f"/apis/{api}/versions"))["items"]
    assert version["deprecated_at"] is None


@pytest.mark.req("R99", "R113", "R124", "R169")
async def test_switches_hold_at_once(house: House, staff: Caller) -> None:
    path = "/apis/creator"
    shown = await staff.do("PATCH", path, {"read_only": True, "emergency": "5 per 60 s, 9 per 1 h"})
    assert (shown["read_only"], shown["allowlist"], shown["emergency"]) == (True, True, "5 per 60 s, 9 per 3600 s")
    assert await staff.get(path) == shown
    shown = await staff.do("PATCH", path, {"read_only": False, "allowlist": True, "emergency": ""})
    assert (shown["read_only"], shown["emergency"]) == (False, "")
    assert await staff.do("PATCH", path, {}) == shown
    for body in ({"read_only": "yes"}, {"emergency": "much"}, {"emergency": 5}, {"emergency": "1 per 1 s," * 99}):
        await staff.refused("request_malformed", "PATCH", path, body)
    await staff.refused("api_unknown", "PATCH", "/apis/nowhere", {"read_only": True})


async def test_limens_own_api_is_changed_by_nobody(staff: Caller) -> None:
    document = await staff.get(f"/apis/{BUILT_IN}/profile")
    await staff.refused("api_built_in", "PATCH", f"/apis/{BUILT_IN}", {"read_only": True})
    await staff.refused("api_built_in", "PATCH", f"/apis/{BUILT_IN}", {"emergency": "0 per 60 s"})
    await staff.refused("api_built_in", "PUT", f"/apis/{BUILT_IN}/profile", document | {"title": "Mine"})
    await staff.refused("api_built_in", "POST", "/apis", {"api": BUILT_IN, "profile": document})
    measure = {"kind": "block", "target": "api", "api": BUILT_IN, "reason": "none"}
    await staff.refused("api_built_in", "POST", "/measures", measure)


@pytest.mark.req("R50", "R177", "R181")
async def test_members_see_what_an_api_offers(house: House) -> None:
    member = house.member()
    scopes = (await member.get("/apis/creator/scopes"))["items"]
    assert next(each for each in scopes if each["scope"] == "read:insights")["extension"] is True
    (admin,) = [each for each in (await member.get("/apis/organisation/scopes"))["items"] if each["scope"] == "admin"]
    assert "read:analytics" in admin["implies"]
    operations = {each["operation"]: each for each in (await member.get("/apis/organisation/operations"))["items"]}
    assert operations["createConsumers"] == {
        "operation": "createConsumers",
        "method": "POST",
        "path": "/consumers/batch",
        "scopes": ["write:consumers"],
        "public": False,
        "write": True,
        "limits": "100 per 60 s",
    }
    plans = (await member.get("/apis/organisation/plans"))["items"]
    assert [(each["plan"], each["limits"]) for each in plans][2:] == [("pro", "10000 per 60 s"), ("enterprise", "")]
    await member.refused("staff_only", "GET", "/apis/creator/profile")


@pytest.mark.req("R42", "R57", "R166")
async def test_a_version_goes_through_its_life(house: House, staff: Caller) -> None:
    api = await _made(house, staff)
    path = f"/apis/{api}/versions"
    old, new = "2025-06-26", "2030-01-01"
    made = await staff.do("POST", path, {"version": new})
    assert (made["version"], made["stage"]) == (new, "active")
    await staff.refused("version_exists", "POST", path, {"version": new})
    await staff.refused("version_malformed", "POST", path, {"version": "v1"})
    await staff.refused("lifecycle_dates_wrong", "POST", f"{path}/{old}/sunset", {"at": "2032-01-01T00:00:00Z"})
    ending = {"at": "2024-01-01T00:00:00+02:00", "successor": new}
    shown = await staff.do("POST", f"{path}/{old}/deprecate", ending)
    assert (shown["stage"], shown["deprecated_at"], shown["successor"]) == (
        "deprecated",
        "2023-12-31T22:00:00.000Z",
        new,
    )
    span = {"starts_at": "2031-01-01T10:00:00Z", "ends_at": "2031-01-01T10:15:00Z", "status": 503}
    (brownout,) = (await staff.do("POST", f"{path}/{old}/brownouts", span))["brownouts"]
    assert {name: brownout[name] for name in span} == span | {
        "starts_at": "2031-01-01T10:00:00.000Z",
        "ends_at": "2031-01-01T10:15:00.000Z",
    }
    await staff.refused("brownout_wrong", "POST", f"{path}/{old}/brownouts", span | {"status": 500})
    gone = await staff.do("DELETE", f"/apis/{api}/brownouts/{brownout['brownout']}")
    assert gone["brownouts"] == []
    await staff.refused("brownout_unknown", "DELETE", f"/apis/creator/brownouts/{brownout['brownout']}")
    await staff.do("POST", f"{path}/{old}/sunset", {"at": "2025-01-01T00:00:00Z"})
    assert (await staff.get(f"{path}/{old}"))["stage"] == "sunset"
    await staff.refused("lifecycle_one_way", "POST", f"{path}/{old}/sunset", {"at": "2033-01-01T00:00:00Z"})
    assert [each["version"] for each in (await staff.get(path))["items"]] == [old, new]
    await staff.refused("version_not_registered", "GET", f"{path}/2000-01-01")


@pytest.mark.parametrize("at", ["2026-06-26", "2026-06-26T12:00:00", "12:00", 1.0, "9999-01-01T00:00:00Z", "", None])
async def test_a_moment_says_where_on_earth(staff: Caller, at: Any) -> None:
    problem = await staff.refused(
        "request_malformed", "POST", "/apis/creator/versions/2025-06-26/deprecate", {"at": at}
    )
    assert "2026-06-26T12:00:00Z" in problem["errors"][0]["allowed"]

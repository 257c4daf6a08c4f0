"""Requests for keys: asked for by members, decided by staff, revealed once."""

from __future__ import annotations

import pytest

from limen.core.profile import BUILT_IN
from tests.http.v1.house import Caller, House

WISH = {
    "api": "creator",
    "name": "my application",
    "scopes": {"read:self": "to greet people by their name", "read:chat": "to show what they wrote"},
    "use_case": "A desk for support",
}


@pytest.mark.req("R16", "R175", "R188", "R189", "R190", "R191")
async def test_a_key_is_asked_for_granted_in_part_and_revealed_once(house: House, staff: Caller) -> None:
    user = house.user()
    member = house.member(user)
    asked = await member.do("POST", "/requests", WISH | {"owner": user})
    assert (asked["state"], asked["scopes"], asked["asked_by"]) == ("open", WISH["scopes"], f"member:{user}")
    path = f"/requests/{asked['request']}"
    await member.refused("request_open", "POST", f"{path}/reveal")
    assert asked in (await staff.get("/requests?state=open"))["items"]
    await staff.refused("scope_not_grantable", "POST", f"{path}/grant", {"scopes": ["write:chat"]})
    granted = await staff.do("POST", f"{path}/grant", {"scopes": ["read:self"], "reason": "less will do"})
    assert (granted["state"], granted["granted"], granted["reason"]) == ("granted", ["read:self"], "less will do")
    await staff.refused("request_settled", "POST", f"{path}/refuse", {"reason": "too late"})
    revealed = await member.do("POST", f"{path}/reveal", headers={"Idempotency-Key": "reveal"})
    assert revealed["key"]["scopes"] == ["read:self"]
    assert revealed["text"].startswith("fvak_")
    again = await member.do("POST", f"{path}/reveal", headers={"Idempotency-Key": "reveal"})
    assert again == revealed | {"text": None}
    await member.refused("request_settled", "POST", f"{path}/reveal")
    shown = await member.get(path)
    assert (shown["state"], shown["key"]) == ("revealed", revealed["key"]["key"])


async def test_a_request_is_refused_or_withdrawn(house: House, staff: Caller) -> None:
    user = house.user()
    member = house.member(user)
    ids = [(await member.do("POST", "/requests", WISH | {"owner": user}))["request"] for _ in range(3)]
    refused = await staff.do("POST", f"/requests/{ids[0]}/refuse", {"reason": "not for this"})
    assert (refused["state"], refused["reason"]) == ("refused", "not for this")
    assert (await member.do("POST", f"/requests/{ids[1]}/withdraw"))["state"] == "withdrawn"
    assert (await staff.do("POST", f"/requests/{ids[2]}/grant"))["granted"] == list(WISH["scopes"])
    for query, found in (("", ids[::-1]), ("?state=refused", ids[:1]), (f"?owner={user}&api=organisation", [])):
        assert [each["request"] for each in (await member.get(f"/requests{query}"))["items"]] == found
    page = await member.get("/requests?limit=2")
    assert [each["request"] for each in (await member.get(f"/requests?after={page['next']}"))["items"]] == ids[:1]
    await staff.refused("request_unknown", "GET", "/requests/0123456789Ab")
    await staff.refused("request_malformed", "POST", f"/requests/{ids[2]}/refuse", {})
    fresh = (await member.do("POST", "/requests", WISH | {"owner": user}))["request"]
    await staff.refused("reason_wrong", "POST", f"/requests/{fresh}/refuse", {"reason": " "})


async def test_what_could_not_be_issued_cannot_be_asked_for(house: House) -> None:
    user = house.user()
    member = house.member(user)
    for changes, code in (
        ({"scopes": {"read:nothing": "why"}}, "scope_unknown"),
        ({"scopes": {"read:self": ""}}, "reason_wrong"),
        ({"use_case": ""}, "reason_wrong"),
        ({"scopes": ["read:self"]}, "request_malformed"),
        ({"owner": house.firm()}, "owner_unknown"),
        ({"api": BUILT_IN}, "api_built_in"),
    ):
        await member.refused(code, "POST", "/requests", WISH | {"owner": user} | changes)


async def test_staff_that_reveal_may_issue(house: House, staff: Caller) -> None:
    user = house.user()
    path = f"/requests/{(await house.member(user).do('POST', '/requests', WISH | {'owner': user}))['request']}"
    await staff.do("POST", f"{path}/grant")
    asks = house.staff("write:requests")
    await asks.refused("scope_missing", "POST", f"{path}/reveal")
    await house.staff("write:requests", "write:keys").do("POST", f"{path}/reveal")

"""Keys by the management API: whoever may, issues, changes and ends them, and nobody climbs by them."""

from __future__ import annotations

from typing import Any

import pytest

from limen.core.profile import BUILT_IN
from limen.drain import drain
from tests.http.v1.house import Caller, House


def _asked(owner: str, **more: Any) -> dict[str, Any]:
    return {"api": "creator", "owner": owner, "name": "my server", "scopes": ["read:self"]} | more


@pytest.mark.req("R1", "R11", "R195", "R206", "R208", "R210")
async def test_a_key_is_issued_and_shown_once(house: House, staff: Caller) -> None:
    user = house.user()
    more = {"expires_at": "2031-01-01T00:00:00Z", "addresses": ["203.0.113.0/24"]}
    issued = await staff.do("POST", "/keys", _asked(user, **more))
    key = issued["key"]
    assert issued["text"].startswith(f"fvak_{key['key']}")
    assert (key["expires_at"], key["addresses"]) == ("2031-01-01T00:00:00.000Z", ["203.0.113.0/24"])
    assert key["created_by"].startswith("staff:")
    shown = await staff("GET", f"/keys/{key['key']}")
    assert shown.json() == key
    assert issued["text"][20:40] not in shown.text


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"scopes": ["read:nothing"]}, "scope_unknown"),
        ({"scopes": []}, "scope_unknown"),
        ({"key_class": "golden"}, "class_unknown"),
        ({"environment": "mars"}, "environment_unknown"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "expiry_wrong"),
        ({"expires_at": "soon"}, "request_malformed"),
        ({"addresses": ["everywhere"]}, "addresses_wrong"),
        ({"origins": ["https://example.com"]}, "origins_wrong"),
        ({"name": ""}, "name_wrong"),
        ({"name": None}, "request_malformed"),
        ({"scopes": "read:self"}, "request_malformed"),
        ({"api": "nowhere"}, "api_unknown"),
        ({"owner": "nobody"}, "owner_unknown"),
    ],
)
async def test_a_key_that_cannot_be_is_refused(house: House, staff: Caller, changes: Any, code: str) -> None:
    await staff.refused(code, "POST", "/keys", _asked(house.user()) | changes)


async def test_an_organisation_holds_no_key_of_users(house: House, staff: Caller) -> None:
    await staff.refused("owner_type_wrong", "POST", "/keys", _asked(house.firm()))


@pytest.mark.req("R8", "R164")
async def test_owners_manage_their_keys_themselves(house: House) -> None:
    user = house.user()
    firm = house.firm(owner=user)
    member = house.member(user)
    issued = await member.do("POST", "/keys", {"api": "organisation", "owner": firm, "name": "ci"})
    assert issued["key"]["created_by"] == f"member:{user}"
    path = f"/keys/{issued['key']['key']}"
    assert (await member.do("POST", f"{path}/deactivate"))["state"] == "inactive"
    assert (await member.do("POST", f"{path}/reactivate"))["state"] == "active"
    dated = await member.do("PUT", f"{path}/expiry", {"expires_at": "2031-01-01T00:00:00Z"})
    assert dated["expires_at"] == "2031-01-01T00:00:00.000Z"
    await member.refused("expiry_wrong", "PUT", f"{path}/expiry", {"expires_at": "2032-01-01T00:00:00Z"})
    fresh = await member.do("POST", f"{path}/regenerate", {})
    assert (fresh["key"]["predecessor"], fresh["key"]["name"]) == (issued["key"]["key"], "ci")
    await member.refused("key_ended", "POST", f"{path}/deactivate")
    revoked = await member.do("POST", f"/keys/{fresh['key']['key']}/revoke", {"reason": "lost"})
    assert (revoked["state"], revoked["ended_reason"]) == ("revoked", "lost")
    await member.do("DELETE", path)
    await member.refused("key_unknown", "GET", path)
    assert [each["key"] for each in (await member.get(f"/keys?owner={firm}"))["items"]] == [fresh["key"]["key"]]


async def test_where_approval_is_asked_for_members_do_not_issue(house: House) -> None:
    user = house.user()
    await house.member(user).refused("approval_required", "POST", "/keys", _asked(user))


async def test_keys_are_found(house: House, staff: Caller) -> None:
    firm = house.firm()
    names = [house.name("server") for _ in range(3)]
    made = [house.key(firm, "organisation", name=name).key.key for name in names]
    await staff.do("POST", f"/keys/{made[0]}/revoke")
    for query, found in (
        (f"owner={firm}", made[::-1]),
        (f"owner={firm}&state=revoked", made[:1]),
        (f"owner={firm}&api=creator", []),
        (f"name={names[1]}", [made[1]]),
        (f"owner={firm}&created_after=2000-01-01T00:00:00Z&environment=live&key_class=secret", made[::-1]),
        (f"id={made[2]}", [made[2]]),
        (f"owner={firm}&never_used=true", made[::-1]),
    ):
        assert [key["key"] for key in (await staff.get(f"/keys?{query}"))["items"]] == found, query
    page = await staff.get(f"/keys?owner={firm}&limit=2")
    onward = await staff.get(f"/keys?owner={firm}&limit=2&after={page['next']}")
    assert [key["key"] for key in (*page["items"], *onward["items"])] == made[::-1]
    assert onward["next"] is None
    for query in ("state=asleep", "created_after=yesterday", "never_used=perhaps"):
        await staff.refused("request_malformed", "GET", f"/keys?{query}")


async def test_deleted_keys_are_shown_to_staff_alone(house: House, staff: Caller) -> None:
    user = house.user()
    key = house.key(user).key.key
    await staff.do("DELETE", f"/keys/{key}")
    assert (await staff.get(f"/keys?owner={user}"))["items"] == []
    assert [each["key"] for each in (await staff.get(f"/keys?owner={user}&hidden=true"))["items"]] == [key]
    await house.member(user).refused("staff_only", "GET", "/keys?hidden=true")


@pytest.mark.req("R123")
async def test_staff_set_what_a_key_may_use(house: House, staff: Caller) -> None:
    path = f"/keys/{house.key(house.user()).key.key}/limits"
    assert (await staff.do("PUT", path, {"limits": "3 per 60 s"}))["limits"] == "3 per 60 s"
    assert (await staff.do("PUT", path, {"limits": ""}))["limits"] == ""
    await staff.refused("request_malformed", "PUT", path, {"limits": "3 a minute"})
    await staff.refused("request_malformed", "PUT", path, {})
    await staff.refused("key_unknown", "PUT", "/keys/0123456789Ab/limits", {"limits": ""})


async def test_a_key_is_pinned_where_the_profile_says_so(house: House, staff: Caller) -> None:
    path = f"/keys/{house.key(house.user()).key.key}/pin"
    await staff.refused("pin_wrong", "PUT", path, {"version": "2025-06-26"})


async def test_keys_of_limens_own_api_are_issued_by_staff(house: House, staff: Caller) -> None:
    user = house.user()
    asked = _asked(user, api=BUILT_IN, key_class="member", scopes=["read:keys"])
    issued = await staff.do("POST", "/keys", asked)
    assert issued["text"].startswith("limen_mk_")
    for member in (house.member(user), staff.acting_for(user)):
        await member.refused("staff_only", "POST", "/keys", asked)
        await member.refused("staff_only", "POST", f"/keys/{issued['key']['key']}/regenerate")
    await house.member(user).do("POST", f"/keys/{issued['key']['key']}/revoke")
    await staff.refused("scope_not_grantable", "POST", "/keys", asked | {"scopes": ["protect"]})


@pytest.mark.req("R51")
async def test_nobody_climbs_by_keys_of_limens_own_api(house: House, staff: Caller) -> None:
    """Who may issue keys gets at no scope that they lack: by no new key, by no old one, and by ending nobody's."""
    small = house.staff("write:keys", "read:keys")
    asked = _asked(house.user(), api=BUILT_IN, key_class="staff")
    for scopes in (["admin"], ["write:keys", "protect"]):
        await small.refused("scope_not_grantable", "POST", "/keys", asked | {"scopes": scopes})
    await small.do("POST", "/keys", asked | {"scopes": ["read:keys"]})
    assert staff.held is not None
    path = f"/keys/{staff.held.key.key}"
    for method, address, body in (
        ("POST", f"{path}/regenerate", {}),
        ("POST", f"{path}/revoke", {}),
        ("POST", f"{path}/deactivate", None),
        ("DELETE", path, None),
        ("PUT", f"{path}/expiry", {"expires_at": "2031-01-01T00:00:00Z"}),
    ):
        await small.refused("scope_not_grantable", method, address, body)
    await staff.get("/me")


async def test_on_behalf_of_staff_nobody_gets_at_their_keys(house: House, staff: Caller) -> None:
    """A back-end with few scopes acts for users. That somebody of staff is one too opens nothing."""
    small = house.staff("read:keys", "write:keys", "read:usage").acting_for(staff.owner)
    assert staff.held is not None
    path = f"/keys/{staff.held.key.key}"
    for method, address in (
        ("GET", path),
        ("POST", f"{path}/revoke"),
        ("POST", f"{path}/regenerate"),
        ("DELETE", path),
    ):
        await small.refused("key_unknown", method, address)
    assert (await small.get(f"/keys?api={BUILT_IN}"))["items"] == []
    await small.refused("key_unknown", "GET", f"/readings?key={staff.held.key.key}")
    await staff.get("/me")
    drain(house.app)
    assert (await staff.get(f"/readings?owner={staff.owner}"))["items"]
    assert (await small.get(f"/readings?owner={staff.owner}"))["items"] == []
    for body in ({"key": staff.held.key.key}, {"text": staff.held.text}):
        assert (await small.do("POST", "/keys/inspect", body))["key"] is None


@pytest.mark.req("R27", "R194", "R271", "R272", "R273")
async def test_support_sees_why_a_key_is_refused(house: House, staff: Caller) -> None:
    user = house.user()
    issued = house.key(user)
    asked = {"text": issued.text, "operation": "POST /chats", "version": "2025-06-26"}
    found = await staff.do("POST", "/keys/inspect", asked)
    assert (found["key"]["key"], found["whole"], found["refused"]) == (issued.key.key, True, True)
    assert (found["scopes_needed"], found["scopes_missing"]) == (["write:chat"], ["write:chat"])
    assert [reason["code"] for reason in found["reasons"]] == ["scope_missing"]
    await staff.do("POST", f"/keys/{issued.key.key}/revoke")
    answer = await staff("POST", "/keys/inspect", {"key": issued.key.key})
    assert "key_revoked" in [reason["code"] for reason in answer.json()["reasons"]]
    assert issued.text not in answer.text
    for body in ({}, {"key": "x", "text": "y"}, {"text": 1}):
        await staff.refused("request_malformed", "POST", "/keys/inspect", body)
    await staff.refused("api_unknown", "POST", "/keys/inspect", {"key": issued.key.key, "api": "nowhere"})


async def test_a_member_learns_of_its_own_keys_alone(house: House) -> None:
    user, other = house.user(), house.user()
    firm, blind = house.firm(editor=user), house.firm(viewer=user)
    member = house.member(user)
    for owner, api in ((user, "creator"), (firm, "organisation")):
        issued = house.key(owner, api)
        assert (await member.do("POST", "/keys/inspect", {"text": issued.text}))["key"]["key"] == issued.key.key
    for owner, api in ((other, "creator"), (blind, "organisation")):
        issued = house.key(owner, api)
        for body in ({"text": issued.text}, {"key": issued.key.key}):
            assert (await member.do("POST", "/keys/inspect", body))["key"] is None


@pytest.mark.req("R249")
async def test_many_keys_are_changed_at_once(house: House, staff: Caller) -> None:
    firm = house.firm()
    made = [house.key(firm, "organisation").key.key for _ in range(5)]
    wanted = {"owner": firm}
    shown = await staff.do("POST", "/keys/batch/preview", {"action": "regenerate", "wanted": wanted})
    assert (shown["count"], [key["key"] for key in shown["first"]]) == (5, made[::-1])
    task = {"action": "regenerate", "wanted": wanted, "limit": 3}
    first = await staff.do("POST", "/keys/batch", task, headers={"Idempotency-Key": "batch"})
    assert first["done"] == made[:1:-1]
    assert all(issued["text"].startswith("sk_live_") for issued in first["issued"])
    again = await staff.do("POST", "/keys/batch", task, headers={"Idempotency-Key": "batch"})
    assert [issued["text"] for issued in again["issued"]] == [None] * 3
    assert again["next"] == first["next"]
    last = await staff.do("POST", "/keys/batch", task | {"after": first["next"]})
    assert (last["done"], last["next"]) == (made[1::-1], None)
    done = await staff.do("POST", "/keys/batch", {"action": "revoke", "wanted": wanted, "reason": "breach"})
    assert (len(done["done"]), done["next"]) == (5, None)
    assert {key["ended_reason"] for key in (await staff.get(f"/keys?owner={firm}"))["items"]} == {
        "regenerated",
        "breach",
    }
    for body, code in (
        ({"action": "revoke", "wanted": {}}, "request_malformed"),
        ({"action": "forget", "wanted": wanted}, "request_malformed"),
        ({"action": "revoke", "wanted": {"api": BUILT_IN}}, "api_built_in"),
        ({"action": "revoke", "wanted": {"hidden": True}}, "request_malformed"),
        ({"action": "revoke", "wanted": wanted, "after": "x"}, "request_malformed"),
        ({"action": "revoke", "wanted": wanted, "limit": 1001}, "request_malformed"),
    ):
        await staff.refused(code, "POST", "/keys/batch", body)


async def test_staff_that_regenerate_many_may_issue(house: House) -> None:
    firm = house.firm()
    house.key(firm, "organisation")
    task = {"action": "regenerate", "wanted": {"owner": firm}}
    changes = house.staff("manage:keys")
    await changes.refused("scope_missing", "POST", "/keys/batch", task)
    await changes.do("POST", "/keys/batch", task | {"action": "deactivate"})
    house.key(firm, "organisation")
    done = await house.staff("manage:keys", "write:keys").do("POST", "/keys/batch", task)
    assert len(done["issued"]) == 1


async def test_a_member_does_not_wake_what_staff_put_to_sleep(house: House, staff: Caller) -> None:
    user = house.user()
    firm = house.firm(owner=user)
    member, path = house.member(user), f"/keys/{house.key(firm, 'organisation').key.key}"
    await staff.do("POST", f"{path}/deactivate")
    await member.refused("deactivated_by_staff", "POST", f"{path}/reactivate")
    await member.refused("deactivated_by_staff", "POST", f"{path}/regenerate")
    await staff.do("POST", f"{path}/reactivate")

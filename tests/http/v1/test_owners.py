"""Owners, how they stand with APIs, and their members."""

from __future__ import annotations

import pytest

from limen.core.people import Role
from tests.http.v1.house import Caller, House


async def test_an_owner_is_made(house: House, staff: Caller) -> None:
    made = await staff.do("POST", "/owners", {"kind": "organisation", "name": "A firm", "owner": "acme"})
    assert (made["owner"], made["kind"], made["name"], made["state"]) == ("acme", "organisation", "A firm", "active")
    assert await staff.get("/owners/acme") == made
    await staff.refused("owner_exists", "POST", "/owners", {"kind": "user", "owner": "acme"})
    await staff.refused("request_malformed", "POST", "/owners", {"kind": "user", "owner": "not an id"})
    await staff.refused("owner_unknown", "GET", "/owners/nobody")
    assert len((await staff.do("POST", "/owners", {"kind": "user"}))["owner"]) == 12


async def test_owners_are_found(house: House, staff: Caller) -> None:
    name = house.name("Zoë ")
    made = [await staff.do("POST", "/owners", {"kind": "user", "name": f"{name} {each}"}) for each in range(3)]
    found = (await staff.get(f"/owners?name={name.upper()}&kind=user"))["items"]
    assert {each["owner"] for each in found} == {each["owner"] for each in made}
    page = await staff.get(f"/owners?name={name}&limit=2")
    (last,) = (await staff.get(f"/owners?name={name}&limit=2&after={page['next']}"))["items"]
    assert [*(each["owner"] for each in page["items"]), last["owner"]] == [each["owner"] for each in found]
    await staff.do("POST", f"/owners/{made[0]['owner']}/suspend", {"reason": "abuse"})
    assert [each["owner"] for each in (await staff.get(f"/owners?name={name}&state=suspended"))["items"]] == [
        made[0]["owner"]
    ]
    await staff.refused("request_malformed", "GET", "/owners?kind=firm")
    await staff.refused("request_malformed", "GET", "/owners?plan=pro")


async def test_a_member_finds_those_it_may_act_for(house: House) -> None:
    user = house.user()
    firm, other = house.firm(editor=user), house.firm(owner=user)
    house.firm()
    member = house.member(user)
    assert [each["owner"] for each in (await member.get("/owners"))["items"]] == sorted([user, firm, other])
    assert [each["owner"] for each in (await member.get("/owners?kind=user"))["items"]] == [user]
    page = await member.get("/owners?limit=2")
    assert [each["owner"] for each in (await member.get(f"/owners?after={page['next']}"))["items"]] == [
        sorted([user, firm, other])[2]
    ]


@pytest.mark.req("R28", "R162", "R163", "R165", "R170")
async def test_an_owner_is_suspended_with_all_its_keys_and_restored(house: House, staff: Caller) -> None:
    user = house.user()
    member = house.member(user)
    await member.get("/me")
    shown = await staff.do("POST", f"/owners/{user}/suspend", {"reason": "shared its key"})
    assert (shown["state"], shown["suspended_reason"]) == ("suspended", "shared its key")
    await member.refused("owner_suspended", "GET", "/me")
    assert (await staff.do("POST", f"/owners/{user}/restore"))["state"] == "active"
    await member.get("/me")
    for body in ({}, {"reason": ""}, {"reason": "two\nlines"}, {"reason": "x" * 1001}):
        await staff.refused("request_malformed", "POST", f"/owners/{user}/suspend", body)
    await staff.refused("owner_unknown", "POST", "/owners/nobody/restore")


@pytest.mark.req("R73")
async def test_an_owner_is_erased_for_good(house: House, staff: Caller) -> None:
    user = house.user()
    shown = await staff.do("DELETE", f"/owners/{user}")
    assert (shown["state"], shown["name"]) == ("erased", "")
    await staff.refused("owner_erased", "POST", f"/owners/{user}/restore")


@pytest.mark.req("R99", "R123", "R255", "R256")
async def test_how_an_owner_stands_with_an_api(house: House, staff: Caller) -> None:
    firm = house.firm()
    path = f"/owners/{firm}/standings/organisation"
    (standing,) = (await staff.do("PUT", path, {"plan": "pro", "limits": "7 per 1 min, shadow 9 per 1 d"}))["standings"]
    assert (standing["plan"], standing["limits"]) == ("pro", "7 per 60 s, shadow 9 per 86400 s")
    assert (await staff.do("PUT", f"{path}/allowed"))["standings"][0]["allowed"] is True
    assert (await staff.do("DELETE", f"{path}/allowed"))["standings"][0]["allowed"] is False
    (standing,) = (await staff.do("PUT", path, {}))["standings"]
    assert (standing["plan"], standing["limits"]) == ("", "")
    await staff.refused("plan_unknown", "PUT", path, {"plan": "gold"})
    await staff.refused("request_malformed", "PUT", path, {"limits": "lots"})
    await staff.refused("api_unknown", "PUT", f"/owners/{firm}/standings/nowhere", {})
    await staff.refused("owner_unknown", "PUT", "/owners/nobody/standings/creator/allowed")


@pytest.mark.req("R250")
async def test_people_come_change_and_go(house: House, staff: Caller) -> None:
    boss, user = house.user(), house.user()
    firm = house.firm(owner=boss)
    of = staff.acting_for(boss)
    invited = await of.do(
        "POST", f"/owners/{firm}/invitations", {"email": "new@example.com", "role": "admin", "message": "Welcome"}
    )
    assert invited["token"].startswith("limen_invite_")
    (shown,) = (await of.get(f"/owners/{firm}/invitations"))["items"]
    assert shown == invited["invitation"]
    joined = await staff.acting_for(user).do("POST", "/invitations/accept", {"token": invited["token"]})
    assert (joined["organisation"], joined["member"], joined["role"]) == (firm, user, "admin")
    await staff.acting_for(user).refused(
        "invitation_unknown", "POST", "/invitations/accept", {"token": invited["token"]}
    )
    assert [each["member"] for each in (await of.get(f"/owners/{firm}/members"))["items"]] == sorted([boss, user])
    made = await staff.acting_for(user).do("POST", "/keys", {"api": "organisation", "owner": firm, "name": "mine"})
    assert (await of.do("PUT", f"/owners/{firm}/members/{user}", {"role": "viewer"}))["role"] == "viewer"
    left = await of.do("DELETE", f"/owners/{firm}/members/{user}")
    assert [key["key"] for key in left["rotate"]] == [made["key"]["key"]]
    await staff.acting_for(user).refused("owner_unknown", "GET", f"/owners/{firm}")
    await of.refused("member_unknown", "DELETE", f"/owners/{firm}/members/{user}")
    await of.refused("last_owner", "DELETE", f"/owners/{firm}/members/{boss}")
    await of.refused("request_malformed", "PUT", f"/owners/{firm}/members/{boss}", {"role": "king"})


async def test_an_invitation_is_withdrawn_and_its_token_shown_once(house: House, staff: Caller) -> None:
    firm = house.firm()
    path, asked = f"/owners/{firm}/invitations", {"email": "a@example.com", "role": Role.VIEWER.value}
    first = await staff.do("POST", path, asked, headers={"Idempotency-Key": "invite"})
    again = await staff.do("POST", path, asked, headers={"Idempotency-Key": "invite"})
    assert again == first | {"token": None}
    await staff.do("DELETE", f"{path}/{first['invitation']['invitation']}")
    assert (await staff.get(path))["items"] == []
    user = staff.acting_for(house.user())
    await user.refused("invitation_unknown", "POST", "/invitations/accept", {"token": first["token"]})
    await staff.refused("request_malformed", "POST", path, asked | {"email": "nobody"})
    await staff.refused("owner_type_wrong", "POST", f"/owners/{house.user()}/invitations", asked)


async def test_staff_stop_nobody_who_may_do_more(house: House, staff: Caller) -> None:
    low = house.staff("manage:owners", "protect")
    user = staff.owner
    for method, path, body in (
        ("POST", "suspend", {"reason": "a try"}),
        ("POST", "restore", None),
        ("PUT", "standings/limen", {"plan": "", "limits": "1 per 1 d"}),
    ):
        await low.refused("scope_not_grantable", method, f"/owners/{user}/{path}", body)
    await low.refused("scope_not_grantable", "DELETE", f"/owners/{user}")
    await staff.get("/me")
    await low.do("PUT", f"/owners/{user}/standings/creator", {"plan": "", "limits": "1 per 1 d"})
    other = house.staff("protect")
    await low.do("POST", f"/owners/{other.owner}/suspend", {"reason": "left"})
    await low.do("POST", f"/owners/{other.owner}/restore")
    asleep = house.staff()
    await staff.do("POST", f"/keys/{asleep.held.key.key}/deactivate")  # type: ignore[union-attr]
    await low.refused("scope_not_grantable", "DELETE", f"/owners/{asleep.owner}")
    await staff.do("POST", f"/keys/{asleep.held.key.key}/revoke")  # type: ignore[union-attr]
    await low.do("DELETE", f"/owners/{asleep.owner}")
    await low.do("POST", f"/owners/{house.member().owner}/suspend", {"reason": "a member"})
    await staff.refused("api_built_in", "PUT", f"/owners/{user}/standings/limen", {"plan": "", "limits": "0 per 1 d"})

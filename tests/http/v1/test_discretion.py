"""What members are not told: whose things are whose, who of staff did what, and why; and what the audit is told."""

from __future__ import annotations

from typing import Any

import pytest

from limen.control import members, owners
from limen.core.people import Actor, Role
from tests.http.v1.house import Caller, House

TAG = {"If-Match": '"0123456789abcdef01234567"'}


@pytest.mark.check("C119")
@pytest.mark.req("R125")
async def test_an_etag_is_no_way_to_find_out_who_is_a_member_of_what(house: House) -> None:
    firm = house.firm(owner=house.user(), viewer=(viewer := house.user()))
    stranger, colleague = house.member(), house.member(viewer)
    for who in (viewer, house.user(), "nobody"):
        path = f"/owners/{firm}/members/{who}"
        problem = await stranger.refused("owner_unknown", "PUT", path, {"role": "viewer"}, headers=TAG)
        assert who not in str(problem)
        await colleague.refused("role_too_low", "PUT", path, {"role": "viewer"}, headers=TAG)


@pytest.mark.check("C119")
@pytest.mark.parametrize("call", ["set_role", "remove_member", "invite", "withdraw", "issue", "ask", "regenerate"])
async def test_who_was_removed_is_answered_nothing_a_second_time(house: House, call: str) -> None:
    user = house.user()
    firm = house.firm(owner=house.user(), admin=user)
    other = house.join(firm, house.user(), Role.VIEWER)
    invitation = house.app.act(members.invite, firm, email="b@example.com", role=Role.VIEWER).invitation.invitation
    held = house.key(firm, "organisation").key.key
    new: dict[str, Any] = {"api": "organisation", "owner": firm, "name": "a key"}
    wish = new | {"scopes": {"admin": "to see"}, "use_case": "an application"}
    write: tuple[Any, ...] = {
        "set_role": ("PUT", f"/owners/{firm}/members/{other}", {"role": "viewer"}),
        "remove_member": ("DELETE", f"/owners/{firm}/members/{other}"),
        "invite": ("POST", f"/owners/{firm}/invitations", {"email": "a@example.com", "role": "viewer"}),
        "withdraw": ("DELETE", f"/owners/{firm}/invitations/{invitation}"),
        "issue": ("POST", "/keys", new),
        "ask": ("POST", "/requests", wish),
        "regenerate": ("POST", f"/keys/{held}/regenerate"),
    }[call]
    member, named = house.member(user), {"Idempotency-Key": "once"}
    await member.do(*write, headers=named)
    again = await member(*write, headers=named)
    assert again.headers["idempotency-replayed"] == "true"
    house.app.act(members.remove, firm, user)
    code = "key_unknown" if call == "regenerate" else "owner_unknown"
    await member.refused(code, *write, headers=named)


async def test_what_is_done_and_gone_is_answered_again_to_who_did_it(house: House) -> None:
    user = house.user()
    firm = house.firm(owner=house.user(), admin=user)
    member, named = house.member(user), {"Idempotency-Key": "leave"}
    held = house.key(user)
    for path in (f"/keys/{held.key.key}", f"/owners/{firm}/members/{user}"):
        first = await member("DELETE", path, headers=named | {"Idempotency-Key": path})
        again = await member("DELETE", path, headers=named | {"Idempotency-Key": path})
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again.headers["idempotency-replayed"] == "true"


async def test_a_deleted_key_is_nobody_elses_to_delete(house: House) -> None:
    held = house.key(house.user())
    await house.member().refused("key_unknown", "DELETE", f"/keys/{held.key.key}")
    assert house.rows("select state from keys where key = ?", held.key.key) == [("active",)]


@pytest.mark.req("R170")
async def test_why_staff_suspended_an_owner_is_for_staff(house: House, staff: Caller) -> None:
    user = house.user()
    firm = house.firm(owner=user)
    await staff.do("POST", f"/owners/{firm}/suspend", {"reason": "the police asked"})
    assert (await staff.get(f"/owners/{firm}"))["suspended_reason"] == "the police asked"
    member = house.member(user)
    shown = await member.get(f"/owners/{firm}")
    assert (shown["state"], shown["suspended_reason"]) == ("suspended", "")
    listed = (await member.get("/owners"))["items"]
    assert {each["suspended_reason"] for each in listed} == {""}


async def test_to_members_staff_are_staff_whoever_it_was(house: House, staff: Caller) -> None:
    user = house.user()
    firm = house.firm(owner=user)
    member = house.member(user)
    made = await staff.do("POST", "/keys", {"api": "organisation", "owner": firm, "name": "a key"})
    path = f"/keys/{made['key']['key']}"
    assert made["key"]["created_by"].startswith(f"staff:{staff.owner}/")
    answer = await member("GET", path)
    assert answer.json()["created_by"] == "staff"
    assert (await member.get("/keys", params={"owner": firm}))["items"][0]["created_by"] == "staff"
    same = {"If-Match": answer.headers["etag"]}  # what is compared is what was shown
    assert (await member.do("POST", f"{path}/deactivate", headers=same))["created_by"] == "staff"
    await staff.do("POST", f"/owners/{firm}/invitations", {"email": "a@example.com", "role": "viewer"})
    house.app.act(members.invite, firm, email="b@example.com", role=Role.VIEWER, actor=Actor("terminal", "root"))
    invited = (await member.get(f"/owners/{firm}/invitations"))["items"]
    assert [each["invited_by"] for each in invited] == ["staff", "staff", *(["staff"] * (len(invited) - 2))]
    wish = {"api": "creator", "owner": user, "name": "n", "scopes": {"read:self": "to read"}, "use_case": "an app"}
    asked = await member.do("POST", "/requests", wish)
    assert asked["asked_by"] == f"member:{user}"  # its own name it knows
    await staff.do("POST", f"/requests/{asked['request']}/refuse", {"reason": "no"})
    assert (await member.get(f"/requests/{asked['request']}"))["decided_by"] == "staff"
    assert (await staff.get(f"/requests/{asked['request']}"))["decided_by"].startswith("staff:u-")


@pytest.mark.req("R73")
async def test_the_audit_says_by_which_key_a_member_acted_and_who_acted_for_it(house: House, staff: Caller) -> None:
    user = house.user()
    firm = house.firm(owner=user)
    member, backend = house.member(user), house.staff("write:owners", "read:owners")
    assert member.held is not None
    assert backend.held is not None
    told = {}
    for name, caller in {"member": member, "back-end": backend.acting_for(user), "staff": backend}.items():
        sent = {"email": f"{name}@example.com", "role": "viewer"}
        made = await caller.do("POST", f"/owners/{firm}/invitations", sent)
        (entry,) = (await staff.get(f"/audit?subject={made['invitation']['invitation']}"))["items"]
        told[name] = (entry["actor"], entry["detail"].get("via"))
    held = f"staff:{backend.owner}/{backend.held.key.key}"
    assert told == {
        "member": (f"member:{user}", member.held.key.key),
        "back-end": (f"member:{user}", held),
        "staff": (held, None),
    }


async def test_an_invitation_may_be_accepted_on_behalf_of_who_is_invited(house: House) -> None:
    firm, user = house.firm(owner=house.user()), house.user()
    invited = house.app.act(members.invite, firm, email="c@example.com", role=Role.VIEWER)
    joined = await house.staff().acting_for(user).do("POST", "/invitations/accept", {"token": invited.token})
    assert joined["member"] == user


def test_owners_know_nothing_of_it(house: House) -> None:
    """An erased member's entries lose their origin, by whatever key they came."""
    user = house.user()
    house.app.act(owners.allow, user, "organisation", actor=Actor("member", user, "203.0.113.5", "0123456789Ab"))
    origin = "select value from audit_personal where field = 'origin' and value = '203.0.113.5'"
    assert house.rows(origin) == [("203.0.113.5",)]
    house.app.act(owners.erase, user)
    assert house.rows(origin) == []

"""Who may do what, by tables that are made from the router: no route is forgotten, none is an exception by chance."""

from __future__ import annotations

from typing import Any

import pytest

from limen.control import alerts, channels, delivery, members, requests
from limen.core.people import Role
from limen.core.routes import Operation
from limen.drain.chores import raise_alerts
from limen.http.examples import example_of
from tests.http.v1.house import PROFILE, Caller, House

OPERATIONS = {each.name: each for each in PROFILE.operations}
SECURED = [each for each in PROFILE.operations if not each.public and each.scopes]
MEMBER_SCOPES = frozenset(PROFILE.keys.classes["member"].scopes)
THEIRS = {"owner", "key", "request", "channel", "delivery", "alert"}
"""The parameters of an address that name what belongs to an owner."""

SENDS = {"removeChannel", "testChannel", "replayEvents", "retryDelivery"}
"""What needs a channel that nothing was done to: an owner may add twenty a day."""

STAFF_ALONE = {"getProfile", "listRevisions", "getRevision"}
"""What members' scopes open, and members still may not."""


def _parameters(operation: Operation) -> set[str]:
    return {part[1:-1] for part in operation.path.split("/") if part.startswith("{")}


def _open_to_members(operation: Operation) -> bool:
    return operation.scopes <= MEMBER_SCOPES and operation.name not in STAFF_ALONE


OBJECTS = [each for each in SECURED if _open_to_members(each) and _parameters(each) & THEIRS]
NO_LISTS = {"listApis", "getUsageTotals", "getUsageScopes", "getUsageWindow", "exportUsage", "getAlertRules"}
"""The first is everybody's; of the others ``test_statistics`` and ``test_alerts`` say whose they are."""
LISTS = [
    each
    for each in SECURED
    if _open_to_members(each) and each.method == "GET" and not _parameters(each) and each.name not in NO_LISTS
]
OF_STAFF = [each for each in SECURED if not _open_to_members(each)]


class Estate:
    """An organisation with a person in each role, and a user: with a key, a request and an invitation each."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.people = {role: house.user() for role in Role}
        self.firm = house.firm(**{role.value: user for role, user in self.people.items()})
        self.colleague = house.join(self.firm, house.user(), Role.VIEWER)
        self.user = house.user()
        key = house.key(self.firm, "organisation").key.key
        wish = requests.Wish("creator", self.user, "a key", {"read:self": "to read"}, "an application")
        self.theirs = {"owner": self.firm, "key": key} | self.channel() | self.alert()
        self.own = {"owner": self.user, "key": house.key(self.user).key.key}
        self.own["request"] = house.app.act(requests.ask, wish).request
        self.rest = {
            "api": "creator",
            "version": "2025-06-26",
            "revision": "1",
            "setting": "replies.hours",
            "member": self.colleague,
            "invitation": self.invitation(),
            "brownout": "0123456789Ab",
            "measure": "0123456789Ab",
            "entry": "1",
            "notice": "0123456789Ab",
            "rule": "expiring",
        }

    def renewed(self, operation: Operation) -> dict[str, str]:
        """Things of the organisation that nothing was done to yet, as far as *operation* is on them."""
        wanted, found = _parameters(operation), {"owner": self.firm}
        if "key" in wanted:
            found["key"] = self.house.key(self.firm, "organisation").key.key
        if "member" in wanted:
            found["member"] = self.house.join(self.firm, self.house.user(allowed=False), Role.VIEWER)
        if "invitation" in wanted:
            found["invitation"] = self.invitation()
        return found | (self.channel() if operation.name in SENDS else {})

    def channel(self) -> dict[str, str]:
        """A channel of the organisation, and a delivery to it."""
        new = channels.NewChannel(self.firm, "webhook", f"https://example.com/{self.house.name()}")
        channel = self.house.app.act(channels.add, new).channel.channel
        return {"channel": channel, "delivery": self.house.app.act(delivery.test, channel).delivery}

    def alert(self) -> dict[str, str]:
        """An alert on a key of the organisation, which ends soon."""
        ends_at = self.house.app.clock.read()[0] + 86_400
        key = self.house.key(self.firm, "organisation", expires_at=ends_at).key.key
        raise_alerts(self.house.app)
        with self.house.app.reading() as reader:
            return {"alert": alerts.listed(reader, key=key)[0].alert}

    def invitation(self) -> str:
        """An invitation to the organisation."""
        email = f"{self.house.name()}@example.com"
        return self.house.app.act(members.invite, self.firm, email=email, role=Role.VIEWER).invitation.invitation

    def path(self, operation: Operation, **named: str) -> str:
        """Where *operation* is done on what *named* says, and else on what is there."""
        return operation.path.removeprefix("/v1").format_map(self.rest | self.theirs | self.own | named)


@pytest.fixture(scope="module")
def estate(house: House) -> Estate:
    """What belongs to others."""
    return Estate(house)


@pytest.fixture(scope="module")
def document(house: House) -> Any:
    """The OpenAPI document."""
    return house.public._management.openapi()


def _body(operation: Operation, document: Any) -> Any:
    """A body that the operation takes, as the document shows one; None where it takes none."""
    said = document["paths"][operation.path][operation.method.lower()].get("requestBody")
    if said is None:
        return None
    return example_of(said["content"]["application/json"]["schema"], document["components"]["schemas"])


@pytest.mark.check("C119")
@pytest.mark.req("R125")
@pytest.mark.parametrize("operation", OBJECTS, ids=lambda each: each.name)
async def test_what_belongs_to_others_is_not_there(house: House, estate: Estate, document: Any, operation) -> None:
    """Word for word as what nobody has."""
    stranger, body = house.member(), _body(operation, document)
    parameter = min(_parameters(operation) & THEIRS)
    known = (estate.own if parameter == "request" else estate.theirs)[parameter]
    theirs = await stranger(operation.method, estate.path(operation, **{parameter: known}), body)
    nobodys = await stranger(operation.method, estate.path(operation, **{parameter: "Nobody000000"}), body)
    assert (theirs.status_code, nobodys.status_code) == (404, 404), theirs.text
    assert theirs.text.replace(known, "…") == nobodys.text.replace("Nobody000000", "…")


@pytest.mark.check("C119")
@pytest.mark.req("R125")
@pytest.mark.parametrize("operation", LISTS, ids=lambda each: each.name)
async def test_no_list_shows_what_belongs_to_others(house: House, estate: Estate, operation) -> None:
    stranger = house.member()
    found = (await stranger.get(operation.path.removeprefix("/v1")))["items"]
    assert {item.get("owner", stranger.owner) for item in found} <= {stranger.owner}
    for query in (f"owner={estate.firm}", "owner=Nobody000000"):
        if operation.name != "listOwners":
            await stranger.refused("owner_unknown", "GET", f"{operation.path.removeprefix('/v1')}?{query}")


@pytest.mark.check("C119")
async def test_nothing_is_made_for_others(house: House, estate: Estate) -> None:
    stranger = house.member()
    key = {"api": "organisation", "owner": estate.firm, "name": "a key"}
    await stranger.refused("owner_unknown", "POST", "/keys", key)
    wish = {"api": "organisation", "owner": estate.firm, "name": "x", "scopes": {"admin": "x"}, "use_case": "x"}
    await stranger.refused("owner_unknown", "POST", "/requests", wish)
    channel = {"owner": estate.firm, "kind": "webhook", "address": "https://example.com/x"}
    await stranger.refused("owner_unknown", "POST", "/channels", channel)
    await stranger.refused("owner_unknown", "POST", "/inbox/read", {"owner": estate.firm})
    await stranger.refused("owner_unknown", "PUT", "/alert-rules/expiring", {"owner": estate.firm})
    tried = {"owner": estate.firm, "since": "2030-01-01T00:00:00Z"}
    await stranger.refused("owner_unknown", "POST", "/alert-rules/expiring/try", tried)
    await stranger.refused("owner_unknown", "GET", f"/alert-rules?owner={estate.firm}")
    await stranger.refused("owner_unknown", "GET", f"/alerts?owner={estate.firm}")
    await stranger.refused("owner_unknown", "POST", "/invitations/accept", {"token": "x", "member": estate.user})


@pytest.mark.check("C120")
@pytest.mark.req("R51", "R53", "R80", "R101", "R178", "R179")
@pytest.mark.parametrize("operation", SECURED, ids=lambda each: each.name)
async def test_without_its_scope_no_key_opens_a_route(house: House, estate: Estate, operation) -> None:
    others = [name for name in PROFILE.catalogue.scopes if name not in ({"admin"} | operation.scopes)]
    problem = await house.staff(*others).refused("scope_missing", operation.method, estate.path(operation))
    assert problem["missingScopes"] == sorted(operation.scopes)


@pytest.mark.check("C120")
@pytest.mark.parametrize("operation", OF_STAFF, ids=lambda each: each.name)
async def test_what_is_the_staffs_no_member_does(house: House, estate: Estate, document: Any, operation) -> None:
    """Neither with a key of its own, nor by the back-end's, whatever its role."""
    path, body = estate.path(operation, owner=estate.firm), _body(operation, document)
    if not operation.scopes <= MEMBER_SCOPES:
        await house.member().refused("scope_missing", operation.method, path, body)
    staff = house.staff()
    for user in estate.people.values():
        await staff.acting_for(user).refused("staff_only", operation.method, path, body)


NEEDS = {
    "getOwner": Role.VIEWER,
    "listMembers": Role.ADMIN,
    "setRole": Role.ADMIN,
    "removeMember": Role.ADMIN,
    "listInvitations": Role.ADMIN,
    "inviteMember": Role.ADMIN,
    "withdrawInvitation": Role.ADMIN,
    "getKey": Role.EDITOR,
    "deleteKey": Role.ADMIN,
    "regenerateKey": Role.ADMIN,
    "deactivateKey": Role.ADMIN,
    "reactivateKey": Role.ADMIN,
    "revokeKey": Role.ADMIN,
    "setExpiry": Role.ADMIN,
    "pinKey": Role.ADMIN,
    "getChannel": Role.EDITOR,
    "changeChannel": Role.ADMIN,
    "removeChannel": Role.ADMIN,
    "confirmChannel": Role.ADMIN,
    "rotateSecret": Role.ADMIN,
    "testChannel": Role.ADMIN,
    "replayEvents": Role.ADMIN,
    "getDelivery": Role.EDITOR,
    "getAlert": Role.EDITOR,
    "acknowledgeAlert": Role.EDITOR,
    "muteAlert": Role.ADMIN,
    "retryDelivery": Role.ADMIN,
}
"""The lowest role that comes with the right to each operation on what belongs to an organisation (§3.4 of its platform:
editors see the developer settings, admins change them, viewers see neither)."""


def test_each_object_route_has_its_role() -> None:
    """Those of requests are not in the table: keys of ``organisation`` are not asked for."""
    assert set(NEEDS) == {each.name for each in OBJECTS if "request" not in _parameters(each)}


@pytest.mark.check("C120")
@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.value)
@pytest.mark.parametrize("name", NEEDS)
async def test_each_role_does_what_it_comes_with_and_no_more(
    house: House, staff: Caller, estate: Estate, document: Any, name: str, role: Role
) -> None:
    operation = OPERATIONS[name]
    body = _body(operation, document)
    if role.reaches(NEEDS[name]):
        path = estate.path(operation, **estate.renewed(operation))
        answer = await staff.acting_for(estate.people[role])(operation.method, path, body)
        assert answer.status_code < 300 or answer.json()["code"] in ("pin_wrong", "request_malformed", "token_wrong"), (
            answer.text
        )
        return
    named = estate.theirs
    caller = staff.acting_for(estate.people[role])
    await caller.refused("role_too_low", operation.method, estate.path(operation, **named), body)


async def test_a_viewer_does_not_see_how_an_organisation_stands(house: House, staff: Caller, estate: Estate) -> None:
    await staff.do("PUT", f"/owners/{estate.firm}/standings/organisation", {"plan": "pro"})
    shown = {
        role: (await staff.acting_for(user).get(f"/owners/{estate.firm}"))["standings"]
        for role, user in estate.people.items()
    }
    assert [bool(shown[role]) for role in (Role.OWNER, Role.ADMIN, Role.EDITOR, Role.VIEWER)] == [
        True,
        True,
        True,
        False,
    ]


async def test_a_cursor_leads_on_in_its_own_list_alone_and_nobody_else_writes_one(house: House, staff: Caller) -> None:
    for _ in range(3):
        house.user()
    page = await staff.get("/owners?limit=2")
    onward = await staff.get(f"/owners?limit=2&after={page['next']}")
    assert not {item["owner"] for item in page["items"]} & {item["owner"] for item in onward["items"]}
    for cursor in ("x", "!", "é", page["next"][:-2], page["next"][:-1] + "A" * 4, "A" * 999):
        await staff.refused("request_malformed", "GET", f"/owners?after={cursor}")
    await staff.refused("request_malformed", "GET", f"/keys?after={page['next']}")

"""Requests for keys: asked for with reasons, decided by staff, revealed once; and who may not issue directly."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from limen.control import apis, keys, members, owners, replies, requests
from limen.control.replies import Reply
from limen.core.people import Actor, Role
from limen.core.problems import ProblemError
from limen.core.profile import BUILT_IN
from limen.profiles import built_in
from tests.control.desk import Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.core.profile import Profile
    from tests.control.desk import Desk

STAFF, MEMBER = Actor("terminal", "tester"), Actor("member", "u-1")
DAY_S = 86_400
WHY = {"read:self": "Show who is logged in.", "read:chat": "List the chats.", "write:chat": "Answer them."}


def _wish(**more: Any) -> requests.Wish:
    return requests.Wish("creator", "u-1", **{"name": "a key", "scopes": WHY, "use_case": "An inbox."} | more)


@pytest.fixture
def asked(desk: Desk, owner: str) -> str:
    """A request that u-1 made; what is done next, staff do."""
    desk.actor = MEMBER
    request: str = desk.act(requests.ask, _wish()).request
    desk.actor = STAFF
    return request


# -- who may issue -----------------------------------------------------------------------------------------------------


@pytest.mark.req("R16")
def test_where_staff_approve_keys_only_they_issue_directly(
    desk: Desk, owner: str, firm: str, altered: Callable[..., Profile]
) -> None:
    new = keys.NewKey("creator", owner, "a key", scopes=("read:self",))
    for kind in ("member", "holder", "", "Staff"):
        desk.actor = Actor(kind, owner)
        desk.refused("approval_required", keys.issue, new)
    for kind in ("staff", "terminal", "demo"):
        desk.actor = Actor(kind, "somebody")
        desk.act(keys.issue, new)
    desk.actor = MEMBER
    desk.act(keys.issue, keys.NewKey("organisation", firm, "a key"))
    desk.act(apis.apply_profile, "creator", altered("creator", {"keys.issuance": "self_service"}))
    desk.act(keys.issue, new)


def test_keys_of_limens_own_api_only_staff_issue_and_nobody_asks_for_them(desk: Desk, owner: str) -> None:
    desk.act(apis.ensure_built_in, built_in())
    new = keys.NewKey(BUILT_IN, owner, "a key", key_class="staff", scopes=("admin",))
    desk.actor = MEMBER
    desk.refused("approval_required", keys.issue, new)
    desk.refused("approval_required", keys.issue, keys.NewKey(BUILT_IN, owner, "a key", key_class="member"))
    desk.refused("api_built_in", requests.ask, replace(_wish(), api=BUILT_IN, key_class="staff", scopes={"admin": "?"}))
    desk.actor = STAFF
    desk.refused("api_built_in", requests.ask, replace(_wish(), api=BUILT_IN, key_class="staff", scopes={"admin": "?"}))
    desk.act(keys.issue, new)


def test_a_key_says_who_made_it(desk: Desk, firm: str) -> None:
    desk.actor = Actor("member", "u-1024", "192.0.2.1")
    assert desk.act(keys.issue, keys.NewKey("organisation", firm, "a key")).key.created_by == "member:u-1024"


# -- asked -------------------------------------------------------------------------------------------------------------


@pytest.mark.req("R175", "R188", "R189")
def test_a_request_names_scopes_and_a_reason_for_each(desk: Desk, owner: str) -> None:
    desk.actor = MEMBER
    before = desk.said()
    asked = desk.act(requests.ask, _wish(expires_at=desk.now + 60, addresses=("192.0.2.0/24",)))
    assert asked == requests.Request(
        request=asked.request,
        api="creator",
        owner=owner,
        name="a key",
        key_class="secret",
        environment="live",
        scopes=WHY,
        use_case="An inbox.",
        expires_at=desk.now + 60,
        origins=None,
        addresses=("192.0.2.0/24",),
        pinned=None,
        state="open",
        asked_by="member:u-1",
        asked_at=desk.now,
        granted=(),
        decided_by="",
        decided_at=None,
        reason="",
        lapses_at=None,
        key="",
    )
    assert desk.said()[len(before) :] == [Said("requests.ask", "request.asked", "creator", asked.request)]
    assert desk.ask(requests.require, asked.request) == asked
    assert desk.ask(keys.listed).items == ()


@pytest.mark.req("R188", "R189")
@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"scopes": {}}, "scope_unknown"),
        ({"scopes": {"read:self": ""}}, "reason_wrong"),
        ({"scopes": {"read:self": " \n"}}, "reason_wrong"),
        ({"scopes": {"read:self": "x" * 501}}, "reason_wrong"),
        ({"scopes": WHY | {"read:fan": "\x1b[2J"}}, "reason_wrong"),
        ({"use_case": ""}, "reason_wrong"),
        ({"use_case": "x" * 2_001}, "reason_wrong"),
        ({"scopes": {"read:everything": "All of it."}}, "scope_unknown"),
        ({"key_class": "public"}, "class_unknown"),
        ({"environment": "moon"}, "environment_unknown"),
        ({"name": ""}, "name_wrong"),
        ({"expires_at": 0.0}, "expiry_wrong"),
        ({"origins": ("https://example.com",)}, "origins_wrong"),
        ({"addresses": ()}, "addresses_wrong"),
        ({"owner": "nobody"}, "owner_unknown"),
        ({"api": "nowhere"}, "api_unknown"),
    ],
    ids=str,
)
def test_what_could_not_be_issued_is_not_asked_for(desk: Desk, owner: str, more: dict[str, Any], code: str) -> None:
    wish = {"api": "creator", "owner": owner, "name": "a key", "scopes": WHY, "use_case": "An inbox."} | more
    desk.refused(code, requests.ask, requests.Wish(**wish))


@pytest.mark.req("R189")
def test_a_reason_may_be_long_and_of_several_lines(desk: Desk, owner: str) -> None:
    scopes = {"read:self": "a\n" * 250}
    assert desk.act(requests.ask, _wish(scopes=scopes, use_case="x" * 2_000)).scopes == scopes


# -- by role -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def wanted(desk: Desk, firm: str) -> requests.Wish:
    """What may be asked for o-1, in which u-7 has a role."""
    for user in ("u-7", "u-8"):
        desk.act(owners.create, owners.NewOwner("user", owner=user))
        token = desk.act(members.invite, firm, email="a@example.com", role=Role.OWNER).token
        desk.act(members.accept, token, member=user)
    return requests.Wish("organisation", firm, "a key", {"read:analytics": "A report."}, "Reports.")


def test_members_ask_withdraw_and_reveal_by_their_role(desk: Desk, firm: str, wanted: requests.Wish) -> None:
    first, second = (desk.act(requests.ask, wanted).request for _ in range(2))
    for request in (first, second):
        desk.act(requests.grant, request)
    for role in (Role.EDITOR, Role.VIEWER):
        desk.actor = STAFF
        desk.act(members.set_role, firm, "u-7", role=role)
        desk.actor = Actor("member", "u-7")
        desk.refused("role_too_low", requests.ask, wanted)
        desk.refused("role_too_low", requests.withdraw, first)
        desk.refused("role_too_low", requests.reveal, first)
    desk.actor = STAFF
    desk.act(members.set_role, firm, "u-7", role=Role.ADMIN)
    desk.actor = Actor("member", "u-7")
    desk.act(requests.ask, wanted)
    desk.act(requests.withdraw, first)
    assert desk.act(requests.reveal, second).key.created_by == "member:u-7"


def test_to_a_stranger_a_request_is_not_there(desk: Desk, wanted: requests.Wish) -> None:
    request = desk.act(requests.ask, wanted).request
    desk.act(owners.create, owners.NewOwner("user", owner="u-9"))
    for kind, code in (("member", "owner_unknown"), ("holder", "role_too_low")):
        desk.actor = Actor(kind, "u-9")
        desk.refused(code, requests.ask, wanted)
        for verb in (requests.withdraw, requests.reveal, requests.grant):
            desk.refused("request_unknown", verb, request)
        desk.refused("request_unknown", requests.refuse, request, reason="no")


@pytest.mark.req("R191")
def test_only_staff_decide(desk: Desk, asked: str) -> None:
    desk.actor = MEMBER
    desk.refused("role_too_low", requests.grant, asked)
    desk.refused("role_too_low", requests.refuse, asked, reason="no")
    assert desk.ask(requests.require, asked).state == "open"


# -- decided -----------------------------------------------------------------------------------------------------------


@pytest.mark.req("R16", "R191")
def test_staff_grant_what_was_asked_for(desk: Desk, asked: str) -> None:
    before = desk.said()
    granted = desk.act(requests.grant, asked)
    assert (granted.state, granted.granted, granted.decided_by) == ("granted", tuple(WHY), "terminal:tester")
    assert (granted.decided_at, granted.lapses_at) == (desk.now, desk.now + 14 * 86400)
    assert desk.said()[len(before) :] == [Said("requests.grant", "request.granted", "creator", asked)]
    assert desk.ask(keys.listed).items == ()


@pytest.mark.req("R176", "R190")
def test_staff_grant_fewer_scopes_and_never_more(desk: Desk, asked: str) -> None:
    said = desk.refused("scope_not_grantable", requests.grant, asked, scopes=("read:self", "read:fan"))
    assert "Not asked for: read:fan" in said
    desk.refused("scope_not_grantable", requests.grant, asked, scopes=())
    desk.refused("reason_wrong", requests.grant, asked, reason="x" * 501)
    granted = desk.act(requests.grant, asked, scopes=("read:chat", "read:self"), reason="Reading is enough.")
    assert (granted.granted, granted.reason) == (("read:self", "read:chat"), "Reading is enough.")
    assert granted.scopes == WHY
    before, after = (json.loads(part) for part in desk.rows("select before, after from audit order by id desc")[0])
    assert (before["scopes"], after["scopes"]) == (list(WHY), ["read:self", "read:chat"])
    desk.actor = MEMBER
    issued = desk.act(requests.reveal, asked)
    assert issued.key.scopes == ("read:self", "read:chat")
    assert desk.verdict(issued.text, call="POST /chats") == "scope_missing"


def test_staff_refuse_with_a_reason(desk: Desk, asked: str) -> None:
    desk.refused("reason_wrong", requests.refuse, asked, reason="")
    before = desk.said()
    refused = desk.act(requests.refuse, asked, reason="Write access is not for inboxes.")
    assert (refused.state, refused.reason) == ("refused", "Write access is not for inboxes.")
    assert desk.said()[len(before) :] == [Said("requests.refuse", "request.refused", "creator", asked)]
    payload = json.loads(desk.rows("select payload from outbox order by id desc limit 1")[0][0])
    assert payload == {"api": "creator", "subject": asked, "owner": "u-1"}
    desk.actor = MEMBER
    desk.refused("request_settled", requests.reveal, asked)


def test_what_cannot_be_issued_any_more_is_not_granted(desk: Desk, asked: str, altered: Callable[..., Profile]) -> None:
    desk.act(apis.apply_profile, "creator", altered("creator", {"keys.classes.secret.scopes": ["read:self"]}))
    assert "read:chat" in desk.refused("scope_not_grantable", requests.grant, asked)
    desk.act(requests.grant, asked, scopes=("read:self",))


# -- revealed ----------------------------------------------------------------------------------------------------------


@pytest.mark.req("R16", "R64", "R67", "R192")
def test_the_owner_reveals_the_key_once_and_it_takes_the_place_of_the_one_before(desk: Desk, asked: str) -> None:
    old = desk.act(keys.issue, keys.NewKey("creator", "u-1", "before", scopes=("read:self",)))
    desk.act(requests.grant, asked)
    assert desk.verdict(old.text) == "ok"
    desk.actor = MEMBER
    before = desk.said()
    issued = desk.act(requests.reveal, asked)
    key = issued.key
    assert (key.name, key.scopes, key.created_by) == ("a key", tuple(WHY), "member:u-1")
    assert desk.verdict(issued.text) == "ok"
    assert desk.verdict(old.text) == "key_revoked"
    assert desk.said()[len(before) :] == [
        Said("keys.issue", "key.issued", "creator", key.key),
        Said("requests.reveal", "request.revealed", "creator", asked),
    ]
    assert desk.ask(requests.require, asked).key == key.key
    assert desk.ask(requests.require, asked).state == "revealed"
    assert "revealed" in desk.refused("request_settled", requests.reveal, asked)


def test_the_audit_keeps_who_asked_and_who_granted(desk: Desk, asked: str) -> None:
    desk.actor = Actor("staff", "k-1")
    desk.act(requests.grant, asked)
    desk.actor = MEMBER
    desk.act(requests.reveal, asked)
    (detail,) = desk.rows("select detail from audit where verb = 'keys.issue'")[0]
    found = json.loads(detail)
    assert (found["request"], found["asked_by"], found["granted_by"]) == (asked, "member:u-1", "staff:k-1")


def test_where_a_second_key_is_rejected_the_grant_stays(
    desk: Desk, asked: str, altered: Callable[..., Profile]
) -> None:
    desk.act(apis.apply_profile, "creator", altered("creator", {"keys.on_overflow": "reject"}))
    old = desk.act(keys.issue, keys.NewKey("creator", "u-1", "before", scopes=("read:self",))).key.key
    desk.act(requests.grant, asked)
    desk.actor = MEMBER
    desk.refused("slot_taken", requests.reveal, asked)
    desk.act(keys.revoke, old)
    assert desk.act(requests.reveal, asked).key.state == "active"


def test_an_open_request_reveals_nothing(desk: Desk, asked: str) -> None:
    desk.refused("request_open", requests.reveal, asked)


def test_a_grant_lapses(desk: Desk, asked: str) -> None:
    desk.act(requests.grant, asked)
    desk.now += 14 * DAY_S - 1
    assert desk.ask(requests.require, asked).state == "granted"
    desk.now += 1
    assert desk.ask(requests.require, asked).state == "lapsed"
    desk.refused("request_lapsed", requests.reveal, asked)
    desk.refused("request_settled", requests.withdraw, asked)


@pytest.mark.parametrize("end", ["grant", "refuse", "withdraw", "reveal"])
def test_what_is_settled_is_not_decided_again(desk: Desk, asked: str, end: str) -> None:
    if end == "refuse":
        desk.act(requests.refuse, asked, reason="no")
    elif end == "withdraw":
        desk.act(requests.withdraw, asked)
    else:
        desk.act(requests.grant, asked)
        if end == "reveal":
            desk.act(requests.reveal, asked)
    desk.refused("request_settled", requests.grant, asked)
    desk.refused("request_settled", requests.refuse, asked, reason="no")
    if end != "grant":
        desk.refused("request_settled", requests.withdraw, asked)
        desk.refused("request_settled", requests.reveal, asked)


def test_of_two_staff_who_decide_at_once_one_is_told(desk: Desk, asked: str) -> None:
    def decide(number: int) -> str:
        try:
            if number % 2:
                return str(desk.act(requests.grant, asked).state)
            return str(desk.act(requests.refuse, asked, reason="no").state)
        except ProblemError as error:
            return error.problem.code

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(decide, range(4)))
    assert said.count("request_settled") == 3
    assert desk.ask(requests.require, asked).state in said


def test_a_key_is_revealed_once_however_many_ask_at_once(desk: Desk, asked: str) -> None:
    desk.act(requests.grant, asked)

    def reveal(_: int) -> str:
        try:
            return str(desk.act(requests.reveal, asked).key.key)
        except ProblemError as error:
            return error.problem.code

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(reveal, range(4)))
    assert said.count("request_settled") == 3
    assert desk.rows("select count(*) from keys") == [(1,)]


@pytest.mark.parametrize("granted", [False, True])
def test_a_request_is_withdrawn_as_long_as_no_key_was_made(desk: Desk, asked: str, granted: bool) -> None:
    if granted:
        desk.act(requests.grant, asked)
    before = desk.said()
    assert desk.act(requests.withdraw, asked).state == "withdrawn"
    assert desk.said()[len(before) :] == [Said("requests.withdraw", "request.withdrawn", "creator", asked)]


@pytest.mark.parametrize("verb", ["grant", "refuse", "withdraw", "reveal", "require"])
def test_a_request_that_is_none_is_unknown(desk: Desk, owner: str, verb: str) -> None:
    more = {"reason": "no"} if verb == "refuse" else {}
    assert "'nothing'" in desk.refused("request_unknown", getattr(requests, verb), "nothing", **more)


def test_who_has_been_erased_is_given_no_key(desk: Desk, asked: str, owner: str) -> None:
    desk.act(owners.erase, owner)
    desk.refused("request_settled", requests.grant, asked)
    desk.refused("owner_erased", requests.ask, _wish())
    desk.refused("owner_erased", requests.ask, _wish())


# -- listed ------------------------------------------------------------------------------------------------------------


def test_requests_are_found_by_api_owner_and_state_in_pages(desk: Desk, owner: str, wanted: requests.Wish) -> None:
    made: dict[str, list[str]] = {}
    for number, state in enumerate(("open", "granted", "refused", "withdrawn", "revealed") * 2):
        desk.now += number % 2
        request = desk.act(requests.ask, _wish() if number < 7 else wanted).request
        if state in ("granted", "revealed"):
            desk.act(requests.grant, request)
        if state == "revealed":
            desk.act(requests.reveal, request)
        elif state == "refused":
            desk.act(requests.refuse, request, reason="no")
        elif state == "withdrawn":
            desk.act(requests.withdraw, request)
        made.setdefault(state, []).append(request)

    def found(**wanted: str) -> list[str]:
        every: list[requests.Request] = []
        while page := desk.ask(requests.listed, after=every[-1].request if every else "", limit=2, **wanted):
            every += page
        assert [each.asked_at for each in every] == sorted((each.asked_at for each in every), reverse=True)
        return sorted(each.request for each in every)

    for state, expected in made.items():
        assert found(state=state) == sorted(expected)
    assert found() == sorted(request for expected in made.values() for request in expected)
    assert len(found(api="creator")) == len(found(owner=owner)) == 7
    assert found(api="organisation", state="refused") == found(owner="o-1", state="refused") == made["refused"][1:]
    desk.now += 14 * DAY_S
    assert found(state="granted") == []
    assert found(state="lapsed") == sorted(made["granted"])
    desk.refused("request_malformed", requests.listed, state="gone")
    desk.refused("request_unknown", requests.listed, after="nothing")


# -- how many, and what is forgotten -----------------------------------------------------------------------------------


def test_no_more_than_twenty_wait(desk: Desk, asked: str) -> None:
    desk.actor = MEMBER
    for _ in range(19):
        desk.act(requests.ask, _wish())
    assert "20 requests" in desk.refused("too_many_open", requests.ask, _wish())
    desk.act(requests.withdraw, asked)
    desk.act(requests.ask, _wish())


@pytest.mark.req("R73")
def test_erasing_forgets_what_was_written_in_requests(desk: Desk, asked: str, firm: str) -> None:
    jane = "Jane Person"
    said = {"name": jane, "scopes": {"read:self": jane}, "use_case": jane}
    refused, granted = (desk.act(requests.ask, _wish(**said)).request for _ in range(2))
    desk.act(requests.refuse, refused, reason=f"{jane} is odd")
    desk.act(requests.grant, granted, reason=jane)
    desk.act(owners.create, owners.NewOwner("user", owner="u-2"))
    desk.act(owners.allow, "u-2", "creator")
    kept = desk.act(requests.ask, replace(_wish(), owner="u-2")).request
    before = desk.ask(requests.require, kept)
    desk.act(owners.erase, "u-1")
    assert [desk.ask(requests.require, each).state for each in (asked, refused, granted)] == [
        "withdrawn",
        "refused",
        "withdrawn",
    ]
    assert [each.subject for each in desk.said() if each.verb == "requests.withdraw"] == [asked, granted]
    assert desk.ask(requests.require, kept) == before
    assert desk.ask(requests.require, refused).scopes == {"read:self": ""}
    assert jane not in str(desk.dump())
    if isinstance(desk.path, Path):
        desk.rows("pragma wal_checkpoint(truncate)")
        assert jane.encode() not in desk.path.read_bytes()


@pytest.mark.req("R73")
def test_erasing_a_member_forgets_what_it_wrote_for_others(desk: Desk, owner: str, firm: str) -> None:
    invited = desk.act(members.invite, firm, email="u-1@example.com", role=Role.OWNER)
    desk.act(members.accept, invited.token, member="u-1")
    desk.actor = MEMBER
    scopes = dict.fromkeys(desk.ask(apis.profile_of, "organisation").keys.classes["secret"].default_scopes, "Jane")
    request = desk.act(requests.ask, requests.Wish("organisation", firm, "Jane's", scopes, "Jane")).request
    desk.actor = STAFF
    desk.act(owners.erase, "u-1")
    assert desk.ask(requests.require, request).state == "withdrawn"
    assert "Jane" not in str(desk.dump())


@pytest.mark.req("R73")
def test_erasing_empties_replies_and_leaves_them_there(
    desk: Desk, owner: str, new_key: Callable[..., keys.Issued]
) -> None:
    key = new_key("creator", owner).key.key
    desk.act(owners.create, owners.NewOwner("user", owner="u-12"))
    held = {
        (key, "a"): {"email": "person@example.com"},
        (f"{key}/u-1", "b"): {"email": "person@example.com"},
        ("0123456789AB/u-1", "c"): {"email": "person@example.com"},
        ("0123456789AB", "d"): {"owner": "u-1", "email": "person@example.com"},
        ("0123456789AB", "e"): {"asked_by": "member:u-1", "email": "person@example.com"},
        ("0123456789AB/u-12", "f"): {"owner": "u-12"},
    }
    for (caller, name), body in held.items():
        desk.act(replies.keep, caller, name, fingerprint=b"f", reply=Reply(201, body))
    desk.act(owners.erase, "u-1")
    found = {of: desk.ask(replies.find, *of, fingerprint=b"f") for of in held}
    assert found == dict.fromkeys(held, Reply(201, None)) | {("0123456789AB/u-12", "f"): Reply(201, {"owner": "u-12"})}

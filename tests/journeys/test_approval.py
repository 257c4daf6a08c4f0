"""Approval: a key is asked for with reasons, granted in part, and revealed once to whoever asked."""

from __future__ import annotations

import pytest

from tests.journeys.stage import Stage

pytestmark = pytest.mark.xdist_group("stage")  # one server for all of them


@pytest.mark.req("R11", "R16", "R67", "R175", "R188", "R189", "R190", "R191")
@pytest.mark.check("C003", "C031")
def test_a_member_asks_staff_grant_less_and_the_key_is_revealed_once(stage: Stage) -> None:
    user = stage.user()
    member, colleague = stage.member(user), stage.colleague()

    # A member asks, naming scopes and reasons; it cannot help itself instead.
    wish = {"api": "creator", "owner": user, "name": "help desk"}
    assert member.refused("POST", "/keys", wish | {"scopes": ["read:chat"]}) == (403, "approval_required")
    reasons = {"read:chat": "Show the conversation to the agent.", "write:chat": "Send what the agent wrote."}
    said = {"use_case": "Answers chats from our help desk.", "scopes": reasons}
    asked = member.do("POST", "/requests", wish | said)
    assert (asked["state"], asked["asked_by"], asked["scopes"]) == ("open", f"member:{user}", reasons)
    request = f"/requests/{asked['request']}"
    assert member.refused("POST", f"{request}/reveal") == (409, "request_open")
    assert member.refused("POST", f"{request}/grant")[0] == 403

    # Staff find it among the open ones, and grant less.
    waiting = colleague.get("/requests?state=open&api=creator")["items"]
    assert asked["request"] in [each["request"] for each in waiting]
    granted = colleague.do("POST", f"{request}/grant", {"scopes": ["read:chat"], "reason": "Reading first."})
    assert (granted["state"], granted["granted"]) == ("granted", ["read:chat"])
    assert colleague.get(f"/keys?owner={user}&api=creator")["items"] == []

    # The member reveals the key, once.
    shown = member.do("POST", f"{request}/reveal")
    key, text = shown["key"], shown["text"]
    assert key["scopes"] == ["read:chat"]
    assert member.refused("POST", f"{request}/reveal") == (409, "request_settled")
    seen = [member.get(path) for path in (request, f"/keys/{key['key']}", f"/keys?owner={user}")]
    assert text not in str(seen)

    # It works at the gate, but for the scope that was cut.
    assert stage.ask(text, "GET /chats") == "ok"
    assert stage.ask(text, "POST /chats") == "scope_missing"

    # The audit shows who asked, decided and revealed.
    told = colleague.get(f"/audit?subject={asked['request']}")["items"]
    staff = colleague.get("/me")
    assert [(entry["verb"], entry["actor"]) for entry in reversed(told)] == [
        ("requests.ask", f"member:{user}"),
        ("requests.grant", f"staff:{staff['owner']}/{staff['key']}"),
        ("requests.reveal", f"member:{user}"),
    ]
    (issued,) = colleague.get(f"/audit?subject={key['key']}&verb=keys.issue")["items"]
    assert issued["detail"]["request"] == asked["request"]


@pytest.mark.req("R16", "R191")
def test_a_back_end_asks_for_its_user_who_is_refused_and_nobody_else_sees_it(stage: Stage) -> None:
    user = stage.user()
    back_end, stranger = stage.staff.acting_for(user), stage.staff.acting_for(stage.user())
    wish = {
        "api": "creator",
        "owner": user,
        "name": "a key",
        "scopes": {"read:self": "To greet."},
        "use_case": "A bot.",
    }
    assert stranger.refused("POST", "/requests", wish) == (404, "owner_unknown")
    asked = back_end.do("POST", "/requests", wish)
    request = f"/requests/{asked['request']}"
    assert asked["asked_by"] == f"member:{user}"
    assert stranger.refused("GET", request) == (404, "request_unknown")
    stage.staff.do("POST", f"{request}/refuse", {"reason": "Say which chats, and who reads them."})
    seen = back_end.get(request)
    assert (seen["state"], seen["reason"]) == ("refused", "Say which chats, and who reads them.")
    assert back_end.refused("POST", f"{request}/reveal") == (409, "request_settled")

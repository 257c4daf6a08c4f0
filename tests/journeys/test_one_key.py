"""One key an owner (C1): where the profile says so, a new key takes the place of the one before, at once."""

from __future__ import annotations

import pytest

from tests.journeys.stage import Stage

pytestmark = pytest.mark.xdist_group("stage")  # one server for all of them


@pytest.mark.req("R9", "R10", "R64", "R69", "R221")
@pytest.mark.check("C027", "C031")
def test_a_second_key_replaces_the_first_at_once(stage: Stage) -> None:
    user = stage.user()
    first = stage.issue(user, "read:chat")
    assert stage.ask(first["text"]) == "ok"

    second = stage.issue(user, "read:chat")
    assert [stage.ask(first["text"]), stage.ask(second["text"])] == ["key_revoked", "ok"]

    # One is active; the other says what became of it, and does not come back.
    held = {key["key"]: key for key in stage.member(user).get("/keys?api=creator")["items"]}
    assert {key: each["state"] for key, each in held.items()} == {first["key"]: "revoked", second["key"]: "active"}
    assert held[first["key"]]["ended_reason"] == "replaced"
    assert stage.staff.refused("POST", f"/keys/{first['key']}/reactivate") == (409, "key_ended")

    # Put to sleep, the second makes room; it is not woken while another has its place.
    stage.staff.do("POST", f"/keys/{second['key']}/deactivate")
    third = stage.issue(user, "read:chat")
    assert stage.staff.refused("POST", f"/keys/{second['key']}/reactivate") == (409, "slot_taken")
    assert [stage.ask(second["text"]), stage.ask(third["text"])] == ["key_inactive", "ok"]

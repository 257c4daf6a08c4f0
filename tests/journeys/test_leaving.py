"""A member leaves: it was invited, made keys, is removed; what it may still have is rotated, and it sees nothing."""

from __future__ import annotations

import pytest

from tests.journeys.stage import Caller, Stage

pytestmark = pytest.mark.xdist_group("stage")  # one server for all of them

CALL = "GET /v1/experiences"


def _join(stage: Stage, inviting: Caller, firm: str, role: str) -> tuple[str, Caller]:
    """A new user that was invited by *inviting*, and has accepted with a key of its own."""
    user = stage.user()
    member = stage.member(user)
    invited = inviting.do("POST", f"/owners/{firm}/invitations", {"email": f"{user}@example.com", "role": role})
    joined = member.do("POST", "/invitations/accept", {"token": invited["token"]})
    assert (joined["organisation"], joined["member"], joined["role"]) == (firm, user, role)
    assert member.refused("POST", "/invitations/accept", {"token": invited["token"]}) == (404, "invitation_unknown")
    return user, member


@pytest.mark.req("R220", "R249", "R250")
@pytest.mark.check("C027", "C031")
def test_the_keys_of_whoever_leaves_are_named_rotated_and_theirs_no_more(stage: Stage) -> None:
    firm = stage.firm()
    _, owner = _join(stage, stage.staff, firm, "owner")
    user, member = _join(stage, owner, firm, "admin")
    asked = {"api": "organisation", "owner": firm}
    theirs = [member.do("POST", "/keys", asked | {"name": name}) for name in ("checkout", "reports", "old")]
    kept = owner.do("POST", "/keys", asked | {"name": "the owner's"})
    member.do("POST", f"/keys/{theirs[2]['key']['key']}/revoke", {"reason": "not used"})
    live = theirs[:2]
    assert {stage.ask(each["text"], CALL, api="organisation") for each in (*live, kept)} == {"ok"}

    # The answer names those of its keys that live; they go on until they are rotated.
    left = owner.do("DELETE", f"/owners/{firm}/members/{user}")
    ids = {each["key"]["key"] for each in live}
    assert {key["key"] for key in left["rotate"]} == ids
    assert {stage.ask(each["text"], CALL, api="organisation") for each in live} == {"ok"}

    # Who has left finds nothing any more: not the organisation, not its keys, not even those that it made.
    one = f"/keys/{live[0]['key']['key']}"
    assert {
        member.refused("GET", f"/owners/{firm}"),
        member.refused("GET", f"/keys?owner={firm}"),
        member.refused("POST", "/keys", asked | {"name": "again"}),
        member.refused("GET", f"/owners/{firm}/members"),
    } == {(404, "owner_unknown")}
    assert {member.refused("GET", one), member.refused("POST", f"{one}/regenerate"), member.refused("DELETE", one)} == {
        (404, "key_unknown")
    }

    # All that it made is rotated in one go, and nothing else.
    batch = {"action": "regenerate", "wanted": {"owner": firm, "created_by": f"member:{user}"}, "overlap_s": 0}
    assert member.refused("POST", "/keys/batch", batch)[0] == 403
    would = stage.staff.do("POST", "/keys/batch/preview", batch)
    assert (would["count"], {key["key"] for key in would["first"]}) == (len(ids), ids)
    assert {stage.ask(each["text"], CALL, api="organisation") for each in live} == {"ok"}
    done = stage.staff.do("POST", "/keys/batch", batch)
    assert (set(done["done"]), done["skipped"], done["next"]) == (ids, [], None)
    assert {stage.ask(each["text"], CALL, api="organisation") for each in live} == {"key_revoked"}
    fresh = [each["text"] for each in done["issued"]]
    assert {stage.ask(text, CALL, api="organisation") for text in (*fresh, kept["text"])} == {"ok"}
    assert stage.staff.do("POST", "/keys/batch/preview", batch)["count"] == 0

"""Regenerating with an overlap: the new key works, and the old one until the overlap is over."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from tests.faults.processes import wait_until
from tests.journeys.stage import PATIENCE_S, Stage

pytestmark = pytest.mark.xdist_group("stage")  # one server for all of them

CALL = "GET /v1/experiences"
OVERLAP_S = 3


def _seconds(instant: str) -> float:
    return datetime.fromisoformat(instant).timestamp()


@pytest.mark.req("R207", "R220")
@pytest.mark.check("C015", "C031")
def test_both_keys_work_until_the_overlap_is_over(stage: Stage) -> None:
    firm = stage.firm()
    old = stage.issue(firm, "read:experiences", api="organisation")
    assert stage.ask(old["text"], CALL, api="organisation") == "ok"

    shown = stage.staff.do("POST", f"/keys/{old['key']}/regenerate", {"overlap_s": OVERLAP_S})
    new, text = shown["key"], shown["text"]
    assert (new["predecessor"], new["scopes"], new["name"]) == (old["key"], old["scopes"], old["name"])
    ends_at = _seconds(stage.staff.get(f"/keys/{old['key']}")["expires_at"])
    assert ends_at - _seconds(new["created_at"]) == pytest.approx(OVERLAP_S, abs=0.002)

    asked: list[tuple[float, str, float]] = []

    def ended() -> bool:
        began = time.time()
        asked.append((began, stage.ask(old["text"], CALL, api="organisation"), time.time()))
        assert stage.ask(text, CALL, api="organisation") == "ok"
        return asked[-1][1] != "ok"

    wait_until(ended, "the end of the old key", OVERLAP_S + PATIENCE_S)
    assert {code for _, code, answered in asked if answered < ends_at} == {"ok"}
    assert all(began <= ends_at + 0.001 for began, code, _ in asked if code == "ok")
    assert stage.ask(old["text"], CALL, api="organisation") == "key_expired"
    assert stage.staff.get(f"/keys/{old['key']}")["state"] == "expired"

    # Nothing is regenerated from what has ended, and no overlap is longer than the profile's.
    assert stage.staff.refused("POST", f"/keys/{old['key']}/regenerate") == (409, "key_ended")
    assert stage.staff.refused("POST", f"/keys/{new['key']}/regenerate", {"overlap_s": 3_601})[1] == "expiry_wrong"
    assert stage.ask(text, CALL, api="organisation") == "ok"

    # The audit links the two.
    (entry,) = stage.staff.get(f"/audit?verb=keys.regenerate&subject={new['key']}")["items"]
    assert (entry["detail"]["predecessor"], entry["detail"]["overlap_s"]) == (old["key"], OVERLAP_S)

"""Two at once: who edits what somebody else has changed is told, and what is sent twice is done once."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx2
import pytest

from tests.journeys.stage import PATIENCE_S, Caller, Stage

pytestmark = pytest.mark.xdist_group("stage")  # one server for all of them

ROUNDS = 8


def _together(*calls: Callable[[], httpx2.Response]) -> list[httpx2.Response]:
    """The answers to *calls*, which are all made in the same moment."""
    ready = Barrier(len(calls))

    def made(call: Callable[[], httpx2.Response]) -> httpx2.Response:
        ready.wait(PATIENCE_S)
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(made, calls))


def _standing(stage: Stage, owner: str) -> dict:
    (found,) = stage.staff.get(f"/owners/{owner}")["standings"]
    return found


def test_of_two_staff_who_edit_the_same_owner_one_is_told(stage: Stage) -> None:
    firm, colleagues = stage.firm(), (stage.staff, stage.colleague())
    path = f"/owners/{firm}/standings/organisation"
    tags = {each("GET", f"/owners/{firm}").headers["etag"] for each in colleagues}
    (tag,) = tags
    done = colleagues[0]("PUT", path, {"plan": "basic"}, if_match=tag)
    assert (done.status_code, done.headers["etag"] == tag) == (200, False)
    assert colleagues[1].refused("PUT", path, {"plan": "free"}, if_match=tag) == (412, "precondition_failed")
    assert _standing(stage, firm)["plan"] == "basic"

    # Whoever was told looks at it again, and then may.
    again = colleagues[1]("GET", f"/owners/{firm}").headers["etag"]
    colleagues[1].do("PUT", path, {"plan": "free"}, if_match=again)
    assert _standing(stage, firm)["plan"] == "free"


def test_of_two_who_edit_in_the_same_moment_one_is_told(stage: Stage) -> None:
    firm, colleagues = stage.firm(), (stage.staff, stage.colleague())
    path = f"/owners/{firm}/standings/organisation"

    def edit(caller: Caller, tag: str, count: int) -> Callable[[], httpx2.Response]:
        return lambda: caller("PUT", path, {"plan": "enterprise", "limits": f"{count} per 60 s"}, if_match=tag)

    for turn in range(1, ROUNDS + 1):
        tag = stage.staff("GET", f"/owners/{firm}").headers["etag"]
        counts = (1_000 + turn, 2_000 + turn)
        answers = _together(*(edit(caller, tag, count) for caller, count in zip(colleagues, counts, strict=True)))
        assert sorted(answer.status_code for answer in answers) == [200, 412]
        won = counts[[answer.status_code for answer in answers].index(200)]
        assert _standing(stage, firm)["limits"].startswith(f"{won} per")


@pytest.mark.req("R67", "R208", "R210")
@pytest.mark.check("C003", "C051")
def test_the_same_issue_sent_twice_makes_one_key_whose_text_is_shown_once(stage: Stage) -> None:
    firm, sent = stage.firm(), {"idempotency_key": str(uuid.uuid4())}
    asked = {"api": "organisation", "owner": firm, "name": "ci"}
    first = stage.staff("POST", "/keys", asked, **sent)
    again = stage.staff("POST", "/keys", asked, **sent)
    assert (first.status_code, again.status_code) == (201, 201)
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert again.json() == first.json() | {"text": None}
    assert stage.ask(first.json()["text"], "GET /v1/experiences", api="organisation") == "ok"
    assert stage.staff.refused("POST", "/keys", asked | {"name": "cd"}, **sent) == (422, "idempotency_mismatch")
    assert len(stage.staff.get(f"/keys?owner={firm}")["items"]) == 1


@pytest.mark.check("C051")
def test_the_same_issue_sent_twice_in_the_same_moment_makes_one_key(stage: Stage) -> None:
    firm = stage.firm()
    asked = {"api": "organisation", "owner": firm, "name": "ci"}
    seen = Counter[str]()
    for turn in range(1, ROUNDS + 1):
        sent = {"idempotency_key": str(uuid.uuid4())}
        answers = _together(*[lambda sent=sent: stage.staff("POST", "/keys", asked, **sent)] * 3)
        made = [each for each in answers if each.status_code == 201 and "idempotency-replayed" not in each.headers]
        others = [each for each in answers if each not in made]
        assert len(made) == 1, [(each.status_code, each.text) for each in answers]
        for other in others:
            replayed = other.status_code == 201
            seen["replayed" if replayed else "in flight"] += 1
            assert (
                other.json() == made[0].json() | {"text": None}
                if replayed
                else other.json()["code"] == ("idempotency_in_flight")
            )
        assert len(stage.staff.get(f"/keys?owner={firm}")["items"]) == turn
    print(f"of {ROUNDS} times three at once: {dict(seen)}")

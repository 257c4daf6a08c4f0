"""Measures: what staff throttle and block holds in every process at once, for whom it is meant and nobody else."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from limen.control import apis, keys, measures, owners
from limen.control.inspection import Presented, inspect
from limen.control.measures import Target
from limen.core.limits import read_limits
from limen.core.profile import BUILT_IN
from limen.core.verdict import Ask
from tests.control.desk import Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.app import App
    from limen.control.keys import Issued
    from limen.core.profile import Profile
    from tests.control.desk import Desk

LIMITS = read_limits("2 per 60 s", "measure")
EVERYWHERE = ("read:self", "read:chat", "write:chat")


@pytest.fixture
def others(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> list[str]:
    """The texts of two keys of two owners of ``creator``: u-1's and u-2's."""
    desk.act(owners.create, owners.NewOwner("user", owner="u-2"))
    desk.act(owners.allow, "u-2", "creator")
    return [new_key("creator", who, scopes=EVERYWHERE).text for who in (owner, "u-2")]


def _target(kind: str, texts: list[str]) -> Target:
    subject = {"owner": "u-1", "key": texts[0][5:17], "address": "192.0.2.0/24", "operation": "listChats", "api": ""}
    return Target(kind, subject[kind], "creator")


HIT: dict[str, dict[str, Any]] = {
    "owner": {},
    "key": {},
    "address": {"address": "192.0.2.7"},
    "operation": {"path": b"/chats"},
    "api": {},
}
"""What a request of the first key has to be like for a measure on each target to mean it."""


def _said(desk: Desk, text: str, **parts: Any) -> str:
    return desk.answered(text, version="2025-06-26", **parts)[0]


@pytest.mark.req("R124", "R169")
@pytest.mark.parametrize("kind", HIT)
def test_a_block_refuses_what_it_is_meant_for_until_it_is_lifted(desk: Desk, others: list[str], kind: str) -> None:
    text, before, epoch = others[0], desk.said(), desk.epoch
    assert _said(desk, text, **HIT[kind]) == "ok"
    target = _target(kind, others)
    held = desk.act(measures.block, target, reason="attack")
    assert (held.kind, held.target, held.subject, held.state) == ("block", kind, target.subject, "on")
    assert (held.api, held.limits, held.reason, held.ends_at) == ("creator", "", "attack", None)
    assert desk.said()[len(before) :] == [Said("measures.block", "measure.taken", "creator", held.measure)]
    assert _said(desk, text, **HIT[kind]) == "access_blocked"
    spared = "access_blocked" if kind in ("address", "operation", "api") else "ok"
    assert _said(desk, others[1], **HIT[kind]) == spared
    if kind in ("address", "operation"):
        assert _said(desk, text) == "ok"
    after = desk.dump()
    assert desk.act(measures.block, target, reason="attack") == held
    assert desk.dump() == after
    assert desk.epoch == epoch + 2
    lifted = desk.act(measures.lift, held.measure)
    assert (lifted.state, lifted.lifted_at) == ("lifted", desk.now)
    assert desk.said()[-1] == Said("measures.lift", "measure.lifted", "creator", held.measure)
    assert _said(desk, text, **HIT[kind]) == "ok"
    after = desk.dump()
    assert desk.act(measures.lift, held.measure) == lifted
    assert desk.dump() == after


@pytest.mark.req("R123", "R124")
@pytest.mark.parametrize("kind", HIT)
def test_a_throttle_counts_all_that_it_is_meant_for_together(desk: Desk, others: list[str], kind: str) -> None:
    held = desk.act(measures.throttle, _target(kind, others), limits=LIMITS, reason="slow")
    assert (held.kind, held.limits, held.warnings) == ("throttle", "2 per 60 s", ())
    text = others[0]
    assert [_said(desk, text, **HIT[kind]) for _ in range(3)] == ["ok", "ok", "limit_exceeded"]
    together = kind in ("address", "operation", "api")
    assert _said(desk, others[1], **HIT[kind]) == ("limit_exceeded" if together else "ok")
    if kind in ("address", "operation"):
        assert _said(desk, text) == "ok"
    desk.act(measures.lift, held.measure)
    assert _said(desk, text, **HIT[kind]) == "ok"


def test_a_throttle_that_refuses_everything_is_warned_of_and_named_in_the_refusal(
    desk: Desk, others: list[str]
) -> None:
    held = desk.act(measures.throttle, Target("owner", "u-1"), limits=read_limits("0 per 1 s", "x"), reason="slow")
    assert held.warnings == ("'0 per 1 s' refuses every request",)
    now, at = desk.now, desk.app.clock.read()[1]
    ask = Ask(others[0].encode(), b"GET", b"/users/me", b"2025-06-26", b"live", now, at)
    verdict = desk.app.gate("creator").cold.decide_now(ask)
    assert (verdict.code.slug, verdict.limit.name) == ("limit_exceeded", f"measure:{held.measure}")


def test_all_keys_of_an_owner_are_throttled_together(desk: Desk, others: list[str], altered: Any) -> None:
    desk.act(apis.apply_profile, "creator", altered("creator", {"keys.max_active_per_owner": "unlimited"}))
    second = desk.act(keys.issue, keys.NewKey("creator", "u-1", "another", scopes=("read:self",))).text
    desk.act(measures.throttle, Target("owner", "u-1", "creator"), limits=LIMITS, reason="slow")
    assert [_said(desk, text) for text in (others[0], second, others[0])] == ["ok", "ok", "limit_exceeded"]


@pytest.mark.parametrize("verb", ["block", "throttle"])
def test_a_measure_ends_by_its_date_alone(desk: Desk, others: list[str], verb: str) -> None:
    named = {"reason": "attack", "ends_at": desk.now + 60} | (
        {"limits": read_limits("0 per 1 s", "x")} if verb == "throttle" else {}
    )
    held = desk.act(getattr(measures, verb), Target("owner", "u-1", "creator"), **named)
    desk.now += 59
    assert _said(desk, others[0]) != "ok"
    assert desk.ask(measures.require, held.measure).state == "on"
    desk.now += 1
    assert _said(desk, others[0]) == "ok"
    ended = desk.ask(measures.require, held.measure)
    assert (ended.state, ended.lifted_at) == ("ended", None)
    after = desk.dump()
    assert desk.act(measures.lift, held.measure) == ended
    assert desk.dump() == after
    desk.act(measures.block, Target("owner", "u-2"), reason="another")
    assert desk.ask(measures.require, held.measure) == ended, "its row says so by now, and it is shown as before"
    assert _said(desk, others[0]) == "ok"
    assert desk.app.gate("creator").gate.rules.throttles is None


def test_a_measure_without_an_api_holds_on_every_one_but_limens_own(desk: Desk, others: list[str]) -> None:
    house = (
        desk.app.gate(BUILT_IN) if BUILT_IN in [found.api for found in desk.ask(apis.listed, built_in=True)] else None
    )
    desk.act(measures.block, Target("api"), reason="attack")
    assert _said(desk, others[0]) == "access_blocked"
    for api in ("creator", BUILT_IN):
        assert [held.api for held in desk.ask(measures.listed, api=api)] == [""]
    if house is not None:
        house.cold.catch_up()
        assert (house.gate.rules.blocks, house.gate.rules.throttles) == (None, None)


def test_nothing_that_is_limens_own_is_blocked(desk: Desk, creator: App) -> None:
    said = desk.refused("api_built_in", measures.block, Target("owner", "u-1", BUILT_IN), reason="a mistake")
    assert "could not lift it" in said


def test_a_public_operation_is_blocked_too_and_not_counted(desk: Desk, others: list[str]) -> None:
    parts = {"path": b"/openapi.json", "address": "192.0.2.7"}
    for target in (Target("address", "192.0.2.7"), Target("operation", "getOpenapi", "creator"), Target("api")):
        held = desk.act(measures.block, target, reason="attack")
        assert _said(desk, "", **parts) == "access_blocked"
        assert _said(desk, others[0], **parts) == "access_blocked"
        desk.act(measures.lift, held.measure)
        assert _said(desk, "", **parts) == "ok"
    desk.act(measures.block, Target("owner", "u-1"), reason="attack")
    assert _said(desk, others[0], **parts) == "ok", "it asks for no key, so that nobody knows whose it is"
    said = desk.refused(
        "measure_wrong",
        measures.throttle,
        Target("operation", "getOpenapi", "creator"),
        limits=LIMITS,
        reason="slow",
    )
    assert "is public" in said


WRONG: list[tuple[str, Target, dict[str, Any], str]] = [
    ("measure_wrong", Target("planet", "mars"), {}, "none of api, owner, key, address, operation"),
    ("measure_wrong", Target("api", "creator"), {}, "names it"),
    ("measure_wrong", Target("owner"), {}, "names it"),
    ("api_unknown", Target("api", "", "nowhere"), {}, "'nowhere'"),
    ("owner_unknown", Target("owner", "nobody"), {}, "'nobody'"),
    ("key_unknown", Target("key", "nothing"), {}, "'nothing'"),
    ("addresses_wrong", Target("address", "192.0.2.1/24"), {}, "host bits"),
    ("addresses_wrong", Target("address", "localhost"), {}, "localhost"),
    ("measure_wrong", Target("operation", "listChats"), {}, "say which"),
    ("measure_wrong", Target("operation", "listCats", "creator"), {}, "has no operation 'listCats'"),
    ("reason_wrong", Target("owner", "u-1"), {"reason": ""}, "1 to 1000 characters"),
    ("reason_wrong", Target("owner", "u-1"), {"reason": "x" * 1001}, "1 to 1000 characters"),
    ("reason_wrong", Target("owner", "u-1"), {"reason": "a\nb"}, "on one line"),
    ("measure_wrong", Target("owner", "u-1"), {"ends_at": 0.0}, "later than now"),
    ("measure_wrong", Target("owner", "u-1"), {"ends_at": math.inf}, "before the year 9999"),
    ("measure_wrong", Target("owner", "u-1"), {"ends_at": math.nan}, "later than now"),
    ("measure_wrong", Target("owner", "u-1"), {"limits": ()}, "A throttle has limits"),
]


@pytest.mark.parametrize(("code", "target", "changes", "detail"), WRONG)
def test_a_measure_has_a_target_a_reason_and_an_end_that_can_be(
    desk: Desk, owner: str, code: str, target: Target, changes: dict[str, Any], detail: str
) -> None:
    named = {"limits": LIMITS, "reason": "a test"} | changes
    assert detail in desk.refused(code, measures.throttle, target, **named)
    if "limits" not in changes:
        del named["limits"]
        assert detail in desk.refused(code, measures.block, target, **named)


def test_a_key_is_one_apis_said_or_not(desk: Desk, others: list[str], organisation: App) -> None:
    key = others[0][5:17]
    assert desk.act(measures.block, Target("key", key), reason="attack").api == "creator"
    said = desk.refused("measure_wrong", measures.block, Target("key", key, "organisation"), reason="attack")
    assert "is one of creator, not of organisation" in said


@pytest.mark.req("R73")
@pytest.mark.req("R124")
def test_a_measure_on_a_key_is_not_shaken_off_by_another_text(
    desk: Desk, others: list[str], altered: Callable[..., Profile]
) -> None:
    first = others[0][5:17]
    desk.act(
        apis.apply_profile,
        "creator",
        altered("creator", {"keys.overlap": "1 h", "keys.max_active_per_owner": "unlimited"}),
    )
    held = desk.act(measures.block, Target("key", first), reason="abuse")
    second = desk.act(keys.regenerate, first)
    third = desk.act(keys.regenerate, second.key.key)
    assert [_said(desk, text) for text in (others[0], second.text, third.text)] == ["access_blocked"] * 3
    assert _said(desk, others[1]) == "ok"
    found = desk.ask(inspect, Presented(third.key.key))
    assert ([each.code for each in found.reasons], found.measures) == (["access_blocked"], (held,))
    desk.act(measures.lift, held.measure)
    assert _said(desk, third.text) == "ok"
    desk.act(measures.block, Target("key", third.key.key), reason="abuse")
    assert _said(desk, second.text) == "access_blocked"


def test_an_address_is_personal_in_the_audit(desk: Desk, creator: App) -> None:
    desk.act(measures.block, Target("address", "192.0.2.7"), reason="attack")
    after, detail = desk.rows("select after, detail from audit order by id desc limit 1")[0]
    assert "192.0.2" not in after + detail
    assert desk.rows("select field, value from audit_personal where field = 'address'") == [("address", "192.0.2.7/32")]


def test_measures_are_listed_the_newest_first_and_those_that_hold(desk: Desk, others: list[str]) -> None:
    held = []
    for number in range(5):
        desk.now += 1
        ends_at = desk.now + 10 if number == 0 else None
        target = Target("address", f"192.0.2.{number}", "creator" if number % 2 else "")
        held.append(desk.act(measures.block, target, reason="attack", ends_at=ends_at).measure)
    desk.act(measures.lift, held[2])
    desk.now += 60
    assert [found.measure for found in desk.ask(measures.listed)] == [held[4], held[3], held[1]]
    every = [found.measure for found in desk.ask(measures.listed, over=True)]
    assert every == list(reversed(held))
    assert [found.measure for found in desk.ask(measures.listed, api="organisation", over=True)] == [
        held[4],
        held[2],
        held[0],
    ]
    paged = [desk.ask(measures.listed, over=True, limit=2)]
    while paged[-1]:
        paged.append(desk.ask(measures.listed, over=True, limit=2, after=paged[-1][-1].measure))
    assert [found.measure for page in paged for found in page] == every
    desk.refused("measure_unknown", measures.listed, after="nothing")
    desk.refused("measure_unknown", measures.lift, "nothing")


def test_the_event_says_what_was_done_to_whom_and_why(desk: Desk, owner: str) -> None:
    held = desk.act(measures.throttle, Target("owner", owner), limits=LIMITS, reason="slow", ends_at=desk.now + 60)
    payload = json.loads(desk.rows("select payload from outbox order by id desc limit 1")[0][0])
    assert payload == {
        "api": "",
        "subject": held.measure,
        "kind": "throttle",
        "target": "owner",
        "whom": owner,
        "limits": "2 per 60 s",
        "reason": "slow",
        "ends_at": desk.now + 60,
    }

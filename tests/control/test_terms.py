"""What may change of a key: its own limits, and the version that it is pinned to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from limen.control import apis, keys, owners, terms, versions
from limen.core.limits import read_limits
from limen.core.profile import BUILT_IN
from limen.profiles import built_in
from tests.control.desk import Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.control.keys import Issued
    from limen.core.profile import Profile
    from tests.control.desk import Desk

OLD, NEW, NEWEST = "2025-06-26", "2026-06-26", "2027-06-26"


def _limits(text: str) -> Any:
    return read_limits(text, "allowance")


@pytest.mark.req("R123")
def test_a_keys_own_limits_are_set_once_told_and_hold_at_once(
    desk: Desk, owner: str, new_key: Callable[..., Issued]
) -> None:
    issued = new_key("creator", owner)
    assert desk.verdict(issued.text) == "ok"
    key, before, epoch = issued.key.key, desk.said(), desk.epoch
    held = desk.act(terms.set_limits, key, limits=_limits("2 per 60 s, 2000 per 1 d"))
    assert (held.limits, held.warnings) == ("2 per 60 s, 2000 per 86400 s", ())
    assert desk.said()[len(before) :] == [Said("terms.set_limits", "key.limits_set", "creator", key)]
    changed, payload = desk.rows("select after, payload from audit join outbox using (id) order by id desc limit 1")[0]
    assert json.loads(changed) == {"limits": held.limits}
    assert json.loads(payload) == {"api": "creator", "subject": key, "owner": owner, "limits": held.limits}
    assert [desk.verdict(issued.text) for _ in range(2)] == ["ok", "limit_exceeded"]
    after = desk.dump()
    assert desk.act(terms.set_limits, key, limits=_limits("2 per 1 min, 2000 per 24 h")) == held
    assert desk.dump() == after
    assert desk.epoch == epoch + 2
    assert desk.act(terms.set_limits, key, limits=()).limits == ""
    assert desk.verdict(issued.text) == "ok"


def test_a_key_keeps_its_limits_when_it_is_regenerated(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> None:
    key = new_key("creator", owner).key.key
    desk.act(terms.set_limits, key, limits=_limits("0 per 60 s"))
    issued = desk.act(keys.regenerate, key)
    assert (issued.key.limits, issued.key.warnings) == ("0 per 60 s", ("'0 per 60 s' refuses every request",))
    assert desk.verdict(issued.text) == "limit_exceeded"


def test_a_key_that_has_ended_keeps_what_it_had(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> None:
    key = new_key("creator", owner, expires_at=desk.now + 60).key.key
    desk.now += 60
    assert "expired" in desk.refused("key_ended", terms.set_limits, key, limits=_limits("1 per 1 s"))
    desk.act(keys.revoke, key)
    for verb, named in ((terms.set_limits, {"limits": ()}), (terms.pin, {"version": OLD})):
        assert "revoked" in desk.refused("key_ended", verb, key, **named)
        desk.refused("key_unknown", verb, "nothing", **named)


# -- pinned ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def pinning(desk: Desk, owner: str, altered: Callable[..., Profile]) -> str:
    """The API ``creator``, by a profile that pins keys, with three versions; its owner."""
    for name in (NEW, NEWEST):
        desk.act(versions.register, "creator", name)
    desk.act(apis.apply_profile, "creator", altered("creator", {"versioning.missing": "pin"}))
    return owner


@pytest.mark.req("R39")
def test_a_key_is_pinned_to_the_newest_active_version_when_it_is_issued(
    desk: Desk, pinning: str, new_key: Callable[..., Issued]
) -> None:
    assert new_key("creator", pinning).key.pinned == NEWEST
    desk.act(versions.deprecate, "creator", NEWEST, at=desk.now)
    assert new_key("creator", pinning).key.pinned == NEW
    desk.act(versions.deprecate, "creator", NEW, at=desk.now)
    desk.act(versions.sunset, "creator", OLD, at=desk.now, successor=NEW)
    assert new_key("creator", pinning).key.pinned == NEWEST, "where none is active, the newest that is served"


@pytest.mark.req("R39", "R56")
def test_a_request_without_a_version_is_for_the_one_that_its_key_is_pinned_to(
    desk: Desk, pinning: str, new_key: Callable[..., Issued]
) -> None:
    issued = new_key("creator", pinning, pinned=OLD)
    assert issued.key.pinned == OLD
    assert desk.answered(issued.text) == ("ok", OLD)
    desk.act(terms.pin, issued.key.key, version=NEW)
    assert desk.answered(issued.text) == ("ok", NEW)
    assert desk.answered(issued.text, version=OLD) == ("ok", OLD), "one that is named is the one that is meant"
    assert desk.answered(issued.text, version="2020-01-01") == ("version_unknown", "")
    desk.act(versions.sunset, "creator", NEW, at=desk.now + 60, successor=NEWEST)
    desk.now += 60
    assert desk.answered(issued.text) == ("version_sunset", NEW)


def test_a_pin_is_moved_once_and_told(desk: Desk, pinning: str, new_key: Callable[..., Issued]) -> None:
    key = new_key("creator", pinning).key.key
    before = desk.said()
    held = desk.act(terms.pin, key, version=OLD)
    assert held.pinned == OLD
    assert desk.said()[len(before) :] == [Said("terms.pin", "key.pinned", "creator", key)]
    assert json.loads(desk.rows("select before from audit order by id desc limit 1")[0][0]) == {"pinned": NEWEST}
    after = desk.dump()
    assert desk.act(terms.pin, key, version=OLD) == held
    assert desk.dump() == after
    assert desk.act(keys.regenerate, key).key.pinned == OLD


def test_a_key_is_pinned_to_a_version_that_works(desk: Desk, pinning: str, new_key: Callable[..., Issued]) -> None:
    key = new_key("creator", pinning).key.key
    desk.act(versions.sunset, "creator", OLD, at=desk.now, successor=NEW)
    new = keys.NewKey("creator", pinning, "a key", scopes=("read:self",), pinned=OLD)
    for said in (
        desk.refused("pin_wrong", terms.pin, key, version=OLD),
        desk.refused("pin_wrong", keys.issue, new),
    ):
        assert said == f"Version {OLD} has stopped working."
    assert NEWEST in desk.refused("version_not_registered", terms.pin, key, version="2020-01-01")


def test_a_profile_that_does_not_pin_pins_nothing(
    desk: Desk, owner: str, new_key: Callable[..., Issued], altered: Callable[..., Profile]
) -> None:
    issued = new_key("creator", owner)
    assert issued.key.pinned == ""
    assert "does not say so" in desk.refused("pin_wrong", terms.pin, issued.key.key, version=OLD)
    new = keys.NewKey("creator", owner, "a key", scopes=("read:self",), pinned=OLD)
    assert "does not say so" in desk.refused("pin_wrong", keys.issue, new)
    assert desk.answered(issued.text) == ("version_missing", "")
    desk.act(apis.apply_profile, "creator", altered("creator", {"versioning.missing": "pin"}))
    assert desk.answered(issued.text) == ("version_missing", ""), "a key that was there before is not pinned"
    desk.act(terms.pin, issued.key.key, version=OLD)
    assert desk.answered(issued.text) == ("ok", OLD)
    desk.act(apis.apply_profile, "creator", altered("creator", {}))
    assert desk.answered(issued.text) == ("version_missing", "")


# -- scopes as a feature of a plan -----------------------------------------------------------------------------------


@pytest.mark.req("R225")
def test_with_a_plan_that_says_so_a_key_has_the_default_scopes_and_no_others(desk: Desk, firm: str) -> None:
    def issue(scopes: tuple[str, ...] | None) -> keys.NewKey:
        return keys.NewKey("organisation", firm, "a key", scopes=scopes)

    profile = desk.ask(apis.profile_of, "organisation")
    default = profile.keys.classes["secret"].default_scopes
    narrow = ("read:experiences",)
    assert desk.act(keys.issue, issue(narrow)).key.scopes == narrow, "without a plan nothing is said"
    desk.act(owners.set_plan, firm, "organisation", plan="free")
    said = desk.refused("plan_feature_missing", keys.issue, issue(narrow))
    assert "Plans that let scopes be named: basic, pro, enterprise." in said
    for scopes in (None, default, tuple(reversed(default))):
        assert desk.act(keys.issue, issue(scopes)).key.scopes == default
    desk.refused("plan_feature_missing", keys.issue, issue((*default, "admin")))
    desk.act(owners.set_plan, firm, "organisation", plan="pro")
    assert desk.act(keys.issue, issue(narrow)).key.scopes == narrow


def test_no_limit_shuts_anybody_out_of_limens_own_api(desk: Desk, owner: str) -> None:
    desk.act(apis.ensure_built_in, built_in())
    new = keys.NewKey(BUILT_IN, owner, "a key", key_class="staff", scopes=("admin",))
    key = desk.act(keys.issue, new).key.key
    for text in ("0 per 60 s", "5 per 1 s, 0 per 1 d"):
        desk.refused("api_built_in", terms.set_limits, key, limits=_limits(text))
        desk.refused("api_built_in", owners.set_plan, owner, BUILT_IN, plan="", limits=_limits(text))
    for text in ("shadow 0 per 60 s", "1 per 60 s"):
        assert desk.act(terms.set_limits, key, limits=_limits(text)).limits == text
        desk.act(owners.set_plan, owner, BUILT_IN, plan="", limits=_limits(text))
    desk.act(owners.set_plan, owner, "creator", plan="", limits=_limits("0 per 60 s"))

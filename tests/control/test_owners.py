"""Owners: made once, suspended and restored, given a plan, put on and off an allow-list."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from limen.control import apis, owners
from limen.core.limits import Limit
from tests.control.desk import Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.control.keys import Issued
    from tests.control.desk import Desk


def _once(desk: Desk, said: Said, verb: Callable[..., Any], *args: Any, moves: int = 2, **kwargs: Any) -> Any:
    """*verb* does what it is for, which *said* tells; done again, it does nothing more, and answers the same."""
    before, epoch = desk.said(), desk.epoch
    first = desk.act(verb, *args, **kwargs)
    assert desk.said()[len(before) :] == [said]
    assert desk.epoch == epoch + moves
    after = desk.dump()
    assert desk.act(verb, *args, **kwargs) == first
    assert desk.dump() == after
    assert desk.epoch == epoch + moves
    return first


# -- made ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["user", "organisation"])
def test_an_owner_is_made_and_told(desk: Desk, kind: str) -> None:
    made = desk.act(owners.create, owners.NewOwner(kind, "Ada", "u-7"))
    assert made == owners.Owner("u-7", kind, "Ada", "active", "", desk.now, ())
    assert desk.said() == [Said("owners.create", "owner.created", "", "u-7")]
    assert desk.ask(owners.require, "u-7") == made


def test_an_owner_without_an_id_is_given_one(desk: Desk) -> None:
    made = {desk.act(owners.create, owners.NewOwner("user")).owner for _ in range(3)}
    assert {len(owner) for owner in made} == {12}
    assert len(made) == 3


def test_an_id_is_given_once(desk: Desk) -> None:
    desk.act(owners.create, owners.NewOwner("user", owner="u-7"))
    assert "'u-7'" in desk.refused("owner_exists", owners.create, owners.NewOwner("organisation", owner="u-7"))
    desk.act(owners.create, owners.NewOwner("user", owner="U-7"))  # another one: ids are the platform's own


def test_an_owner_is_of_a_known_kind_with_an_id_that_can_stand_in_a_header(desk: Desk) -> None:
    assert "none of user, organisation" in desk.refused("request_malformed", owners.create, owners.NewOwner("team"))
    for owner in (" ", "-u", "a b", "a\n", "ü", "a/b", "x" * 101, "a\x00"):
        desk.refused("request_malformed", owners.create, owners.NewOwner("user", owner=owner))
    for name in ("a\nb", "x" * 101):
        desk.refused("name_wrong", owners.create, owners.NewOwner("user", name))
    for owner in ("7", "x" * 100, "auth0:5f_x.y@example.com-1"):
        desk.act(owners.create, owners.NewOwner("user", "Zoë", owner))


def test_owners_are_listed_by_their_ids_in_pages(desk: Desk) -> None:
    for owner in ("c", "a", "b", "B"):
        desk.act(owners.create, owners.NewOwner("user", owner=owner))
    assert [found.owner for found in desk.ask(owners.listed, limit=3)] == ["B", "a", "b"]
    assert [found.owner for found in desk.ask(owners.listed, after="b", limit=3)] == ["c"]
    assert desk.ask(owners.listed, after="c") == []


@pytest.mark.parametrize(
    ("verb", "args", "more"),
    [
        (owners.suspend, (), {"reason": "a test"}),
        (owners.restore, (), {}),
        (owners.set_plan, ("creator",), {"plan": ""}),
        (owners.allow, ("creator",), {}),
        (owners.disallow, ("creator",), {}),
    ],
)
def test_no_verb_finds_an_owner_or_an_api_that_is_not_there(
    desk: Desk, owner: str, verb: Callable[..., Any], args: tuple[str, ...], more: dict[str, Any]
) -> None:
    assert "'nobody'" in desk.refused("owner_unknown", verb, "nobody", *args, **more)
    if args:
        assert "'nowhere'" in desk.refused("api_unknown", verb, owner, "nowhere", **more)


# -- suspended -------------------------------------------------------------------------------------------------------


@pytest.mark.req("R162", "R163")
def test_a_suspended_owner_is_refused_on_every_key_until_restored(
    desk: Desk, owner: str, new_key: Callable[..., Issued]
) -> None:
    text = new_key("creator", owner).text
    assert desk.verdict(text) == "ok"
    said = Said("owners.suspend", "owner.suspended", "", owner)
    suspended = _once(desk, said, owners.suspend, owner, reason="sharing of keys")
    assert (suspended.state, suspended.suspended_reason) == ("suspended", "sharing of keys")
    assert desk.verdict(text) == "owner_suspended"
    desk.act(owners.suspend, owner, reason="another")
    assert desk.ask(owners.require, owner).suspended_reason == "sharing of keys"
    restored = _once(desk, Said("owners.restore", "owner.restored", "", owner), owners.restore, owner)
    assert (restored.state, restored.suspended_reason) == ("active", "")
    assert desk.verdict(text) == "ok"


@pytest.mark.req("R162")
def test_a_suspension_is_told_with_its_reason(desk: Desk, owner: str) -> None:
    desk.act(owners.suspend, owner, reason="fraud")
    detail, payload = desk.rows("select detail, payload from audit join outbox using (id) order by id desc limit 1")[0]
    assert json.loads(detail)["reason"] == json.loads(payload)["reason"] == "fraud"


# -- on the list -----------------------------------------------------------------------------------------------------


@pytest.mark.req("R99")
def test_only_owners_on_the_list_are_admitted_while_the_list_is_on(
    desk: Desk, owner: str, new_key: Callable[..., Issued]
) -> None:
    text = new_key("creator", owner).text
    said = Said("owners.disallow", "owner.disallowed", "creator", owner)
    assert _once(desk, said, owners.disallow, owner, "creator").standings[0].allowed is False
    assert desk.verdict(text) == "owner_not_allowed"
    desk.act(apis.switch, "creator", "allowlist", False)
    assert desk.verdict(text) == "ok"
    desk.act(apis.switch, "creator", "allowlist", True)
    assert desk.verdict(text) == "owner_not_allowed"
    _once(desk, Said("owners.allow", "owner.allowed", "creator", owner), owners.allow, owner, "creator")
    assert desk.verdict(text) == "ok"


def test_who_was_never_on_the_list_is_not_taken_off_it(desk: Desk, owner: str) -> None:
    desk.act(owners.create, owners.NewOwner("user", owner="u-2"))
    before = desk.dump()
    assert desk.act(owners.disallow, "u-2", "creator").standings == ()
    assert desk.dump() == before


def test_a_list_is_one_apis_own(desk: Desk, owner: str) -> None:
    desk.act(apis.create, "other", desk.ask(apis.profile_of, "creator"))
    assert [(found.api, found.allowed) for found in desk.ask(owners.require, owner).standings] == [("creator", True)]
    desk.act(owners.allow, owner, "other")
    desk.act(owners.disallow, owner, "creator")
    standings = [(found.api, found.allowed) for found in desk.ask(owners.require, owner).standings]
    assert standings == [("creator", False), ("other", True)]


# -- plans -----------------------------------------------------------------------------------------------------------


@pytest.mark.req("R256")
def test_an_owner_has_a_plan_that_can_change(desk: Desk, firm: str) -> None:
    for plan in ("free", "pro", "basic"):
        said = Said("owners.set_plan", "owner.plan_set", "organisation", firm)
        (standing,) = _once(desk, said, owners.set_plan, firm, "organisation", plan=plan).standings
        assert standing == owners.Standing("organisation", plan, False, "")
        assert json.loads(desk.rows("select payload from outbox order by id desc limit 1")[0][0])["plan"] == plan


@pytest.mark.req("R255")
def test_an_owner_may_have_a_limit_of_its_own(desk: Desk, firm: str) -> None:
    said = Said("owners.set_plan", "owner.plan_set", "organisation", firm)
    for count in (25_000, 50_000_000_000):
        limit = Limit("allowance", count, 60)
        held = _once(desk, said, owners.set_plan, firm, "organisation", plan="enterprise", limit=limit)
        assert held.standings[0].limit == f"{count} per 60 s"
    held = _once(desk, said, owners.set_plan, firm, "organisation", plan="enterprise")
    assert held.standings[0].limit == ""


def test_a_plan_keeps_the_place_on_the_list_and_the_reverse(desk: Desk, owner: str) -> None:
    desk.act(owners.set_plan, owner, "creator", plan="", limit=Limit("allowance", 5, 60))
    assert desk.ask(owners.require, owner).standings == (owners.Standing("creator", "", True, "5 per 60 s"),)
    desk.act(owners.disallow, owner, "creator")
    assert desk.ask(owners.require, owner).standings == (owners.Standing("creator", "", False, "5 per 60 s"),)


def test_a_plan_that_the_profile_does_not_have_is_refused(desk: Desk, owner: str, firm: str) -> None:
    said = desk.refused("plan_unknown", owners.set_plan, firm, "organisation", plan="gold")
    assert "none of free, basic, pro, enterprise" in said
    assert "none at all" in desk.refused("plan_unknown", owners.set_plan, owner, "creator", plan="free")

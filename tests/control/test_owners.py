"""Owners: made once, suspended and restored, given a plan, put on and off an allow-list."""

from __future__ import annotations

import json
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from limen.control import apis, keys, owners
from limen.control.owners.actions import STATES
from limen.core.limits import Limit
from limen.core.people import Actor
from tests.control.desk import Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.app import App
    from limen.control.keys import Issued
    from limen.db.transaction import Tx
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
        (owners.erase, (), {}),
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


# -- found -----------------------------------------------------------------------------------------------------------


def _people(tx: Tx) -> None:
    """Users called Ann 0 to Ann 8 and firms, one in three of each suspended, one in four erased."""
    for number in range(24):
        kind = "organisation" if number % 2 else "user"
        name = ("Zoë" if number == 8 else "ANN" if number % 4 else "ann") + f" {number % 9}"
        owners.create(tx, owners.NewOwner(kind, name, f"p-{number:02}"))
        if number % 3 == 0:
            owners.suspend(tx, f"p-{number:02}", reason="a test")
        if number % 4 == 3:
            owners.erase(tx, f"p-{number:02}")
        if kind == "organisation" and number % 5:
            owners.set_plan(tx, f"p-{number:02}", "organisation", plan="pro" if number % 5 == 1 else "free")


def _every(desk: Desk, **wanted: str) -> list[owners.Owner]:
    """All owners that are *wanted*, in pages of two."""
    found: list[owners.Owner] = []
    while page := desk.ask(owners.listed, after=found[-1].owner if found else "", limit=2, **wanted):
        found += page
    return found


def test_owners_are_found_by_what_is_wanted_of_them(desk: Desk, organisation: App) -> None:
    desk.act(_people)
    everyone = _every(desk)
    assert [found.owner for found in everyone] == [f"p-{number:02}" for number in range(24)]
    for kind, state, plan, name in product(("", "user", "organisation"), ("", *STATES), ("", "pro"), ("", "aNN")):
        expected = [
            found
            for found in everyone
            if kind in ("", found.kind)
            and state in ("", found.state)
            and (not plan or [each.plan for each in found.standings] == [plan])
            and found.name.lower().startswith(name.lower())
        ]
        wanted = {"kind": kind, "state": state, "name": name, "plan": plan, "api": "organisation" if plan else ""}
        found = _every(desk, **wanted)
        assert found == sorted(expected, key=lambda each: (each.name.lower() if name else "", each.owner)), wanted
    assert [len(_every(desk, state=state)) for state in STATES] == [12, 6, 6]


def test_a_name_is_found_whatever_its_case(desk: Desk) -> None:
    for owner, name in (("a", "Zo\u00eb Straße"), ("b", "ZOE\u0308 STRASSE"), ("c", "Zo"), ("d", "zoo"), ("e", "")):
        desk.act(owners.create, owners.NewOwner("user", name, owner))
    for name in ("zo\u00eb", "ZOË", "Zoe\u0308 str", "zoë strass"):
        assert [found.owner for found in desk.ask(owners.listed, name=name)] == ["a", "b"]
    assert [found.owner for found in desk.ask(owners.listed, name="zo")] == ["c", "d", "a", "b"]
    for name in ("%", "_o", "o", "Zoë Straße 1"):
        assert desk.ask(owners.listed, name=name) == []


def test_what_cannot_be_wanted_is_refused(desk: Desk) -> None:
    desk.refused("request_malformed", owners.listed, kind="team")
    desk.refused("request_malformed", owners.listed, state="gone")
    desk.refused("request_malformed", owners.listed, plan="pro")
    desk.refused("request_malformed", owners.listed, api="organisation")
    desk.refused("owner_unknown", owners.listed, name="a", after="nobody")


# -- erased ----------------------------------------------------------------------------------------------------------


@pytest.mark.req("R73")
def test_an_owner_that_is_erased_is_forgotten_and_refused_for_good(
    desk: Desk, owner: str, new_key: Callable[..., Issued]
) -> None:
    text = new_key("creator", owner).text
    desk.actor = Actor("staff", "k-1", "192.0.2.7")
    desk.act(owners.suspend, owner, reason="A user shared a key.")
    desk.actor = Actor("member", owner, "192.0.2.8")
    desk.act(owners.create, owners.NewOwner("user", "A friend", "u-2"))
    desk.actor = Actor("terminal", "tester")
    values = "select value from audit_personal order by value"
    assert desk.rows(values) == [
        ("192.0.2.7",), ("192.0.2.8",), ("A friend",), ("A user",), ("A user shared a key.",)
    ]  # fmt: skip
    before = desk.said()
    erased = desk.act(owners.erase, owner)
    assert (erased.state, erased.name, erased.suspended_reason) == ("erased", "", "")
    assert desk.verdict(text) == "owner_suspended"
    assert desk.rows(values) == [("A friend",)]
    assert desk.rows("select name, folded from owners where owner = ?", owner) == [("", "")]
    said = desk.said()[len(before) :]
    assert [each for each in said if each.verb != "audit.erase"] == [Said("owners.erase", "owner.erased", "", owner)]
    after = desk.dump()
    assert desk.act(owners.erase, owner) == erased
    desk.act(owners.suspend, owner, reason="again")
    assert desk.dump() == after
    desk.refused("owner_erased", owners.restore, owner)
    desk.refused("owner_exists", owners.create, owners.NewOwner("user", owner=owner))
    desk.refused("owner_erased", keys.issue, keys.NewKey("creator", owner, "a key", scopes=("read:self",)))


@pytest.mark.req("R73")
def test_a_name_is_in_the_audit_only_beside_its_rows(desk: Desk) -> None:
    desk.act(owners.create, owners.NewOwner("user", "Somebody", "u-7"))
    for table in ("audit", "outbox"):
        assert "Somebody" not in str(desk.rows(f"select * from {table}"))
    assert desk.rows("select field, value from audit_personal") == [("name", "Somebody")]


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
def test_why_an_owner_is_suspended_it_says_itself_and_no_event(desk: Desk, owner: str) -> None:
    desk.act(owners.suspend, owner, reason="fraud")
    value, payload = desk.rows(
        "select value, payload from audit_personal join outbox using (id) where field = 'reason' order by id desc"
    )[0]
    assert value == desk.ask(owners.require, owner).suspended_reason == "fraud"
    assert json.loads(payload) == {"api": "", "subject": owner}


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
        limits = (Limit("allowance", count, 60),)
        held = _once(desk, said, owners.set_plan, firm, "organisation", plan="enterprise", limits=limits)
        assert held.standings[0].limits == f"{count} per 60 s"
    held = _once(desk, said, owners.set_plan, firm, "organisation", plan="enterprise")
    assert held.standings[0].limits == ""


def test_a_plan_keeps_the_place_on_the_list_and_the_reverse(desk: Desk, owner: str) -> None:
    desk.act(owners.set_plan, owner, "creator", plan="", limits=(Limit("allowance", 5, 60),))
    assert desk.ask(owners.require, owner).standings == (owners.Standing("creator", "", True, "5 per 60 s"),)
    desk.act(owners.disallow, owner, "creator")
    assert desk.ask(owners.require, owner).standings == (owners.Standing("creator", "", False, "5 per 60 s"),)


def test_a_plan_that_the_profile_does_not_have_is_refused(desk: Desk, owner: str, firm: str) -> None:
    said = desk.refused("plan_unknown", owners.set_plan, firm, "organisation", plan="gold")
    assert "none of free, basic, pro, enterprise" in said
    assert "none at all" in desk.refused("plan_unknown", owners.set_plan, owner, "creator", plan="free")

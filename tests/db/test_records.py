"""What a gate is handed: the record of a key in one statement, the rules as they stand, and what changed since."""

from __future__ import annotations

import math
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from limen.control import apis, keys, owners, versions
from limen.core.keys import State, locator
from limen.core.limits import Limit, write_limits
from limen.db.changes import Changed, changes_since, current_rules
from limen.db.records import SharedTerms, load_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.app import App
    from limen.control.keys import Issued
    from limen.core.profile import Profile
    from limen.core.record import Record


def _record(app: App, issued: Issued, api: str = "", shared: SharedTerms | None = None) -> Record | None:
    of = api or issued.key.api
    with app.reading() as reader:
        profile = apis.profile_of(reader, of)
        place = locator(issued.text.encode())
        shared = {} if shared is None else shared
        numbered = app.ring.number
        return load_record(reader.connection, place, api=of, profile=profile, shared=shared, numbered=numbered)[0]


def _loaded(app: App, issued: Issued, shared: SharedTerms | None = None) -> Record:
    found = _record(app, issued, shared=shared)
    assert found is not None
    return found


def _since(app: App, since: int, api: str = "creator") -> Changed:
    with app.reading() as reader:
        return changes_since(reader.connection, since, api=api)


# -- records ---------------------------------------------------------------------------------------------------------


def test_a_record_holds_what_was_issued(organisation: App, firm: str, issue: Callable[..., Issued]) -> None:
    ends_at = organisation.clock.read()[0] + 600
    issued = issue(
        "organisation",
        firm,
        key_class="public",
        environment="test",
        origins=("https://example.com",),
        addresses=("10.0.0.0/8", "2001:db8::/32"),
        expires_at=ends_at,
    )
    place = locator(issued.text.encode())
    found = _loaded(organisation, issued)
    assert (found.locator, found.key_id, found.lineage) == (place, issued.key.key.encode(), place)
    assert (found.state, found.expires_at, found.pepper) == (State.ACTIVE, ends_at, 1)
    assert found.window == firm.encode()  # limits are the owner's, by this profile
    terms = found.terms
    assert (terms.key_class, terms.environment, terms.granted) == ("public", b"test", ("read:experiences",))
    assert terms.origins == {b"https://example.com"}
    assert terms.addresses == (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
    assert (write_limits(terms.ceiling), terms.limits) == ("60 per 60 s", ())


def test_a_record_without_bounds_has_none(creator: App, owner: str, issue: Callable[..., Issued]) -> None:
    found = _loaded(creator, issue("creator", owner))
    assert found.expires_at == math.inf
    assert (found.terms.origins, found.terms.addresses, found.terms.limits, found.terms.ceiling) == (None, None, (), ())


@pytest.mark.req("R10")
def test_a_key_counts_in_the_window_of_the_first_of_its_line(
    creator: App, owner: str, issue: Callable[..., Issued]
) -> None:
    first, _, third = (issue("creator", owner) for _ in range(3))
    found = _loaded(creator, third)
    assert found.window == found.lineage == first.key.key.encode() != found.locator


@pytest.mark.req("R231")
def test_scopes_are_held_with_all_that_they_imply(organisation: App, firm: str, issue: Callable[..., Issued]) -> None:
    terms = _loaded(organisation, issue("organisation", firm, scopes=("admin",))).terms
    assert terms.granted == ("admin",)
    assert terms.scopes >= {"admin", "read:experiences", "write:consumers", "read:analytics"}


@pytest.mark.check("C013")
def test_a_scope_that_left_the_catalogue_grants_nothing(
    creator: App, owner: str, issue: Callable[..., Issued], altered: Callable[..., Profile]
) -> None:
    issued = issue("creator", owner, scopes=("read:self", "write:creator"))
    creator.act(apis.apply_profile, "creator", altered("creator", {"scopes.write:creator": ...}))
    terms = _loaded(creator, issued).terms
    assert terms.scopes == {"read:self"}
    assert terms.granted == ("read:self",)


def test_keys_that_may_do_the_same_share_their_terms(
    organisation: App, firm: str, issue: Callable[..., Issued]
) -> None:
    shared: SharedTerms = {}
    alike = [_loaded(organisation, issue("organisation", firm), shared).terms for _ in range(2)]
    assert alike[0] is alike[1]
    for more in ({"addresses": ("10.0.0.0/8",)}, {"environment": "test"}, {"scopes": ("admin",)}):
        assert _loaded(organisation, issue("organisation", firm, **more), shared).terms is not alike[0]
    assert _loaded(organisation, issue("organisation", firm), shared).terms is alike[0]


STATES: dict[str, tuple[Callable[..., Any], dict[str, Any], State]] = {
    "deactivated": (keys.deactivate, {}, State.INACTIVE),
    "revoked": (keys.revoke, {"reason": "a test"}, State.REVOKED),
    "deleted": (keys.delete, {}, State.REVOKED),
}


@pytest.mark.parametrize(("verb", "more", "state"), STATES.values(), ids=STATES)
def test_a_record_is_in_the_state_that_its_key_is_in(
    creator: App, owner: str, issue: Callable[..., Issued], verb: Callable[..., Any], more: dict[str, Any], state: State
) -> None:
    issued = issue("creator", owner)
    creator.act(verb, issued.key.key, **more)
    assert _loaded(creator, issued).state is state


def test_a_record_knows_how_its_owner_stands(creator: App, owner: str, issue: Callable[..., Issued]) -> None:
    issued = issue("creator", owner)
    found = _loaded(creator, issued).owner
    assert (found.owner_id, found.kind, found.suspended, found.allowed) == (owner, "user", False, True)
    assert (found.plan, found.limits) == ("", ())
    creator.act(owners.suspend, owner, reason="a test")
    creator.act(owners.disallow, owner, "creator")
    creator.act(owners.set_plan, owner, "creator", plan="", limits=(Limit("allowance", 5, 60),))
    found = _loaded(creator, issued).owner
    assert (found.suspended, found.allowed, write_limits(found.limits)) == (True, False, "5 per 60 s")


def test_an_owner_of_whom_nothing_was_said_is_on_no_list(creator: App, issue: Callable[..., Issued]) -> None:
    creator.act(owners.create, owners.NewOwner("user", owner="u-2"))
    found = _loaded(creator, issue("creator", "u-2")).owner
    assert (found.allowed, found.plan, found.limits) == (False, "", ())


def test_a_key_of_another_api_is_not_there(
    creator: App, organisation: App, owner: str, firm: str, issue: Callable[..., Issued]
) -> None:
    assert _record(creator, issue("creator", owner), api="organisation") is None
    assert _record(creator, issue("organisation", firm), api="creator") is None


def test_record_and_change_number_are_of_one_statement(creator: App, owner: str, issue: Callable[..., Issued]) -> None:
    """Else a change between two of them would be missed."""
    issued = issue("creator", owner)
    statements = []
    with creator.reading() as reader:
        profile = apis.profile_of(reader, "creator")
        event.listen(creator.store.engine, "before_cursor_execute", lambda *found: statements.append(found[2]))
        of: dict[str, Any] = {"api": "creator", "profile": profile, "shared": {}, "numbered": creator.ring.number}
        record, head = load_record(reader.connection, issued.key.key.encode(), **of)
        none, same = load_record(reader.connection, b"nothing", **of)
    assert (record is not None, none, same) == (True, None, head)
    assert len(statements) == 2
    assert head == _since(creator, 0).head


# -- changes ---------------------------------------------------------------------------------------------------------


def test_changes_are_told_to_the_apis_that_they_concern(
    creator: App, organisation: App, owner: str, firm: str, issue: Callable[..., Issued]
) -> None:
    start = _since(creator, 0).head
    key = issue("creator", owner).key.key
    creator.act(owners.set_plan, firm, "organisation", plan="pro")
    creator.act(owners.suspend, owner, reason="a test")
    found = _since(creator, start)
    assert found == Changed(start + 3, (key.encode(),), (owner,), rules=False, everything=False)
    assert _since(creator, start, "organisation") == Changed(start + 3, (), (firm, owner), False, False)
    assert _since(creator, found.head) == Changed(found.head, (), (), False, False)
    assert _since(creator, found.head - 1).owners == (owner,)


def test_switches_and_versions_change_rules_and_a_profile_changes_everything(
    creator: App, altered: Callable[..., Profile]
) -> None:
    for verb, args in ((apis.switch, ("read_only", True)), (versions.register, ("2030-01-01",))):
        start = _since(creator, 0).head
        creator.act(verb, "creator", *args)
        assert _since(creator, start) == Changed(start + 1, (), (), rules=True, everything=False)
    start = _since(creator, 0).head
    creator.act(apis.apply_profile, "creator", altered("creator", {"title": "Another"}))
    assert _since(creator, start) == Changed(start + 1, (), (), rules=False, everything=True)


# -- rules -----------------------------------------------------------------------------------------------------------


def test_rules_are_the_profile_in_force_with_what_staff_set(creator: App, altered: Callable[..., Profile]) -> None:
    with creator.reading() as reader:
        rules = current_rules(reader.connection, "creator")
        assert current_rules(reader.connection, "nowhere") is None
    assert rules is not None
    assert (rules.revision, rules.read_only, rules.allowlist, rules.emergency) == (1, False, True, ())
    creator.act(apis.apply_profile, "creator", altered("creator", {"limits.default": "7 per 60 s"}))
    creator.act(apis.switch, "creator", "read_only", True)
    creator.act(apis.switch, "creator", "allowlist", False)
    creator.act(apis.switch, "creator", "emergency", (Limit("emergency", 10, 60),))
    creator.act(versions.register, "creator", "2030-01-01")
    creator.act(versions.deprecate, "creator", "2025-06-26", at=1_800_000_000.0, successor="2030-01-01")
    with creator.reading() as reader:
        rules = current_rules(reader.connection, "creator")
    assert rules is not None
    assert (rules.revision, rules.read_only, rules.allowlist, write_limits(rules.emergency)) == (
        2,
        True,
        False,
        "10 per 60 s",
    )
    assert write_limits(rules.profile.default_limits) == "7 per 60 s"
    assert sorted(rules.versions) == [b"2025-06-26", b"2030-01-01"]
    held = rules.versions[b"2025-06-26"]
    assert (held.deprecated_at, held.sunset_at, held.successor) == (1_800_000_000.0, None, "2030-01-01")

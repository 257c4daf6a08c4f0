"""Applying a profile: the next revision, which fits the keys that are there, and undoes nothing of staff's unsaid."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from limen.control import apis, keys, owners, versions
from limen.core.profile_diff import differences
from limen.core.versions import iso_instant
from tests.control.desk import Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.app import App
    from limen.control.keys import Issued
    from limen.core.profile import Profile
    from tests.control.desk import Desk

OLD, NEW = "2025-06-26", "2026-06-26"

ONE = {"keys.max_active_per_owner": 1}
MANY = {"keys.max_active_per_owner": "unlimited"}


def _apply(desk: Desk, profile: Profile, *, overwrite: bool = False) -> apis.Api:
    found: apis.Api = desk.act(apis.apply_profile, profile.name, profile, overwrite=overwrite)
    return found


def _refused(desk: Desk, profile: Profile, code: str = "profile_conflict", *, overwrite: bool = False) -> str:
    return desk.refused(code, apis.apply_profile, profile.name, profile, overwrite=overwrite)


def _versions(desk: Desk) -> dict[str, tuple[Any, ...]]:
    found = desk.rows("select version, deprecated_at, sunset_at, successor, by_staff from versions order by version")
    return {name: tuple(facts) for name, *facts in found}


# -- revisions -------------------------------------------------------------------------------------------------------


def test_a_profile_that_differs_is_the_next_revision(desk: Desk, creator: App, altered: Callable[..., Profile]) -> None:
    first = desk.ask(apis.document_of, "creator")
    before, epoch = desk.said(), desk.epoch
    wanted = altered("creator", {"limits.default": "50 per 60 s"})
    held = _apply(desk, wanted)
    assert held.revision == 2
    assert desk.ask(apis.document_of, "creator") == wanted.document
    assert desk.ask(apis.document_of, "creator", 1) == first
    assert [str(found) for found in differences(first, wanted.document)] == [
        "limits.default: '100 per 60 s' → '50 per 60 s'"
    ]
    assert desk.said()[len(before) :] == [Said("profiles.apply", "profile.applied", "creator", "creator")]
    assert json.loads(desk.rows("select payload from outbox order by id desc limit 1")[0][0])["revision"] == 2
    assert desk.rows("select kind, api from changes order by seq desc limit 1") == [("profile", "creator")]
    assert desk.rows("select applied_by, applied_at from profiles where revision = 2") == [
        ("terminal:tester", desk.now)
    ]
    assert desk.epoch == epoch + 2


def test_a_profile_that_is_the_same_changes_nothing(desk: Desk, creator: App, altered: Callable[..., Profile]) -> None:
    before, epoch = desk.dump(), desk.epoch
    assert _apply(desk, altered("creator", {})).revision == 1
    assert (desk.dump(), desk.epoch) == (before, epoch)


def test_an_earlier_profile_can_be_applied_again(desk: Desk, creator: App, altered: Callable[..., Profile]) -> None:
    for number, title in enumerate(("One", "Two", "One"), 2):
        assert _apply(desk, altered("creator", {"title": title})).revision == number
    assert desk.ask(apis.document_of, "creator", 2) == desk.ask(apis.document_of, "creator", 4)


@pytest.mark.req("R113")
def test_a_gate_decides_by_the_profile_that_was_applied_last(
    desk: Desk, owner: str, new_key: Callable[..., Issued], altered: Callable[..., Profile]
) -> None:
    text = new_key("creator", owner).text
    assert desk.verdict(text) == "ok"
    _apply(desk, altered("creator", {"limits.default": "2 per 60 s"}))
    assert [desk.verdict(text) for _ in range(2)] == ["ok", "limit_exceeded"]


def test_no_profile_is_applied_to_an_api_that_is_not_there(
    desk: Desk, creator: App, altered: Callable[..., Profile]
) -> None:
    desk.refused("api_unknown", apis.apply_profile, "nowhere", altered("creator", {}))


# -- versions --------------------------------------------------------------------------------------------------------


def _with_versions(altered: Callable[..., Profile], **versions: dict[str, Any]) -> Profile:
    """The profile with versions, each named ``v`` and its date, without dashes."""
    names = {f"v{date.replace('-', '')}": date for date in (OLD, NEW, "2027-06-26")}
    return altered("creator", {"versioning.versions": {names[name]: of for name, of in versions.items()}})


V_OLD, V_NEW = "v20250626", "v20260626"


@pytest.mark.req("R42")
def test_versions_of_a_profile_are_registered_and_dated(
    desk: Desk, creator: App, altered: Callable[..., Profile]
) -> None:
    _apply(desk, _with_versions(altered, **{V_OLD: {"deprecated": "2031-01-01", "successor": NEW}, V_NEW: {}}))
    assert _versions(desk) == {OLD: (1_924_992_000.0, None, NEW, 0), NEW: (None, None, None, 0)}


def test_versions_that_staff_registered_stay(desk: Desk, creator: App, altered: Callable[..., Profile]) -> None:
    desk.act(versions.register, "creator", NEW)
    desk.act(versions.deprecate, "creator", NEW, at=desk.now + 60)
    before = _versions(desk)
    _apply(desk, altered("creator", {"title": "Another"}))
    _apply(desk, altered("creator", {"title": "A third"}), overwrite=True)
    assert _versions(desk) == before


def test_what_staff_set_is_named_and_kept_unless_it_is_said_to_go(
    desk: Desk, creator: App, altered: Callable[..., Profile]
) -> None:
    desk.act(versions.register, "creator", NEW)
    desk.act(versions.sunset, "creator", OLD, at=desk.now + 600, successor=NEW)
    desk.act(versions.deprecate, "creator", NEW, at=desk.now + 900)
    before = _versions(desk)
    profile = _with_versions(altered, **{V_OLD: {}, V_NEW: {}, "v20270626": {}})
    lines = desk.ask(apis.overwritten, "creator", profile)
    assert lines == [
        f"version {OLD}: deprecated_at was set to {iso_instant(desk.now)} by staff, the profile says nothing",
        f"version {OLD}: sunset_at was set to {iso_instant(desk.now + 600)} by staff, the profile says nothing",
        f"version {OLD}: successor was set to {NEW} by staff, the profile says nothing",
        f"version {NEW}: deprecated_at was set to {iso_instant(desk.now + 900)} by staff, the profile says nothing",
    ]
    said = desk.refused("profile_conflict", apis.apply_profile, "creator", profile)
    assert all(line in said for line in lines)
    assert _versions(desk) == before


def test_what_staff_set_goes_where_it_is_said_to(desk: Desk, creator: App, altered: Callable[..., Profile]) -> None:
    desk.act(versions.deprecate, "creator", OLD, at=desk.now + 600)
    profile = _with_versions(altered, **{V_OLD: {}, V_NEW: {}})
    assert _apply(desk, profile, overwrite=True).revision == 2
    assert _versions(desk) == {OLD: (None, None, None, 0), NEW: (None, None, None, 0)}
    assert desk.ask(apis.overwritten, "creator", profile) == []


def test_a_profile_that_says_what_staff_set_is_no_conflict(
    desk: Desk, creator: App, altered: Callable[..., Profile]
) -> None:
    desk.act(versions.deprecate, "creator", OLD, at=1_924_992_000.0)
    assert desk.rows("select by_staff from versions") == [(1,)]
    _apply(desk, _with_versions(altered, **{V_OLD: {"deprecated": "2031-01-01"}}))
    assert _versions(desk)[OLD] == (1_924_992_000.0, None, None, 1)


@pytest.mark.req("R57")
def test_no_profile_brings_a_version_back(desk: Desk, creator: App, altered: Callable[..., Profile]) -> None:
    sunset = {"deprecated": "2025-07-01", "sunset": "2025-08-01", "successor": NEW}
    _apply(desk, _with_versions(altered, **{V_OLD: sunset, V_NEW: {"deprecated": "2025-07-01"}}))
    for old, new in (({}, {}), (sunset, {}), ({"deprecated": "2025-07-01"}, {"deprecated": "2025-07-01"})):
        profile = _with_versions(altered, **{V_OLD: old, V_NEW: new})
        for overwrite in (False, True):
            said = _refused(desk, profile, "lifecycle_one_way", overwrite=overwrite)
            assert "is sunset already" in said or "is deprecated already" in said


@pytest.mark.req("R57")
def test_no_profile_brings_back_a_version_that_staff_ended(
    desk: Desk, creator: App, altered: Callable[..., Profile]
) -> None:
    desk.act(versions.register, "creator", NEW)
    desk.act(versions.sunset, "creator", OLD, at=desk.now, successor=NEW)
    _refused(desk, altered("creator", {"title": "Another"}))
    _refused(desk, altered("creator", {"title": "Another"}), "lifecycle_one_way", overwrite=True)


# -- keys that are there ---------------------------------------------------------------------------------------------


@pytest.mark.req("R63")
def test_keys_are_not_handed_over_to_another_type_of_owner(
    desk: Desk, creator: App, altered: Callable[..., Profile]
) -> None:
    assert "type of owner" in _refused(desk, altered("creator", {"owners.type": "organisation"}))


@pytest.fixture
def class_of(altered: Callable[..., Profile]) -> Callable[..., Profile]:
    """The profile ``organisation`` with one class less, or with other prefixes in it."""

    def class_of(**prefixes: dict[str, str]) -> Profile:
        changes: dict[str, Any] = {f"keys.classes.{name}.prefixes": of for name, of in prefixes.items() if of}
        changes |= {f"keys.classes.{name}": ... for name, of in prefixes.items() if not of}
        return altered("organisation", changes)

    return class_of


def test_a_class_with_keys_stays_until_they_have_ended(
    desk: Desk, firm: str, new_key: Callable[..., Issued], class_of: Callable[..., Profile]
) -> None:
    first = new_key("organisation", firm, key_class="public", expires_at=desk.now + 60).key.key
    second = new_key("organisation", firm, key_class="public", environment="test").key.key
    assert "class public in live, which it does not have" in _refused(desk, class_of(public={}))
    desk.act(keys.deactivate, second)
    assert "class public in test" in _refused(desk, class_of(public={"live": "pk_live_"}))
    desk.act(keys.delete, second)
    assert _apply(desk, class_of(public={"live": "pk_live_"})).revision == 2
    _refused(desk, class_of(public={}))
    desk.now += 60
    assert _apply(desk, class_of(public={})).revision == 3
    assert desk.ask(keys.require, first).state == "expired"
    assert desk.said()[-2:] == [
        Said("keys.expire", "key.expired", "organisation", first),
        Said("profiles.apply", "profile.applied", "organisation", "organisation"),
    ]


def test_a_prefix_with_keys_stays(
    desk: Desk, firm: str, new_key: Callable[..., Issued], class_of: Callable[..., Profile]
) -> None:
    """A gate tells a key by its prefix: under another one it would not know those that it has admitted."""
    other = {"live": "sk_live_", "test": "sk_try_"}
    new_key("organisation", firm)
    assert _apply(desk, class_of(secret=other)).revision == 2
    assert new_key("organisation", firm, environment="test").text.startswith("sk_try_")
    said = _refused(desk, class_of(secret={"live": "sk_live_", "test": "sk_test_"}))
    assert "begin with sk_try_, not with sk_test_" in said


def _implying(altered: Callable[..., Profile], **implies: Any) -> Profile:
    """The profile ``creator`` whose scopes imply these others: scope, with ``_`` for the colon, to scopes."""
    changes = {f"scopes.{name.replace('_', ':')}": {"description": "x", "implies": of} for name, of in implies.items()}
    return altered("creator", changes)


@pytest.mark.req("R14", "R180")
def test_no_key_gets_more_by_what_its_scopes_come_to_imply(
    desk: Desk, owner: str, new_key: Callable[..., Issued], altered: Callable[..., Profile]
) -> None:
    key = new_key("creator", owner, scopes=("read:self", "read:chat")).key.key
    assert "read:chat implies write:chat" in _refused(desk, _implying(altered, read_chat=["write:chat"]))
    said = _refused(desk, _implying(altered, read_self=["read:fan"], read_fan=["read:creator"]))
    assert "read:self implies read:creator, read:fan" in said
    assert "read:chat implies" in _refused(desk, _implying(altered, read_chat="all"))
    assert _apply(desk, _implying(altered, read_fan=["read:creator"])).revision == 2  # no key holds it
    desk.act(keys.revoke, key)
    assert _apply(desk, _implying(altered, read_chat=["write:chat"])).revision == 3


@pytest.mark.req("R14")
def test_no_key_gets_more_by_a_scope_that_went_and_came_back(
    desk: Desk, owner: str, new_key: Callable[..., Issued], altered: Callable[..., Profile]
) -> None:
    new_key("creator", owner, scopes=("read:self", "write:creator"))
    plain = altered("creator", {})
    _apply(desk, altered("creator", {"scopes.write:creator": ...}))
    _refused(desk, _implying(altered, write_creator=["write:agency"]))
    assert _apply(desk, plain).revision == 3


@pytest.mark.req("R231")
def test_a_key_that_was_issued_as_an_admins_stays_one(
    desk: Desk, firm: str, new_key: Callable[..., Issued], altered: Callable[..., Profile]
) -> None:
    new_key("organisation", firm, scopes=("admin",))
    assert _apply(desk, altered("organisation", {"scopes.read:invoices": "View invoices"})).revision == 2


@pytest.mark.req("R99")
def test_the_list_goes_by_the_profile_until_staff_say_otherwise(
    desk: Desk, creator: App, altered: Callable[..., Profile]
) -> None:
    held = [_apply(desk, altered("creator", {"owners.allowlist": word})).allowlist for word in ("off", "on", "off")]
    assert held == [False, True, False]
    desk.act(apis.switch, "creator", "allowlist", True)
    assert _apply(desk, altered("creator", {"owners.allowlist": "off", "title": "Another"})).allowlist is True


# -- from many to one ------------------------------------------------------------------------------------------------


@pytest.mark.req("R9", "R64")
def test_from_many_to_one_every_active_key_takes_its_slot(
    desk: Desk, owner: str, new_key: Callable[..., Issued], altered: Callable[..., Profile]
) -> None:
    _apply(desk, altered("creator", MANY))
    asleep, past, active = (new_key("creator", owner, expires_at=at).key.key for at in (None, desk.now + 60, None))
    desk.act(keys.deactivate, asleep)
    assert desk.rows("select count(slot) from keys") == [(0,)]
    said = _refused(desk, altered("creator", ONE))
    assert f"more are held by {owner}" in said
    desk.now += 60  # and one of the two has ended, though its row does not say so
    _apply(desk, altered("creator", ONE))
    assert desk.rows(
        "select key, slot, state from keys where slot is not null or state = 'expired' order by state"
    ) == [
        (active, f"creator:{owner}", "active"),
        (past, None, "expired"),
    ]
    desk.refused("slot_taken", keys.reactivate, asleep)
    assert new_key("creator", owner).key.predecessor == active


@pytest.mark.req("R64")
def test_from_one_to_many_and_back(
    desk: Desk, owner: str, new_key: Callable[..., Issued], altered: Callable[..., Profile]
) -> None:
    """A key that still has its slot from before, and ended by its date, is in nobody's way."""
    first = new_key("creator", owner, expires_at=desk.now + 60).key.key
    _apply(desk, altered("creator", MANY))
    second = new_key("creator", owner).key.key
    assert [found.state for found in desk.ask(keys.listed).items] == ["active", "active"]
    _refused(desk, altered("creator", ONE))
    desk.now += 60
    _apply(desk, altered("creator", ONE))
    assert desk.rows("select key from keys where slot is not null") == [(second,)]
    assert desk.ask(keys.require, first).state == "expired"


def test_where_many_stay_allowed_nobody_is_in_the_way(
    desk: Desk, firm: str, new_key: Callable[..., Issued], altered: Callable[..., Profile]
) -> None:
    for _ in range(2):
        new_key("organisation", firm)
    _apply(desk, altered("organisation", {"title": "Another"}))
    assert desk.rows("select count(slot) from keys") == [(0,)]


def test_where_one_stays_allowed_slots_are_as_they_were(
    desk: Desk, owner: str, new_key: Callable[..., Issued], altered: Callable[..., Profile]
) -> None:
    new_key("creator", owner)
    before = desk.rows("select key, slot, state from keys")
    _apply(desk, altered("creator", {"title": "Another"}))
    assert desk.rows("select key, slot, state from keys") == before


def test_owners_in_the_way_are_named_ten_at_most(
    desk: Desk, firm: str, new_key: Callable[..., Issued], altered: Callable[..., Profile]
) -> None:
    for number in range(12):
        name = f"o-1{number:02}"
        desk.act(owners.create, owners.NewOwner("organisation", owner=name))
        for _ in range(2):
            new_key("organisation", name)
    said = _refused(desk, altered("organisation", ONE))
    assert said.count("o-1") == 10


@pytest.mark.req("R9")
def test_the_database_holds_what_the_profile_in_force_says(
    desk: Desk, owner: str, altered: Callable[..., Profile]
) -> None:
    for changes, held in ((MANY, 0), (ONE, 1)):
        _apply(desk, altered("creator", changes))
        assert desk.rows("select one_active from apis") == [(held,)]

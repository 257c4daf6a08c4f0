"""The life of a key: put to sleep and woken, brought to its end, hidden; each once, each told once."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from limen.control import apis, keys
from limen.core.people import Actor
from tests.control.desk import Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.control.keys import Issued
    from limen.core.profile import Profile
    from tests.control.desk import Desk


@pytest.fixture
def key(owner: str, new_key: Callable[..., Issued]) -> str:
    """The id of an active key of ``creator``."""
    return new_key("creator", owner).key.key


def _once(desk: Desk, said: Said, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """*verb* does what it is for, which *said* tells; done again, it does nothing more, and answers the same."""
    before, epoch = desk.said(), desk.epoch
    first = desk.act(verb, *args, **kwargs)
    assert desk.said()[len(before) :] == [said]
    assert desk.epoch == epoch + 2
    after, epoch = desk.dump(), desk.epoch
    assert desk.act(verb, *args, **kwargs) == first
    assert desk.dump() == after
    assert desk.epoch == epoch


# -- asleep and awake ------------------------------------------------------------------------------------------------


@pytest.mark.req("R221")
def test_a_key_is_deactivated_once_and_kept(desk: Desk, key: str) -> None:
    before = desk.ask(keys.require, key)
    _once(desk, Said("keys.deactivate", "key.deactivated", "creator", key), keys.deactivate, key)
    after = desk.ask(keys.require, key)
    assert (before.state, after.state) == ("active", "inactive")
    assert (after.scopes, after.name, after.ended_at) == (before.scopes, before.name, None)
    assert desk.rows("select count(slot) from keys") == [(0,)]


@pytest.mark.req("R222")
def test_a_deactivated_key_is_reactivated_once(desk: Desk, key: str) -> None:
    before = desk.ask(keys.require, key)
    desk.act(keys.deactivate, key)
    _once(desk, Said("keys.reactivate", "key.reactivated", "creator", key), keys.reactivate, key)
    assert desk.ask(keys.require, key) == before
    assert desk.rows("select slot from keys") == [("creator:u-1",)]


@pytest.mark.req("R222")
def test_where_many_are_allowed_a_key_wakes_without_a_slot(
    desk: Desk, firm: str, new_key: Callable[..., Issued]
) -> None:
    first, _ = new_key("organisation", firm).key.key, new_key("organisation", firm)
    desk.act(keys.deactivate, first)
    assert desk.act(keys.reactivate, first).state == "active"
    assert desk.rows("select count(slot) from keys where state = 'active'") == [(0,)]


@pytest.mark.req("R9", "R64")
def test_no_key_wakes_into_a_slot_that_is_taken(
    desk: Desk, owner: str, key: str, new_key: Callable[..., Issued]
) -> None:
    desk.act(keys.deactivate, key)
    second = new_key("creator", owner).key
    assert second.predecessor == ""
    assert second.hint in desk.refused("slot_taken", keys.reactivate, key)
    desk.act(keys.revoke, second.key)
    assert desk.act(keys.reactivate, key).state == "active"


def test_a_key_wakes_into_the_slot_of_one_that_ended_by_date(
    desk: Desk, owner: str, key: str, new_key: Callable[..., Issued]
) -> None:
    desk.act(keys.deactivate, key)
    new_key("creator", owner, expires_at=desk.now + 60)
    desk.refused("slot_taken", keys.reactivate, key)
    desk.now += 60
    assert desk.act(keys.reactivate, key).state == "active"


def test_what_staff_put_to_sleep_staff_wake(desk: Desk, owner: str, key: str) -> None:
    staff, member = desk.actor, Actor("member", owner)
    desk.actor = member
    desk.act(keys.deactivate, key)
    assert desk.act(keys.reactivate, key).state == "active"
    desk.act(keys.deactivate, key)
    desk.actor = staff
    assert desk.act(keys.deactivate, key).ended_reason == "by staff"
    after = desk.dump()
    desk.act(keys.deactivate, key)
    assert desk.dump() == after
    desk.actor = member
    desk.act(keys.deactivate, key)
    desk.refused("deactivated_by_staff", keys.reactivate, key)
    desk.refused("deactivated_by_staff", keys.regenerate, key)
    desk.actor = staff
    woken = desk.act(keys.reactivate, key)
    assert (woken.state, woken.ended_reason) == ("active", "")


# -- revoked and deleted ---------------------------------------------------------------------------------------------


@pytest.mark.req("R68", "R164")
def test_a_key_is_revoked_once_and_the_first_reason_stands(desk: Desk, key: str) -> None:
    said = Said("keys.revoke", "key.revoked", "creator", key)
    _once(desk, said, keys.revoke, key, reason="found in a repository")
    moment = desk.now
    desk.now += 10
    desk.act(keys.revoke, key, reason="another")
    ended = desk.ask(keys.require, key)
    assert (ended.state, ended.ended_at, ended.ended_reason) == ("revoked", moment, "found in a repository")
    payload = json.loads(desk.rows("select payload from outbox order by id desc limit 1")[0][0])
    assert payload == {"api": "creator", "subject": key, "owner": "u-1"}
    assert desk.rows("select count(slot) from keys") == [(0,)]


@pytest.mark.req("R68")
@pytest.mark.parametrize("before", ["active", "inactive", "expired"])
def test_a_key_can_be_revoked_in_whatever_state_it_is(
    desk: Desk, owner: str, new_key: Callable[..., Issued], before: str
) -> None:
    key = new_key("creator", owner, expires_at=desk.now + 60).key.key
    if before == "inactive":
        desk.act(keys.deactivate, key)
    if before == "expired":
        desk.now += 60
    assert desk.ask(keys.require, key).state == before
    assert desk.act(keys.revoke, key).state == "revoked"


@pytest.mark.req("R223")
@pytest.mark.parametrize("before", ["active", "inactive", "revoked"])
def test_a_key_that_is_deleted_is_revoked_and_hidden_and_its_row_stays(desk: Desk, key: str, before: str) -> None:
    if before != "active":
        desk.act(keys.deactivate if before == "inactive" else keys.revoke, key)
    ended = (desk.now, "") if before == "revoked" else (desk.now + 5, "deleted")
    desk.now += 5
    told = desk.said()
    assert desk.act(keys.delete, key) is None
    assert desk.said()[len(told) :] == [Said("keys.delete", "key.deleted", "creator", key)]
    assert desk.ask(keys.listed).items == ()
    (hidden,) = desk.ask(keys.listed, hidden=True).items
    assert (hidden.key, hidden.state) == (key, "revoked")
    assert desk.rows("select state, slot, deleted_at from keys") == [("revoked", None, desk.now)]
    assert desk.rows("select ended_at, ended_reason from keys") == [ended]


# -- and what the gate makes of it ----------------------------------------------------------------------------------


@pytest.mark.req("R10", "R48", "R68", "R206", "R207", "R220", "R221", "R222", "R223")
def test_what_is_done_to_a_key_holds_for_the_next_request(
    desk: Desk, owner: str, new_key: Callable[..., Issued], altered: Callable[..., Profile]
) -> None:
    desk.act(apis.apply_profile, "creator", altered("creator", {"limits.default": "1000 per 60 s"}))
    said: list[tuple[str, str]] = []

    def then(what: str, *texts: str) -> None:
        said.append((what, " ".join(desk.verdict(text) for text in texts)))

    first = new_key("creator", owner)
    then("issued", first.text)
    for verb in (keys.deactivate, keys.reactivate):
        desk.act(verb, first.key.key)
        then(verb.__name__, first.text)
    second = new_key("creator", owner)
    then("replaced", first.text, second.text)
    third = desk.act(keys.regenerate, second.key.key)
    then("regenerated", second.text, third.text)
    desk.act(keys.set_expiry, third.key.key, expires_at=desk.now + 10)
    then("given a date", third.text)
    desk.now += 10
    then("past its date", third.text)
    fourth = new_key("creator", owner)
    desk.act(keys.revoke, fourth.key.key)
    then("revoked", fourth.text)
    fifth = new_key("creator", owner)
    desk.act(keys.delete, fifth.key.key)
    then("deleted", fifth.text)
    assert said == [
        ("issued", "ok"),
        ("deactivate", "key_inactive"),
        ("reactivate", "ok"),
        ("replaced", "key_revoked ok"),
        ("regenerated", "key_revoked ok"),
        ("given a date", "ok"),
        ("past its date", "key_expired"),
        ("revoked", "key_revoked"),
        ("deleted", "key_revoked"),
    ]


# -- what has ended, or is not there ---------------------------------------------------------------------------------

VERBS = (keys.regenerate, keys.deactivate, keys.reactivate, keys.set_expiry, keys.revoke, keys.delete)


def _refused(desk: Desk, code: str, verb: Callable[..., Any], key: str) -> str:
    more = {"expires_at": desk.now + 5} if verb is keys.set_expiry else {}
    return desk.refused(code, verb, key, **more)


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_finds_a_key_that_is_not_there_or_was_deleted(desk: Desk, key: str, verb: Callable[..., Any]) -> None:
    assert "'nothing'" in _refused(desk, "key_unknown", verb, "nothing")
    desk.act(keys.delete, key)
    _refused(desk, "key_unknown", verb, key)
    desk.refused("key_unknown", keys.require, key)


@pytest.mark.req("R207")
@pytest.mark.parametrize("verb", VERBS[:4])
@pytest.mark.parametrize("end", ["revoked", "expired", "past its date", "asleep past its date"])
def test_no_verb_brings_a_key_back_from_its_end(
    desk: Desk, owner: str, new_key: Callable[..., Issued], verb: Callable[..., Any], end: str
) -> None:
    key = new_key("creator", owner, expires_at=desk.now + 60).key
    if end == "revoked":
        desk.act(keys.revoke, key.key)
    elif end == "asleep past its date":
        desk.act(keys.deactivate, key.key)
    desk.now += 60
    if end == "expired":
        desk.act(keys.revoke, new_key("creator", owner).key.key)  # issuing marks what ended by date
    assert _refused(desk, "key_ended", verb, key.key) == (
        f"Key {key.hint} is {'revoked' if end == 'revoked' else 'expired'}; that is final. Issue another."
    )


# -- when it ends ----------------------------------------------------------------------------------------------------


@pytest.mark.req("R206", "R207")
def test_an_expiry_is_set_or_brought_forward_once(desk: Desk, key: str) -> None:
    said = Said("keys.set_expiry", "key.expiry_changed", "creator", key)
    for after_s in (3600, 60):
        _once(desk, said, keys.set_expiry, key, expires_at=desk.now + after_s)
        assert desk.ask(keys.require, key).expires_at == desk.now + after_s
    assert desk.act(keys.set_expiry, key, expires_at=desk.now).state == "expired"


@pytest.mark.req("R207")
def test_an_expiry_is_never_put_off_nor_taken_away(desk: Desk, key: str) -> None:
    desk.act(keys.set_expiry, key, expires_at=desk.now + 60)
    for moment in (desk.now + 60.001, desk.now - 1, math.inf, math.nan, -math.inf, 1e300):
        desk.refused("expiry_wrong", keys.set_expiry, key, expires_at=moment)


def test_no_expiry_lies_beyond_the_calendar(desk: Desk, key: str) -> None:
    for moment in (desk.now - 1, math.inf, math.nan, 253_370_764_800.0):
        desk.refused("expiry_wrong", keys.set_expiry, key, expires_at=moment)


# -- regenerated -----------------------------------------------------------------------------------------------------

KEPT = ("api", "owner", "key_class", "environment", "name", "scopes", "origins", "addresses", "expires_at")


@pytest.mark.req("R220")
@pytest.mark.check("C015")
def test_a_key_is_regenerated_with_all_that_it_may(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> None:
    old = new_key(
        "creator", owner, name="mine", scopes=("read:self", "read:fan"), addresses=("10.0.0.0/8",), environment="test",
        expires_at=desk.now + 600,
    )  # fmt: skip
    desk.now += 5
    before = desk.said()
    new = desk.act(keys.regenerate, old.key.key)
    assert new.text != old.text
    assert {name: getattr(new.key, name) for name in KEPT} == {name: getattr(old.key, name) for name in KEPT}
    assert (new.key.state, new.key.predecessor, new.key.created_at) == ("active", old.key.key, desk.now)
    ended = desk.ask(keys.require, old.key.key)
    assert (ended.state, ended.ended_at, ended.ended_reason) == ("revoked", desk.now, "regenerated")
    assert desk.said()[len(before) :] == [Said("keys.regenerate", "key.regenerated", "creator", new.key.key)]
    detail, payload = desk.rows("select detail, payload from audit join outbox using (id) order by id desc limit 1")[0]
    assert json.loads(detail) == {"predecessor": old.key.key, "overlap_s": 0}
    assert json.loads(payload)["predecessor"] == old.key.key
    assert json.loads(payload)["ends_at"] == desk.now


@pytest.mark.req("R220")
def test_who_regenerates_goes_on_in_the_same_window(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> None:
    first = new_key("creator", owner).key.key
    second = desk.act(keys.regenerate, first).key.key
    third = new_key("creator", owner).key.key
    fourth = desk.act(keys.regenerate, third).key.key
    lineages = desk.rows("select key, lineage from keys")
    assert {key for key, _ in lineages} == {first, second, third, fourth}
    assert {lineage for _, lineage in lineages} == {first.encode()}
    assert [found.predecessor for found in desk.ask(keys.listed, state="active").items] == [third]


@pytest.mark.req("R9", "R64")
def test_a_key_asleep_is_not_regenerated_beside_an_active_one(
    desk: Desk, owner: str, key: str, new_key: Callable[..., Issued]
) -> None:
    desk.act(keys.deactivate, key)
    second = new_key("creator", owner, expires_at=desk.now + 60).key
    assert second.hint in desk.refused("slot_taken", keys.regenerate, key)
    desk.now += 60
    new = desk.act(keys.regenerate, key).key
    assert (new.state, new.predecessor) == ("active", key)
    assert desk.ask(keys.require, second.key).state == "expired"


def test_a_key_that_is_regenerated_lives_no_longer_than_the_profile_allows(
    desk: Desk, key: str, altered: Callable[..., Profile]
) -> None:
    desk.act(apis.apply_profile, "creator", altered("creator", {"keys.max_lifetime": "1 h"}))
    first = desk.act(keys.regenerate, key).key
    assert first.expires_at == desk.now + 3600
    desk.now += 60
    assert desk.act(keys.regenerate, first.key).key.expires_at == first.expires_at


@pytest.fixture
def overlapping(desk: Desk, firm: str, altered: Callable[..., Profile]) -> str:
    """The owner of keys whose profile lets a regenerated key go on for a minute."""
    desk.act(apis.apply_profile, "organisation", altered("organisation", {"keys.overlap": "60 s"}))
    return firm


@pytest.mark.req("R220")
@pytest.mark.check("C015")
def test_the_old_key_ends_by_itself_within_the_overlap(
    desk: Desk, overlapping: str, new_key: Callable[..., Issued]
) -> None:
    old = new_key("organisation", overlapping).key
    new = desk.act(keys.regenerate, old.key).key
    assert (
        json.loads(desk.rows("select payload from outbox order by id desc limit 1")[0][0])["ends_at"] == desk.now + 60
    )
    desk.now += 59
    assert [desk.ask(keys.require, found.key).state for found in (old, new)] == ["active", "active"]
    desk.now += 1
    assert [desk.ask(keys.require, found.key).state for found in (old, new)] == ["expired", "active"]
    assert new.expires_at is None


@pytest.mark.check("C015")
def test_an_overlap_never_outlives_the_old_keys_own_expiry(
    desk: Desk, overlapping: str, new_key: Callable[..., Issued]
) -> None:
    old = new_key("organisation", overlapping, expires_at=desk.now + 10).key
    new = desk.act(keys.regenerate, old.key).key
    assert desk.ask(keys.require, old.key).expires_at == desk.now + 10 == new.expires_at


@pytest.mark.check("C015")
def test_an_overlap_is_what_the_profile_allows_or_less(
    desk: Desk, overlapping: str, new_key: Callable[..., Issued]
) -> None:
    old = new_key("organisation", overlapping).key
    for overlap_s in (61, -1):
        desk.refused("expiry_wrong", keys.regenerate, old.key, overlap_s=overlap_s)
    second = desk.act(keys.regenerate, old.key, overlap_s=5).key
    assert desk.ask(keys.require, old.key).expires_at == desk.now + 5
    desk.act(keys.regenerate, second.key, overlap_s=0)
    assert desk.ask(keys.require, second.key).state == "revoked"


def test_where_one_key_is_allowed_there_is_no_overlap(desk: Desk, key: str) -> None:
    assert "0 to 0 s" in desk.refused("expiry_wrong", keys.regenerate, key, overlap_s=1)

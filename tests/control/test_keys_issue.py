"""Issuing a key: what it holds, what is refused, and that its text is shown once and kept nowhere."""

from __future__ import annotations

import json
import math
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from limen.control import apis, keys, owners
from limen.core.keys import BODY_CHARS, ID_CHARS, SECRET_CHARS, is_key, locator
from limen.core.problems import ProblemError
from limen.db import pepper
from tests.control.desk import Said
from tests.db.dump import kept

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from limen.control.keys import Issued
    from limen.core.profile import Profile
    from tests.control.desk import Desk

FIVE = ("read:self", "read:chat", "write:chat", "read:fan", "read:creator")


def _new(owner: str, **more: Any) -> keys.NewKey:
    return keys.NewKey("creator", owner, **{"name": "a key", "scopes": ("read:self",)} | more)


# -- what is issued --------------------------------------------------------------------------------------------------


@pytest.mark.req("R1", "R11", "R62")
def test_a_key_is_unique_long_and_its_owners(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> None:
    desk.act(owners.create, owners.NewOwner("user", owner="u-2"))
    first = new_key("creator", owner, name="first", scopes=FIVE)
    second = new_key("creator", "u-2", name="second")
    assert first.text != second.text
    assert is_key(first.text.encode(), frozenset({b"fvak_"}))
    assert len(first.text) == len("fvak_") + BODY_CHARS
    assert first.key == keys.Key(
        key=first.text[5 : 5 + ID_CHARS],
        api="creator",
        owner=owner,
        key_class="secret",
        environment="live",
        name="first",
        hint=f"{first.text[:9]}…",
        scopes=FIVE,
        origins=None,
        addresses=None,
        limits="",
        pinned="",
        state="active",
        predecessor="",
        created_at=desk.now,
        created_by="terminal:tester",
        expires_at=None,
        ended_at=None,
        ended_reason="",
        last_used_at=None,
    )
    assert desk.ask(keys.require, first.key.key) == first.key


def test_a_key_that_is_issued_is_audited_and_told_once(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> None:
    before = desk.said()
    issued = new_key("creator", owner, scopes=("read:chat", "read:self"))
    assert desk.said()[len(before) :] == [Said("keys.issue", "key.issued", "creator", issued.key.key)]
    actor, at, detail, payload = desk.rows(
        "select actor, audit.at, detail, payload from audit join outbox using (id) order by id desc"
    )[0]
    assert (actor, at) == ("terminal:tester", desk.now)
    assert json.loads(detail) == {"scopes": ["read:self", "read:chat"], "key_class": "secret", "replaced": ""}
    assert json.loads(payload) == {"api": "creator", "subject": issued.key.key, "owner": owner, "replaced": ""}


def test_every_gate_is_told_of_a_new_key(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> None:
    (head,), epoch = desk.rows("select seq from change_head")[0], desk.epoch
    place = locator(new_key("creator", owner).text.encode())
    assert desk.rows("select kind, api, subject from changes where seq > ?", head) == [("key", "creator", place)]
    assert desk.epoch == epoch + 2


@pytest.mark.req("R66")
@pytest.mark.check("C004")
def test_a_key_is_stored_as_a_keyed_digest(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> None:
    text = new_key("creator", owner).text.encode()
    digest = pepper.read(desk.app.settings.pepper_path).digest(1)(text)
    assert desk.rows("select scheme, pepper, digest, locator from keys") == [("b2", 1, digest, locator(text))]


@pytest.mark.req("R66", "R67", "R208", "R210", "R212")
@pytest.mark.check("C003", "C004", "C020")
def test_the_text_of_a_key_is_in_no_file(
    desk: Desk, owner: str, firm: str, new_key: Callable[..., Issued], tmp_path: Path
) -> None:
    """Neither while the database is open, its log included, nor once it is closed; nor in what may be printed."""
    first = new_key("creator", owner)
    issued = [first, new_key("creator", owner), new_key("organisation", firm), new_key("organisation", firm)]
    issued.append(desk.act(keys.regenerate, issued[-1].key.key))
    desk.act(keys.revoke, issued[2].key.key, reason="a test")
    for found in issued:
        assert found.text not in f"{found} {found!r} {found.key}"
    if desk.app.settings.on_one_host:
        assert (tmp_path / "limen.db-wal").stat().st_size > 0
    _scan(kept(desk.path, tmp_path), issued)
    desk.app.close()
    _scan(kept(desk.path, tmp_path), issued)


def _scan(contents: dict[str, bytes], issued: list[Issued]) -> None:
    everything = b"".join(contents.values())
    for found in issued:
        assert found.key.key.encode() in everything  # the control: what is public is found
        secret = found.text[-BODY_CHARS:][ID_CHARS : ID_CHARS + SECRET_CHARS]
        for part in (found.text, secret, secret[:16], secret[-16:]):
            for written in (part.encode(), part.encode("utf-16-le"), part.encode().hex().encode()):
                assert [path for path, content in contents.items() if written in content] == []


@pytest.mark.req("R212")
def test_no_verb_and_no_question_gives_the_text_again(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> None:
    issued = new_key("creator", owner)
    shown = [desk.ask(keys.require, issued.key.key), *desk.ask(keys.listed).items]
    shown += [desk.act(verb, issued.key.key) for verb in (keys.deactivate, keys.reactivate, keys.revoke)]
    for found in shown:
        assert issued.text[-SECRET_CHARS:] not in repr(found)


# -- one active key an owner -----------------------------------------------------------------------------------------


@pytest.mark.req("R9", "R10", "R64")
def test_a_second_key_takes_the_place_of_the_first(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> None:
    first = new_key("creator", owner).key.key
    desk.now += 10
    before = desk.said()
    second = new_key("creator", owner).key
    ended = desk.ask(keys.require, first)
    assert (ended.state, ended.ended_at, ended.ended_reason) == ("revoked", desk.now, "replaced")
    assert (second.state, second.predecessor) == ("active", first)
    assert desk.said()[len(before) :] == [Said("keys.issue", "key.issued", "creator", second.key)]
    detail = json.loads(desk.rows("select detail from audit order by id desc limit 1")[0][0])
    assert detail["replaced"] == first
    assert desk.rows("select key from keys where slot is not null") == [(second.key,)]


@pytest.mark.req("R10")
def test_who_replaces_goes_on_in_the_same_window(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> None:
    """Else a new key would be a new allowance (C8)."""
    first = new_key("creator", owner)
    third = [new_key("creator", owner) for _ in range(2)][-1]
    lineage = desk.rows("select lineage from keys where key = ?", third.key.key)
    assert lineage == [(locator(first.text.encode()),)]


@pytest.mark.req("R9", "R64")
def test_many_who_issue_at_once_leave_one_active_key(desk: Desk, owner: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        issued = list(pool.map(lambda _: desk.act(keys.issue, _new(owner)), range(12)))
    assert len({found.key.key for found in issued}) == 12
    states = desk.rows("select state, count(*), count(slot) from keys group by state order by state")
    assert states == [("active", 1, 1), ("revoked", 11, 0)]


@pytest.mark.req("R64")
def test_a_profile_may_refuse_a_second_key_instead(
    desk: Desk, owner: str, new_key: Callable[..., Issued], altered: Callable[..., Profile]
) -> None:
    desk.act(apis.apply_profile, "creator", altered("creator", {"keys.on_overflow": "reject"}))
    held = new_key("creator", owner).key
    said = desk.refused("slot_taken", keys.issue, _new(owner))
    assert held.hint in said
    desk.act(keys.revoke, held.key)
    new_key("creator", owner)


@pytest.mark.req("R207")
def test_a_key_past_its_date_holds_no_slot(
    desk: Desk, owner: str, new_key: Callable[..., Issued], altered: Callable[..., Profile]
) -> None:
    desk.act(apis.apply_profile, "creator", altered("creator", {"keys.on_overflow": "reject"}))
    first = new_key("creator", owner, expires_at=desk.now + 60).key.key
    desk.refused("slot_taken", keys.issue, _new(owner))
    desk.now += 60
    before = desk.said()
    second = new_key("creator", owner).key
    assert desk.said()[len(before) :] == [
        Said("keys.expire", "key.expired", "creator", first),
        Said("keys.issue", "key.issued", "creator", second.key),
    ]
    ended = desk.ask(keys.require, first)
    assert (ended.state, ended.ended_reason) == ("expired", "expired")
    assert second.predecessor == ""


@pytest.mark.req("R64")
def test_the_slot_is_one_an_api(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> None:
    profile = desk.ask(apis.profile_of, "creator")
    desk.act(apis.create, "other", profile)
    first, second = new_key("creator", owner), new_key("other", owner, scopes=("read:self",))
    assert {desk.ask(keys.require, found.key.key).state for found in (first, second)} == {"active"}


@pytest.mark.req("R233")
def test_an_organisation_holds_as_many_keys_as_it_likes(desk: Desk, firm: str, new_key: Callable[..., Issued]) -> None:
    issued = [new_key("organisation", firm, name=f"purpose {number}") for number in range(5)]
    assert [found.state for found in desk.ask(keys.listed, owner=firm).items] == ["active"] * 5
    assert {desk.ask(keys.require, found.key.key).predecessor for found in issued} == {""}
    assert desk.rows("select count(slot), count(distinct lineage) from keys") == [(0, 5)]


# -- scopes ----------------------------------------------------------------------------------------------------------


@pytest.mark.req("R11")
def test_scopes_are_held_in_the_catalogues_order_each_once(
    desk: Desk, owner: str, new_key: Callable[..., Issued]
) -> None:
    assert new_key("creator", owner, scopes=("read:fan", "read:self", "read:fan")).key.scopes == (
        "read:self",
        "read:fan",
    )


@pytest.mark.req("R205")
def test_scopes_left_out_are_the_default_of_the_class(desk: Desk, firm: str, new_key: Callable[..., Issued]) -> None:
    secret, public = new_key("organisation", firm), new_key("organisation", firm, key_class="public")
    assert "admin" not in secret.key.scopes
    assert len(secret.key.scopes) == 5
    assert public.key.scopes == ("read:experiences",)


def test_where_there_is_no_default_scopes_must_be_named(desk: Desk, owner: str) -> None:
    for nothing in (None, ()):
        assert "Name the scopes" in desk.refused("scope_unknown", keys.issue, _new(owner, scopes=nothing))


@pytest.mark.check("C013")
def test_an_unknown_scope_is_refused_by_its_name(desk: Desk, owner: str) -> None:
    for scope in ("write:everything", "*", "read:*", "", "READ:SELF", "read:self "):
        said = desk.refused("scope_unknown", keys.issue, _new(owner, scopes=("read:self", scope)))
        assert f"Unknown: {scope}." in said
        assert "read:chat" in said


@pytest.mark.req("R197")
def test_a_public_key_may_hold_no_more_than_its_class(desk: Desk, firm: str) -> None:
    for scope in ("write:experiences", "read:consumers", "admin"):
        new = keys.NewKey("organisation", firm, "a key", key_class="public", scopes=("read:experiences", scope))
        assert scope in desk.refused("scope_not_grantable", keys.issue, new)


def test_a_secret_key_may_be_an_admins_when_it_is_asked_for(
    desk: Desk, firm: str, new_key: Callable[..., Issued]
) -> None:
    assert new_key("organisation", firm, scopes=("admin",)).key.scopes == ("admin",)


# -- class, environment, name ----------------------------------------------------------------------------------------


@pytest.mark.req("R239")
@pytest.mark.parametrize(
    ("key_class", "environment", "prefix"),
    [
        ("secret", "live", "sk_live_"),
        ("secret", "test", "sk_test_"),
        ("public", "live", "pk_live_"),
        ("public", "test", "pk_test_"),
    ],
)
def test_class_and_environment_are_seen_in_the_prefix(
    desk: Desk, firm: str, new_key: Callable[..., Issued], key_class: str, environment: str, prefix: str
) -> None:
    issued = new_key("organisation", firm, key_class=key_class, environment=environment)
    assert issued.text.startswith(prefix)
    assert (issued.key.key_class, issued.key.environment) == (key_class, environment)


@pytest.mark.req("R204")
def test_a_class_that_the_profile_does_not_have_is_refused(desk: Desk, owner: str) -> None:
    for key_class in ("public", "", "SECRET"):
        assert "is none of secret" in desk.refused("class_unknown", keys.issue, _new(owner, key_class=key_class))


def test_an_environment_that_the_class_does_not_have_is_refused(desk: Desk, owner: str) -> None:
    for environment in ("staging", "", "Live"):
        said = desk.refused("environment_unknown", keys.issue, _new(owner, environment=environment))
        assert "is none of live, test" in said


@pytest.mark.req("R203")
@pytest.mark.parametrize("name", ["", "x" * 101, "two\nlines", "a\x00b", "tab\t", "\x7f"])
def test_a_key_needs_a_name_on_one_line(desk: Desk, owner: str, name: str) -> None:
    desk.refused("name_wrong", keys.issue, _new(owner, name=name))


@pytest.mark.req("R203")
@pytest.mark.parametrize("name", ["x", "x" * 100, "Ключ № 1 'for' \"<b>\"; --", "🔑"])
def test_a_name_is_kept_as_it_is(desk: Desk, owner: str, new_key: Callable[..., Issued], name: str) -> None:
    assert desk.ask(keys.require, new_key("creator", owner, name=name).key.key).name == name


# -- whose it is -----------------------------------------------------------------------------------------------------


def test_who_is_not_there_holds_no_key(desk: Desk, owner: str) -> None:
    desk.refused("owner_unknown", keys.issue, _new("nobody"))
    desk.refused("api_unknown", keys.issue, keys.NewKey("nowhere", owner, "a key"))


@pytest.mark.req("R62")
def test_an_owner_of_another_type_holds_no_key(desk: Desk, owner: str, firm: str) -> None:
    said = desk.refused("owner_type_wrong", keys.issue, _new(firm))
    assert "belong to a user, not to a organisation" in said
    desk.refused("owner_type_wrong", keys.issue, keys.NewKey("organisation", owner, "a key"))


# -- when it ends ----------------------------------------------------------------------------------------------------


@pytest.mark.req("R206", "R207")
@pytest.mark.check("C010")
def test_a_key_with_an_expiry_ends_by_itself(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> None:
    without, key = new_key("creator", owner).key, new_key("creator", owner, expires_at=desk.now + 60).key
    assert (without.expires_at, key.expires_at) == (None, desk.now + 60)
    desk.now += 59.5
    assert desk.ask(keys.require, key.key).state == "active"
    desk.now += 0.5
    assert desk.ask(keys.require, key.key).state == "expired"


@pytest.mark.req("R206")
@pytest.mark.check("C010")
@pytest.mark.parametrize("after_s", [0, -1, -1e9, math.inf, -math.inf, math.nan, 1e12])
def test_an_expiry_lies_ahead_and_in_the_calendar(desk: Desk, owner: str, after_s: float) -> None:
    desk.refused("expiry_wrong", keys.issue, _new(owner, expires_at=desk.now + after_s))


@pytest.mark.req("R206")
def test_a_profile_may_bound_the_life_of_a_key(
    desk: Desk, owner: str, new_key: Callable[..., Issued], altered: Callable[..., Profile]
) -> None:
    desk.act(apis.apply_profile, "creator", altered("creator", {"keys.max_lifetime": "1 h"}))
    assert new_key("creator", owner).key.expires_at == desk.now + 3600
    assert new_key("creator", owner, expires_at=desk.now + 3600).key.expires_at == desk.now + 3600
    assert "at most 3600 s" in desk.refused("expiry_wrong", keys.issue, _new(owner, expires_at=desk.now + 3601))


# -- from where it may be used ---------------------------------------------------------------------------------------


def _public(firm: str, *origins: str) -> keys.NewKey:
    return keys.NewKey("organisation", firm, "a key", key_class="public", origins=origins)


@pytest.mark.req("R197")
def test_a_public_key_may_carry_web_origins(desk: Desk, firm: str) -> None:
    origins = ("https://www.example.com", "http://localhost:3000", "https://www.example.com")
    assert desk.act(keys.issue, _public(firm, *origins)).key.origins == tuple(sorted(set(origins)))


@pytest.mark.parametrize(
    "origin",
    ["", "*", "null", "example.com", "https://Example.com", "https://example.com/", "https://a b", "ftp://example.com",
     "https://example.com:port", "https://user@example.com", "https://example.com\n"],
)  # fmt: skip
def test_an_origin_is_written_as_browsers_send_it(desk: Desk, firm: str, origin: str) -> None:
    desk.refused("origins_wrong", keys.issue, _public(firm, "https://example.com", origin))


def test_only_where_the_class_says_so_does_a_key_carry_origins(desk: Desk, owner: str, firm: str) -> None:
    desk.refused("origins_wrong", keys.issue, _public(firm))
    desk.refused("origins_wrong", keys.issue, _new(owner, origins=("https://example.com",)))


def test_address_ranges_are_kept_in_one_form(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> None:
    key = new_key("creator", owner, addresses=("192.0.2.7", "2001:DB8:0::/32", "10.0.0.0/255.0.0.0", "192.0.2.7/32"))
    assert key.key.addresses == ("10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32")


@pytest.mark.parametrize(
    "addresses", [(), ("10.0.0.1/8",), ("10.0.0.0/33",), ("localhost",), ("10.0.0.1", ""), ("::g",)]
)
def test_address_ranges_that_are_none_are_refused(desk: Desk, owner: str, addresses: tuple[str, ...]) -> None:
    desk.refused("addresses_wrong", keys.issue, _new(owner, addresses=addresses))


def test_what_is_said_of_a_refusal_holds_no_traceback(desk: Desk, owner: str) -> None:
    with pytest.raises(ProblemError) as caught:
        desk.act(keys.issue, _new(owner, scopes=("nothing",)))
    assert re.fullmatch(r"Scope unknown: Unknown: nothing\. Known: .*\.", str(caught.value))

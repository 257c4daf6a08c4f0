"""APIs and their switches."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from limen.control import apis
from limen.core.limits import Limit, write_limits
from limen.profiles import load
from tests.control.desk import Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.app import App
    from limen.control.keys import Issued
    from limen.core.profile import Profile
    from tests.control.desk import Desk


def test_an_api_is_made_with_the_first_revision_of_its_profile(desk: Desk) -> None:
    profile = load("creator")
    made = desk.act(apis.create, "creator", profile)
    assert made == apis.Api("creator", "creator", "Fanvue API", 1, False, True, "", desk.now)
    assert desk.ask(apis.document_of, "creator") == profile.document
    assert desk.ask(apis.profile_of, "creator").document == profile.document
    assert desk.said() == [Said("apis.create", "api.created", "creator", "creator")]
    assert desk.rows("select kind, api from changes") == [("profile", "creator")]
    assert desk.rows("select version, deprecated_at, by_staff from versions") == [("2025-06-26", None, 0)]


def test_an_api_starts_with_the_list_as_its_profile_says(desk: Desk) -> None:
    assert desk.act(apis.create, "organisation", load("organisation")).allowlist is False


def test_a_name_is_given_once(desk: Desk, creator: App) -> None:
    assert "'creator'" in desk.refused("api_exists", apis.create, "creator", load("organisation"))


@pytest.mark.parametrize("name", ["", "Creator", "1st", "-a", "a_b", "a b", "a/b", "../a", "a:b", "x" * 33, "a\n"])
def test_a_name_can_stand_in_an_address_and_in_a_file_name(desk: Desk, name: str) -> None:
    desk.refused("request_malformed", apis.create, name, load("creator"))


def test_apis_are_listed_by_name(desk: Desk) -> None:
    for name in ("b", "a-2", "x" * 32, "a"):
        desk.act(apis.create, name, load("creator"))
    assert [found.api for found in desk.ask(apis.listed)] == ["a", "a-2", "b", "x" * 32]


def test_an_api_that_is_not_there(desk: Desk, creator: App) -> None:
    for question in (apis.require, apis.profile_of, apis.document_of):
        assert "'nowhere'" in desk.refused("api_unknown", question, "nowhere")
    desk.refused("api_unknown", apis.switch, "nowhere", "read_only", True)
    assert "it has 1 to 1" in desk.refused("not_found", apis.document_of, "creator", 2)


SWITCHES: list[tuple[str, Any, str]] = [
    ("read_only", True, "on"),
    ("read_only", False, "off"),
    ("allowlist", False, "off"),
    ("allowlist", True, "on"),
    ("emergency", (Limit("emergency", 10, 60),), "10 per 60 s"),
    ("emergency", (Limit("emergency", 0, 60),), "0 per 60 s"),
    ("emergency", (), "none"),
]


@pytest.mark.req("R124", "R169")
def test_a_switch_is_set_once_and_told(desk: Desk, creator: App) -> None:
    for name, value, written in SWITCHES:
        before, epoch = desk.said(), desk.epoch
        held = desk.act(apis.switch, "creator", name, value)
        assert getattr(held, name) == (write_limits(value) if name == "emergency" else value)
        assert desk.said()[len(before) :] == [Said("apis.switch", "api.switched", "creator", "creator")]
        payload = json.loads(desk.rows("select payload from outbox order by id desc limit 1")[0][0])
        assert (payload["switch"], payload["value"]) == (name, written)
        assert desk.rows("select kind from changes order by seq desc limit 1") == [("rules",)]
        after = desk.dump()
        assert desk.act(apis.switch, "creator", name, value) == held
        assert desk.dump() == after
        assert desk.epoch == epoch + 2


def test_while_an_api_is_read_only_no_write_is_served(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> None:
    text = new_key("creator", owner, scopes=("read:chat", "write:chat")).text
    assert [desk.verdict(text, call=call) for call in ("POST /chats", "GET /chats")] == ["ok", "ok"]
    desk.act(apis.switch, "creator", "read_only", True)
    assert [desk.verdict(text, call=call) for call in ("POST /chats", "GET /chats")] == ["writes_disabled", "ok"]
    desk.act(apis.switch, "creator", "read_only", False)
    assert desk.verdict(text, call="POST /chats") == "ok"


@pytest.mark.req("R124")
def test_an_emergency_limit_holds_from_the_next_request_on(
    desk: Desk, owner: str, new_key: Callable[..., Issued]
) -> None:
    text = new_key("creator", owner).text
    assert desk.verdict(text) == "ok"
    desk.act(apis.switch, "creator", "emergency", (Limit("emergency", 1, 60),))
    assert [desk.verdict(text) for _ in range(3)] == ["ok", "limit_exceeded", "limit_exceeded"]
    desk.act(apis.switch, "creator", "emergency", ())
    assert desk.verdict(text) == "ok"


def test_switches_hold_whatever_profile_is_applied(desk: Desk, creator: App, altered: Callable[..., Profile]) -> None:
    desk.act(apis.switch, "creator", "read_only", True)
    desk.act(apis.switch, "creator", "allowlist", False)
    desk.act(apis.switch, "creator", "emergency", (Limit("emergency", 10, 60),))
    held = desk.act(apis.apply_profile, "creator", altered("creator", {"title": "Another title"}))
    assert (held.title, held.read_only, held.allowlist, held.emergency) == ("Another title", True, False, "10 per 60 s")


@pytest.mark.parametrize(
    "changes",
    [
        {"keys.classes.secret.prefixes": {"live": "limen_xk_"}},
        {
            "keys.foreign": [
                {"prefix": "limen_sk_", "length": "40", "hash": "sha256", "class": "secret", "environment": "live"}
            ]
        },
    ],
)
def test_no_other_key_looks_like_one_of_limens_own(desk: Desk, altered: Callable[..., Profile], changes: Any) -> None:
    profile = altered("creator", changes)
    assert "'limen_'" in desk.refused("profile_conflict", apis.create, "creator", profile)
    desk.act(apis.create, "creator", load("creator"))
    assert "'limen_'" in desk.refused("profile_conflict", apis.apply_profile, "creator", profile)

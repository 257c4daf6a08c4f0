"""``limen requests``."""

from __future__ import annotations

from typing import Any

import pytest

WHY = ("--scope", "read:self=Show who it is.", "--scope", "read:chat=List chats = read them.")


def _ask(limen, *words: str, owner: str = "u-1") -> dict[str, Any]:
    if owner not in [found["owner"] for found in limen.json("owners", "list")]:
        limen("owners", "create", "--type", "user", "--id", owner)
        limen("owners", "allow", owner, "creator")
    return limen.json("requests", "ask", "creator", owner, "--name", "inbox", "--use-case", "An inbox.", *WHY, *words)


@pytest.mark.req("R16", "R175", "R188", "R189")
def test_a_key_is_asked_for_granted_and_revealed_once(limen) -> None:
    asked = _ask(limen)
    assert asked["scopes"] == {"read:self": "Show who it is.", "read:chat": "List chats = read them."}
    assert (asked["state"], asked["use_case"]) == ("open", "An inbox.")
    assert limen.json("requests", "show", asked["request"]) == asked
    assert limen.json("requests", "list", "--state", "open") == [asked]
    assert limen.problem("requests", "reveal", asked["request"])["code"] == "request_open"
    granted = limen.json("requests", "grant", asked["request"], "--scope", "read:self", "--reason", "That will do.")
    assert (granted["state"], granted["granted"]) == ("granted", ["read:self"])
    shown = limen("requests", "show", asked["request"]).stdout
    assert [line.split()[:2] for line in shown.splitlines()[-2:]] == [["read:self", "yes"], ["read:chat", "no"]]
    result = limen("requests", "reveal", asked["request"])
    text = result.stdout.splitlines()[-1]
    assert text.startswith("fvak_")
    assert "only time" in result.stderr
    (key,) = limen.json("keys", "list")
    assert key["scopes"] == ["read:self"]
    assert limen.json("requests", "show", asked["request"])["key"] == key["key"]
    assert limen.problem("requests", "reveal", asked["request"])["code"] == "request_settled"


@pytest.mark.req("R191")
def test_a_request_is_refused_or_withdrawn(limen) -> None:
    first, second = _ask(limen)["request"], _ask(limen)["request"]
    assert "--reason" in limen("requests", "refuse", first, expect=2).stderr
    refused = limen.json("requests", "refuse", first, "--reason", "Say which chats.")
    assert (refused["state"], refused["reason"]) == ("refused", "Say which chats.")
    assert limen.json("requests", "withdraw", second)["state"] == "withdrawn"
    assert limen.problem("requests", "grant", second)["code"] == "request_settled"


@pytest.mark.req("R64")
def test_a_key_in_use_is_asked_for_before_another_takes_its_place(limen) -> None:
    held = limen.issue(owner="u-1")
    asked = _ask(limen)["request"]
    limen("requests", "grant", asked)
    result = limen("requests", "reveal", asked, expect=2)
    assert "cannot be undone" in result.stderr
    assert limen.json("keys", "show", held["key"])["state"] == "active"
    revealed = limen.json("requests", "reveal", asked, "--yes")
    assert revealed["text"].startswith("fvak_")
    assert limen.json("keys", "show", held["key"])["state"] == "revoked"


def test_requests_are_told_in_pages(limen) -> None:
    made = [_ask(limen)["request"], _ask(limen, owner="u-2")["request"]]
    (newest,) = limen.json("requests", "list", "--limit", "1")
    assert f"--after {newest['request']}" in limen("requests", "list", "--limit", "1").stderr
    (oldest,) = limen.json("requests", "list", "--after", newest["request"])
    assert {newest["request"], oldest["request"]} == set(made)
    assert [found["request"] for found in limen.json("requests", "list", "--owner", "u-2")] == [made[1]]
    assert limen.json("requests", "list", "--api", "nowhere") == []
    assert "no such requests" in limen("requests", "list", "--state", "lapsed").stderr


def test_what_is_asked_for_is_what_is_made(limen) -> None:
    asked = _ask(limen, "--expires-at", "2031-01-01", "--address", "203.0.113.0/24", "--environment", "test")
    limen("requests", "grant", asked["request"])
    key = limen.json("requests", "reveal", asked["request"])
    assert (key["expires_at"], key["addresses"]) == ("2031-01-01T00:00:00.000Z", ["203.0.113.0/24"])
    assert (key["environment"], key["name"]) == ("test", "inbox")


def test_a_scope_comes_with_a_reason(limen) -> None:
    limen("owners", "create", "--type", "user", "--id", "u-1")
    words = ("requests", "ask", "creator", "u-1", "--name", "a", "--use-case", "b", "--scope")
    assert "'read:self'" in limen(*words, "read:self", expect=2).stderr
    assert limen.problem(*words, "read:self=")["code"] == "reason_wrong"
    assert limen.problem(*words, "read:moon=There is one.")["code"] == "scope_unknown"

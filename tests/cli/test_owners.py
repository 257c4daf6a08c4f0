"""``limen owners``."""

from __future__ import annotations

import pytest


def test_an_owner_is_made_listed_and_shown(limen) -> None:
    made = limen.json("owners", "create", "--type", "user", "--id", "u1", "--name", "Ann")
    assert made["owner"] == "u1"
    assert made["kind"] == "user"
    assert made["state"] == "active"
    assert made["standings"] == []
    assert len(limen.json("owners", "create", "--type", "organisation")["owner"]) == 12
    assert limen.json("owners", "show", "u1") == made
    assert limen.json("owners", "list", "--limit", "1", "--after", "u0") == [made]
    assert "Ann" in limen("owners", "list").stdout
    assert "--after u1" in limen("owners", "list", "--limit", "1", "--after", "u0").stderr


@pytest.mark.req("R162")
def test_an_owner_is_suspended_and_restored(limen) -> None:
    limen("owners", "create", "--type", "user", "--id", "u1")
    found = limen.json("owners", "suspend", "u1", "--reason", "spam")
    assert found["state"] == "suspended"
    assert found["suspended_reason"] == "spam"
    assert limen.json("owners", "restore", "u1")["state"] == "active"


@pytest.mark.req("R256")
def test_how_an_owner_stands_with_an_api(limen) -> None:
    limen("apis", "create", "shop", "--profile", "organisation")
    plan = next(iter(limen.json("profile", "show", "shop")["plans"]))
    limen("owners", "create", "--type", "organisation", "--id", "acme")
    assert limen.json("owners", "allow", "acme", "shop")["standings"][0]["allowed"] is True
    found = limen.json("owners", "set-plan", "acme", "shop", plan, "--limit", "5000 per 1 min")
    expected = {"api": "shop", "plan": plan, "allowed": True, "limits": "5000 per 60 s", "warnings": []}
    assert found["standings"] == [expected]
    assert plan in limen("owners", "show", "acme").stdout
    assert limen.json("owners", "set-plan", "acme", "shop", "none")["standings"][0]["plan"] == ""
    assert limen.json("owners", "disallow", "acme", "shop")["standings"][0]["allowed"] is False


def test_bad_input_names_what_was_found_and_what_is_allowed(limen) -> None:
    limen("owners", "create", "--type", "user", "--id", "u1")
    for word in ("robot", "user", "organisation"):
        assert word in limen("owners", "create", "--type", "robot", expect=2).stderr
    assert limen.problem("owners", "create", "--type", "user", "--id", "u1")["code"] == "owner_exists"
    assert "'a b'" in limen("owners", "create", "--type", "user", "--id", "a b", expect=1).stderr
    assert "'nosuch'" in limen("owners", "show", "nosuch", expect=1).stderr
    assert "'gold'" in limen("owners", "set-plan", "u1", "creator", "gold", expect=1).stderr
    assert "'lots'" in limen("owners", "set-plan", "u1", "creator", "none", "--limit", "lots", expect=2).stderr


def test_what_staff_wrote_steers_no_terminal(limen) -> None:
    limen("owners", "create", "--type", "user", "--id", "u1", "--name", "[bold]Ann\u202e\x9b2J")
    limen("owners", "suspend", "u1", "--reason", "a\x1b]0;b\x07\nc")
    out = limen("owners", "list").stdout
    assert "[bold]Ann\\u202e\\x9b2J" in out
    assert "a\\x1b]0;b\\x07\\nc" in out
    assert not set(out) & {"\x1b", "\x9b", "\x07", "\u202e"}


def test_owners_are_looked_for(limen) -> None:
    limen("apis", "create", "shop", "--profile", "organisation")
    for owner, kind, name in (("u1", "user", "Ann"), ("o1", "organisation", "ANNA"), ("o2", "organisation", "Bo")):
        limen("owners", "create", "--type", kind, "--id", owner, "--name", name)
    limen("owners", "suspend", "o2", "--reason", "spam")
    limen("owners", "set-plan", "o1", "shop", "pro")

    def found(*words: str) -> list[str]:
        every = [each["owner"] for each in limen.json("owners", "list", *words)]
        return [each for each in every if each != "staff"]  # whom 'limen init' made

    assert found() == ["o1", "o2", "u1"]
    assert found("--type", "organisation") == ["o1", "o2"]
    assert found("--state", "suspended") == ["o2"]
    assert found("--name", "ann") == ["u1", "o1"]
    assert found("--name", "ann", "--after", "u1") == ["o1"]
    assert found("--api", "shop", "--plan", "pro") == ["o1"]
    assert limen.problem("owners", "list", "--plan", "pro")["code"] == "request_malformed"
    assert "no such owners" in limen("owners", "list", "--state", "erased").stderr


@pytest.mark.req("R73")
def test_an_owner_is_erased_and_not_unasked(limen) -> None:
    limen("owners", "create", "--type", "user", "--id", "u1", "--name", "Ann")
    result = limen("owners", "erase", "u1", expect=2)
    assert "cannot be undone" in result.stderr
    assert limen.json("owners", "show", "u1")["name"] == "Ann"
    erased = limen.json("owners", "erase", "u1", "--yes")
    assert (erased["state"], erased["name"]) == ("erased", "")
    assert limen.problem("owners", "restore", "u1")["code"] == "owner_erased"

"""``limen measures``, brownouts, several windows, and what may change of a key."""

from __future__ import annotations

import pytest

from tests.cli.rules import OLD, brownout, pinning


@pytest.mark.req("R123", "R124")
def test_several_windows_are_set_and_odd_ones_are_warned_of(limen) -> None:
    key = limen.issue()["key"]
    odd = "100 per 60 s, 200000 per 1 d"
    told = "'200000 per 86400 s' can never be reached: '100 per 60 s' admits at most 144100 in that time"
    for words, name in (
        (("apis", "emergency", "creator"), "emergency"),
        (("keys", "set-limits", key), "limits"),
    ):
        found = limen.json(*words, odd)
        assert (found[name], found["warnings"]) == ("100 per 60 s, 200000 per 86400 s", [told])
        result = limen(*words, odd)
        assert f"warning: {told}.\n" in result.stderr
        assert "warnings" not in result.stdout
        found = limen.json(*words, "none")
        assert (found[name], found["warnings"]) == ("", [])
    (standing,) = limen.json("owners", "set-plan", "u1", "creator", "none", "--limit", odd)["standings"]
    assert (standing["limits"], standing["warnings"]) == ("100 per 60 s, 200000 per 86400 s", [told])
    result = limen("owners", "set-plan", "u1", "creator", "none", "--limit", odd)
    assert f"warning: {told}.\n" in result.stderr
    assert limen.problem("keys", "set-limits", key, "1 per 1 s, 2 per 1 s", expect=2)["code"] == "usage"


def test_a_profile_with_odd_limits_has_no_mistakes_and_is_warned_of(limen) -> None:
    path = limen.folder / "odd.yaml"
    written = limen("profile", "show", "creator").stdout
    path.write_text(written.replace("default: 100 per 60 s", "default: 0 per 60 s, shadow 5 per 1 d"), "utf-8")
    result = limen("profile", "check", str(path))
    assert "warning: limits.default: '0 per 60 s' refuses every request.\n" in result.stderr
    assert limen.json("profile", "check", str(path))["warnings"] == [
        "limits.default: '0 per 60 s' refuses every request"
    ]
    assert "warning: limits.default" in limen("profile", "apply", "creator", str(path), "--yes").stderr
    assert limen.json("profile", "check", "creator")["warnings"] == []


@pytest.mark.req("R124", "R169")
def test_measures_are_taken_listed_and_lifted(limen) -> None:
    key = limen.issue()["key"]
    blocked = limen.json("measures", "block", "--owner", "u1", "--reason", "spam", "--for", "1 h")
    assert (blocked["api"], blocked["target"], blocked["subject"], blocked["state"]) == ("", "owner", "u1", "on")
    slowed = limen.json("measures", "throttle", "--key", key, "--limit", "1 per 1 s", "--reason", "scrapes")
    assert (slowed["api"], slowed["kind"], slowed["limits"], slowed["ends_at"]) == (
        "creator",
        "throttle",
        "1 per 1 s",
        None,
    )
    assert [each["measure"] for each in limen.json("measures", "list")] == [slowed["measure"], blocked["measure"]]
    assert "scrapes" in limen("measures", "list").stdout
    assert limen.json("measures", "lift", slowed["measure"])["state"] == "lifted"
    assert [each["measure"] for each in limen.json("measures", "list", "--api", "creator")] == [blocked["measure"]]
    assert len(limen.json("measures", "list", "--all")) == 2
    assert "--after" in limen("measures", "list", "--all", "--limit", "1").stderr
    assert limen.problem("measures", "lift", "nothing")["code"] == "measure_unknown"


def test_a_measure_against_one_thing_at_a_time_and_against_all_only_when_asked(limen) -> None:
    words = ("measures", "block", "--reason", "attack")
    problem = limen.problem(*words, "--owner", "u1", "--address", "192.0.2.1", expect=2)
    assert "--owner" in problem["detail"]
    assert "There is no terminal to ask at" in limen(*words, expect=2).stderr
    found = limen.json(*words, "--api", "creator", "--yes")
    assert (found["target"], found["api"], found["subject"]) == ("api", "creator", "")
    assert limen.problem("measures", "throttle", "--reason", "a", "--limit", "none", "--yes")["code"] == "measure_wrong"


def test_no_measure_names_a_whole_key_on_the_command_line(limen) -> None:
    text = limen.issue()["text"]
    assert text not in limen("measures", "block", "--reason", "leaked", "--key", text, expect=2).stderr
    assert limen.json("measures", "block", "--reason", "leaked", "--key", "-", input=text)["target"] == "key"


@pytest.mark.req("R166")
def test_a_brownout_is_announced_shown_and_cancelled(limen) -> None:
    limen("versions", "deprecate", "creator", OLD, "--at", "now", "--yes")
    (found,) = brownout(limen)["brownouts"]
    assert (found["starts_at"], found["ends_at"]) == ("2030-01-01T00:00:00.000Z", "2030-01-01T00:15:00.000Z")
    assert found["status"] == 410
    assert found["brownout"] in limen("versions", "show", "creator", OLD).stdout
    assert limen.json("versions", "list", "creator")[0]["brownouts"] == [found]
    assert limen.json("versions", "cancel-brownout", "creator", found["brownout"])["brownouts"] == []
    assert "brownout" not in limen("versions", "show", "creator", OLD).stdout


@pytest.mark.req("R39")
def test_a_key_is_pinned_at_its_issue_and_moved_on(limen) -> None:
    limen("versions", "register", "creator", "2026-07-01")
    assert limen.issue()["pinned"] == ""
    pinning(limen)
    key = limen.issue("--yes", "--pin", OLD)
    assert key["pinned"] == OLD
    assert limen.json("keys", "pin", key["key"], "2026-07-01")["pinned"] == "2026-07-01"
    assert limen.issue("--yes")["pinned"] == "2026-07-01"

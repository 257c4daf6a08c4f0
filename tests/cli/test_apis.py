"""``limen apis`` and ``limen versions``."""

from __future__ import annotations

import re

import pytest

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def test_an_api_is_made_listed_and_shown(limen) -> None:
    made = limen.json("apis", "create", "shop", "--profile", "organisation")
    assert made["api"] == "shop"
    assert made["profile"] == "organisation"
    assert made["revision"] == 1
    assert INSTANT.fullmatch(made["created_at"])
    assert [each["api"] for each in limen.json("apis", "list")] == ["creator", "shop"]
    assert limen.json("apis", "show", "shop") == made
    assert "shop" in limen("apis", "list").stdout


def test_an_api_is_made_once_and_by_a_name_that_can_be(limen) -> None:
    assert limen.problem("apis", "create", "creator", "--profile", "creator")["code"] == "api_exists"
    assert "'A b'" in limen("apis", "create", "A b", "--profile", "creator", expect=1).stderr


def test_switches(limen) -> None:
    assert limen.json("apis", "read-only", "creator", "on")["read_only"] is True
    assert limen.json("apis", "read-only", "creator", "off")["read_only"] is False
    assert limen.json("apis", "allowlist", "creator", "off")["allowlist"] is False
    assert limen.json("apis", "emergency", "creator", "2 per 1 min")["emergency"] == "2 per 60 s"
    assert limen.json("apis", "emergency", "creator", "none")["emergency"] == ""


def test_a_switch_is_on_or_off(limen) -> None:
    result = limen("apis", "read-only", "creator", "maybe", expect=2)
    assert "maybe" in result.stderr
    assert "on" in result.stderr
    assert "off" in result.stderr
    problem = limen.problem("apis", "emergency", "creator", "plenty", expect=2)
    assert problem["code"] == "usage"
    assert "'plenty'" in problem["detail"]
    assert "100 per 60 s" in problem["detail"]


@pytest.mark.parametrize("words", [("apis", "show"), ("versions", "list"), ("profile", "show")])
def test_an_unknown_api_is_named(limen, words: tuple[str, str]) -> None:
    assert "'nosuch'" in limen(*words, "nosuch", expect=1).stderr


def test_no_apis_is_said_on_standard_error(bare) -> None:
    bare("init")
    result = bare("apis", "list")
    assert result.stdout == ""
    assert "limen apis create" in result.stderr
    assert bare.json("apis", "list") == []


@pytest.mark.req("R166")
def test_a_version_lives_and_ends(limen) -> None:
    new = limen.json("versions", "register", "creator", "2026-06-26")
    assert new == {
        "api": "creator",
        "version": "2026-06-26",
        "stage": "active",
        "deprecated_at": None,
        "sunset_at": None,
        "successor": None,
        "brownouts": [],
    }
    old = limen.json("versions", "deprecate", "creator", "2025-06-26", "--at", "2026-01-01", "--yes")
    assert old["stage"] == "deprecated"
    assert old["deprecated_at"] == "2026-01-01T00:00:00.000Z"
    gone = limen.json(
        "versions", "sunset", "creator", "2025-06-26", "--at", "now", "--successor", "2026-06-26", "--yes"
    )
    assert gone["stage"] == "sunset"
    assert INSTANT.fullmatch(gone["sunset_at"])
    assert [each["stage"] for each in limen.json("versions", "list", "creator")] == ["sunset", "active"]
    assert "2026-06-26" in limen("versions", "list", "creator").stdout


def test_a_future_deprecation_can_be_undone_so_it_is_not_asked_for(limen) -> None:
    limen("versions", "register", "creator", "2026-06-26")
    found = limen.json("versions", "deprecate", "creator", "2025-06-26", "--at", "2031-01-01T12:00:00+02:00")
    assert found["deprecated_at"] == "2031-01-01T10:00:00.000Z"
    assert found["stage"] == "active"


@pytest.mark.parametrize(
    "words",
    [
        ("deprecate", "creator", "2025-06-26", "--at", "now"),
        ("deprecate", "creator", "2025-06-26", "--at", "2025-12-31"),
        ("sunset", "creator", "2025-06-26", "--at", "2031-01-01", "--successor", "2026-06-26"),
    ],
)
def test_what_stays_is_asked_for(limen, words: tuple[str, ...]) -> None:
    limen("versions", "register", "creator", "2026-06-26")
    result = limen("versions", *words, expect=2)
    assert "--yes" in result.stderr
    assert [each["stage"] for each in limen.json("versions", "list", "creator")] == ["active", "active"]


@pytest.mark.parametrize("at", ["yesterday", "2026-02-30", "2026-06-26T12:00:00", "1.7e9"])
def test_a_date_that_is_none_is_named_with_what_is_allowed(limen, at: str) -> None:
    detail = limen.problem("versions", "deprecate", "creator", "2025-06-26", "--at", at, expect=2)["detail"]
    assert repr(at) in detail
    assert "2026-06-26T12:00:00Z" in detail
    assert "now" in detail

"""What the platforms' documents permit, beside the endpoint that serves it: docs/reference/operations.md is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from limen.profiles import load

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "operations.md"
ROW = re.compile(r"\| (R\d+) \| [^|]+ \| `([A-Z]+ /[^`]*)` \| ([^|]*) \|")
SECTIONS = {"creator": "## The creator platform", "organisation": "## The organisation platform"}
BESIDE = {"getOpenapi"}
"""What no document permits, because it needs no permission."""


def rows(name: str) -> list[tuple[str, str, frozenset[str]]]:
    """Requirement, endpoint and scopes of each row about one platform."""
    text = PAGE.read_text("utf-8")
    section = text.split(SECTIONS[name])[1].split("\n## ")[0]
    return [(row[1], row[2], frozenset(re.findall(r"`([^`]+)`", row[3]))) for row in ROW.finditer(section)]


@pytest.mark.parametrize("name", SECTIONS)
def test_every_endpoint_of_the_table_is_served_as_it_says(name: str) -> None:
    prefix = "/v1" if name == "organisation" else ""
    profile = {
        f"{each.method} {prefix}{each.path}": each.scopes for each in load(name).operations if each.name not in BESIDE
    }
    assert [row for row in rows(name) if profile.get(row[1]) != row[2]] == []
    assert sorted(set(profile) - {endpoint for _, endpoint, _ in rows(name)}) == []


@pytest.mark.req("R84", "R85", "R86", "R87", "R88", "R89", "R90", "R91", "R92", "R93", "R94", "R95", "R96")
def test_everything_that_is_permitted_is_served() -> None:
    assert {requirement for requirement, *_ in rows("creator")} == {f"R{number}" for number in range(84, 97)}
    text = PAGE.read_text("utf-8")
    assert [f"R{number}" for number in range(84, 99) if f"R{number}" not in text] == []


@pytest.mark.req("R226", "R227", "R228", "R229", "R230", "R231", "R238")
def test_every_scope_of_the_organisation_platform_opens_something() -> None:
    assert {requirement for requirement, *_ in rows("organisation")} == {
        f"R{number}" for number in (*range(226, 232), 238)
    }
    opened = {scope for *_, scopes in rows("organisation") for scope in scopes}
    assert opened == set(load("organisation").catalogue.scopes)

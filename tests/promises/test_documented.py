"""What a user can meet is in the reference: every code, setting, event, command and route, and nothing that is gone."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from limen.core.events import EVENTS
from limen.core.verdict import Code

if TYPE_CHECKING:
    from collections.abc import Iterable

    import click

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
PACKAGE = ROOT / "src" / "limen"


def headings(text: str) -> set[str]:
    """The headings of a page of Markdown, without their marks and without what stands in a block of code."""
    prose = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)
    return {line.lstrip("#").strip().replace("`", "") for line in prose.splitlines() if re.match(r"#+ ", line)}


def commands(command: click.Command, path: str) -> Iterable[str]:
    """The paths of every command under *command* that a user can give and is shown, itself included."""
    yield path
    for name, below in getattr(command, "commands", {}).items():
        if not below.hidden:
            yield from commands(below, f"{path} {name}")


def routes(text: str) -> set[str]:
    """The addresses, or the fixed beginnings of addresses, that a door's source compares a request's path with."""
    texts = {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}
    return {each for each in texts if isinstance(each, str) and re.fullmatch(r"(/[a-z][\w.-]*)+/?", each)}


def page(name: str) -> str:
    """The text of a page of the reference."""
    return (REFERENCE / name).read_text("utf-8")


def test_every_setting_is_documented() -> None:
    from limen.settings import Settings

    text = page("settings.md")
    assert [field.name for field in fields(Settings) if f"`LIMEN_{field.name.upper()}`" not in text] == []


def test_no_setting_is_documented_that_is_not_there() -> None:
    from limen.settings import Settings

    known = {f"LIMEN_{field.name.upper()}" for field in fields(Settings)} | {"LIMEN_CONFIG"}
    assert set(re.findall(r"\bLIMEN_[A-Z_]+\b", page("settings.md"))) - known == set()


@pytest.mark.parametrize("code", list(Code), ids=lambda code: code.slug)
def test_every_code_has_its_page(code: Code) -> None:
    text = page(f"codes/{code.slug}.md")
    assert code.slug in text.splitlines()[0]


def test_every_event_is_documented() -> None:
    assert sorted(set(EVENTS) - headings(page("events.md"))) == []


def test_every_command_is_documented() -> None:
    from typer.main import get_command

    from limen.cli.main import app

    known = set(commands(get_command(app), "limen"))
    assert len(known) > 1
    assert sorted(known - {"limen"} - headings(page("cli.md"))) == []


def test_every_route_of_the_gate_is_documented() -> None:
    known = {path for file in (PACKAGE / "http").glob("*.py") for path in routes(file.read_text("utf-8"))}
    known -= {"/dev/fd"}  # no route: where a process that leaves finds what it has open
    known -= {"/v1", "/v1/"}  # what is under them stands in the profile: the next test
    assert known >= {"/gate/auth/", "/gate/verify", "/gate/outcomes", "/livez", "/readyz"}
    text = page("gate.md")
    assert sorted(path for path in known if path not in text) == []


def test_every_route_of_the_management_api_is_documented_and_no_other() -> None:
    """Each with its operation and the scopes that it asks for."""
    from limen.profiles import built_in

    profile = built_in()
    known = {
        (f"{each.method} {each.path}", each.name, () if each.public else profile.catalogue.ordered(each.scopes))
        for each in profile.operations
    }
    rows = re.findall(r"^\| `([A-Z]+ /v1/[^`]+)` \| `(\w+)` \| ([^|]+) \|", page("management.md"), re.MULTILINE)
    assert {(call, name, tuple(re.findall(r"`([^`]+)`", scopes))) for call, name, scopes in rows} == known
    assert len(rows) == len(known)


def test_every_scope_and_setting_of_the_management_api_is_documented() -> None:
    from limen.control.run_settings.catalogue import CATALOGUE
    from limen.profiles import built_in

    text = page("management.md")
    for name, scope in built_in().catalogue.scopes.items():
        assert f"| `{name}` | {scope.description[0].lower()}" in text or f"| `{name}` | {scope.description}" in text
    for name, spec in CATALOGUE.items():
        assert f"| `{name}` | `{spec.default}` | {spec.allowed} | {spec.reason} |" in text


def test_every_problem_is_documented() -> None:
    from limen.core.problems import PROBLEMS

    text = page("errors.md")
    assert [code for code in PROBLEMS if f"`{code}`" not in text] == []


def test_what_is_missing_is_found() -> None:
    text = "# `key.issued`\n\n```console\n# key.revoked\n```\n\nkey.deleted\n## limen keys issue\n"
    assert headings(text) == {"key.issued", "limen keys issue"}
    assert routes('a = "/gate/new"\nb = f"/gate/auth/{x}/y"\nc = "no/route"') == {"/gate/new", "/gate/auth/", "/y"}


def test_commands_are_found_at_any_depth() -> None:
    import click

    leaf, gone = click.Command("issue"), click.Command("old", hidden=True)
    keys = click.Group("keys", commands={"issue": leaf, "old": gone})
    assert list(commands(click.Group("limen", commands={"keys": keys}), "limen")) == [
        "limen",
        "limen keys",
        "limen keys issue",
    ]

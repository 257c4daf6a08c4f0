"""Every command explains itself, and the reference says the same."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from limen.cli.main import app
from limen.control.apis import Api
from limen.control.keys import Key
from limen.control.members import Invitation, Member
from limen.control.owners import Owner, Standing
from limen.control.requests import Request
from limen.core.profile import Mistake
from tests.cli.commands import COMMANDS, tree

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "cli.md"
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def sections() -> dict[str, str]:
    """The page's sections by the command that their headings name."""
    parts = re.split(r"^## (limen .+)$", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    return {name.removeprefix("limen "): text for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def test_every_command_is_known_to_these_tests() -> None:
    assert set(tree()) == set(COMMANDS)


@pytest.mark.parametrize("path", COMMANDS)
def test_help_says_what_it_does_with_examples(path: str) -> None:
    result = CliRunner().invoke(app, [*path.split(), "--help"])
    assert result.exit_code == 0
    assert "Examples:" in result.stdout
    assert f"limen {path}" in result.stdout.partition("Examples:")[2]
    assert "--json" in result.stdout


@pytest.mark.parametrize("path", COMMANDS)
def test_the_reference_has_the_options_of_each_command_and_no_others(path: str) -> None:
    section = sections()[path]
    options = {name for each in tree()[path].params for name in (*each.opts, *each.secondary_opts) if name[:2] == "--"}
    for name in options:
        assert f"`{name}" in section or f"`{name.replace('--no-', '--')}/{name}`" in section, name
    assert set(OPTION.findall(section)) - options == set()


@pytest.mark.parametrize("path", COMMANDS)
def test_the_reference_has_the_arguments_and_the_examples_of_each_command(path: str) -> None:
    section, command = sections()[path], tree()[path]
    for each in command.params:
        if each.param_type_name == "argument":
            assert f"`{each.metavar}`" in section
    for line in command.epilog.splitlines()[2:]:
        assert line.strip() in section


@pytest.mark.parametrize("kind", [Api, Owner, Standing, Key, Mistake, Member, Invitation, Request])
def test_the_reference_has_the_fields_of_what_is_printed(kind: type) -> None:
    printed = PAGE.read_text("utf-8").partition("## What is printed")[2].partition("\n## ")[0]
    assert [each.name for each in fields(kind) if f"`{each.name}`" not in printed] == []


def test_the_exit_codes_are_documented() -> None:
    text = PAGE.read_text("utf-8")
    for line in CliRunner().invoke(app, ["--help"]).stdout.partition("Exit codes:")[2].strip().splitlines():
        assert f"| {line.split()[0]} |" in text


@pytest.mark.parametrize("words", [[], ["keys"]])
def test_without_a_command_help_is_the_answer(words: list[str]) -> None:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Commands:" in result.stderr
    assert "error:" not in result.stderr

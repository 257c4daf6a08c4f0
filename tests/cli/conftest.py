"""An installation of its own for every test, and the command line run in this process as a user runs it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer import testing
from typer.main import get_command
from typer.testing import CliRunner

from limen.cli.main import app

_COMMAND = get_command(app)
# The tree of commands takes 0.1 s to build, and the tests run some ten thousand commands: it is built once.
testing._get_command = lambda of: _COMMAND if of is app else get_command(of)  # type: ignore[attr-defined]


class Terminal:
    """Runs ``limen``; what it answers is a ``Result`` with ``exit_code``, ``stdout`` and ``stderr``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "limen.db"
        self.state = folder / "limen.db.state"
        self.pepper = folder / "limen.db.pepper"
        self.said: list[str] = []
        """All that was ever printed."""

    def __call__(self, *words: str, expect: int = 0, input: str | bytes = ""):
        result = CliRunner().invoke(app, list(words), input=input)
        self.said += [result.stdout, result.stderr]
        assert result.exit_code == expect, (words, result.exit_code, result.stdout, result.stderr)
        assert expect == 70 or "Traceback" not in result.stderr
        return result

    def json(self, *words: str, expect: int = 0, input: str | bytes = "") -> Any:
        """The one document that the command prints with ``--json``."""
        return json.loads(self(*words, "--json", expect=expect, input=input).stdout)

    def problem(self, *words: str, expect: int = 1, input: str | bytes = "") -> dict[str, Any]:
        """The problem that the command ends with: nothing on standard output, one document on standard error."""
        result = self(*words, "--json", expect=expect, input=input)
        assert result.stdout == ""
        return json.loads(result.stderr)

    def issue(self, *words: str, owner: str = "u1", scopes: Sequence[str] = ("read:self",)) -> dict[str, Any]:
        """A key of ``creator``, whose owner is made and admitted where it is not yet."""
        if owner not in [found["owner"] for found in self.json("owners", "list")]:
            self("owners", "create", "--type", "user", "--id", owner)
            self("owners", "allow", owner, "creator")
        named = [word for scope in scopes for word in ("--scope", scope)]
        return self.json("keys", "issue", "creator", owner, "--name", "a key", *named, *words)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal in an empty folder, where nothing is installed yet."""
    for name in [name for name in os.environ if name.startswith("LIMEN_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIMEN_DATABASE_URL", f"sqlite:///{tmp_path}/limen.db")
    return Terminal(tmp_path)


@pytest.fixture
def limen(bare: Terminal) -> Terminal:
    """A terminal at an installation with the API ``creator``."""
    bare("init", "--profile", "creator")
    return bare

"""What an import brings with it: the hot path stays short, embedding stays light, and ``core`` stays pure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.architecture.tree import PACKAGE, ROOT, Source, imported, sources, within

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CLOSURE = 16
SERVERS = ("granian", "uvloop", "uvicorn")
SQL = ("sqlalchemy", "alembic", "sqlite3")
FRAMEWORKS = ("fastapi", "starlette", "pydantic", "django", "flask", "msgspec", "yaml", "typer", "rich")
# Reading a clock, drawing chance, doing IO and writing a log are arguments of what core decides, not parts of it.
CLOCKS_AND_CHANCE = ("time", "random", "secrets")
IO = ("asyncio", "http", "io", "logging", "multiprocessing", "os", "pathlib", "shutil", "socket", "sqlite3", "ssl")
MORE_IO = ("subprocess", "tempfile", "threading", "urllib.request")

LIST_WHAT_COMES = """
import importlib, json, sys
wanted, missing = map(json.loads, sys.argv[1:])
sys.modules.update(dict.fromkeys(missing))
before = set(sys.modules)
for name in wanted:
    importlib.import_module(name)
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def loaded(*modules: str, missing: Sequence[str] = (), path: str = str(ROOT / "src")) -> list[str]:
    """The modules that a fresh process holds for having imported *modules*, beyond those of its own start.

    In that process *missing* cannot be imported, as if they were not installed.
    """
    environment = {**os.environ, "PYTHONPATH": path}
    answer = subprocess.run(
        [sys.executable, "-c", LIST_WHAT_COMES, json.dumps(modules), json.dumps(missing)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def foreign(modules: list[str]) -> list[str]:
    """Those of *modules* that come neither from the standard library nor from Limen."""
    tops = {name.partition(".")[0] for name in modules} - sys.stdlib_module_names - {"limen"}
    return sorted(top for top in tops if not top.startswith("_sysconfigdata"))


def impurities(source: Source) -> list[str]:
    """What a file of ``core`` imports that ``core`` may not."""
    found = []
    for name, node in imported(source):
        top = name.partition(".")[0]
        own = within(name, "limen.core")
        if not own and (top not in sys.stdlib_module_names or within(name, *CLOCKS_AND_CHANCE, *IO, *MORE_IO)):
            found.append(f"{source.where(node)} imports {name}")
    return found


def test_the_decision_imports_little() -> None:
    modules = loaded("limen.gate.check")
    own = [name for name in modules if within(name, "limen")]
    assert len(own) <= CLOSURE, own
    assert foreign(modules) == []
    assert [name for name in modules if within(name, *SQL, "asyncio")] == []


def test_the_package_is_lazy() -> None:
    modules = loaded("limen")
    assert [name for name in modules if within(name, "limen")] == ["limen"]
    assert foreign(modules) == []


def test_every_name_that_the_package_offers_can_be_had() -> None:
    import limen

    assert [name for name in limen.__all__ if getattr(limen, name, None) is None] == []


@pytest.mark.parametrize("name", sorted(path.stem for path in (PACKAGE / "guard").glob("*.py")))
def test_a_guard_brings_neither_sql_nor_a_server(name: str) -> None:
    module = "limen.guard" if name == "__init__" else f"limen.guard.{name}"
    # A framework's own guard brings that framework, and what it stands on.
    frameworks = () if name in ("fastapi", "django", "flask") else FRAMEWORKS
    assert [each for each in loaded(module) if within(each, *SQL, *SERVERS, *frameworks)] == []


def test_a_guard_runs_without_the_extras() -> None:
    missing = [*FRAMEWORKS, *SERVERS, "structlog", "click"]
    assert "limen.app" in loaded("limen.guard.asgi", "limen.app", missing=missing)


def test_the_guards_are_there() -> None:
    assert {path.stem for path in (PACKAGE / "guard").glob("*.py")} >= {"__init__", "asgi", "fastapi"}


def test_core_is_pure() -> None:
    assert [line for source in sources("src/limen/core") for line in impurities(source)] == []


@pytest.mark.parametrize(
    "text",
    [
        "import yaml",
        "from limen.gate import check",
        "from time import time",
        "def f():\n    import secrets",
        "from os.path import join",
        "from ..gate import check",
    ],
)
def test_an_impurity_is_found(text: str) -> None:
    assert len(impurities(Source("src/limen/core/keys.py", text))) == 1


@pytest.mark.parametrize("text", ["import hashlib", "from limen.core.keys import State", "from .keys import State"])
def test_what_is_allowed_is_not(text: str) -> None:
    assert impurities(Source("src/limen/core/scopes.py", text)) == []


def test_a_breach_in_a_fresh_process_is_found(tmp_path: Path) -> None:
    (tmp_path / "greedy.py").write_text("import pluggy, sqlite3, limen_like\n")
    (tmp_path / "limen_like.py").write_text("")
    modules = loaded("greedy", path=str(tmp_path))
    assert {"greedy", "limen_like", "pluggy"} <= set(foreign(modules))
    assert [name for name in modules if within(name, *SQL)] != []
    assert not [name for name in modules if within(name, "limen")]
    with pytest.raises(AssertionError, match="pluggy"):
        loaded("greedy", missing=["pluggy"], path=str(tmp_path))

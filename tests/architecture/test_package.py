"""What is installed is what was written: the wheel holds every file that the package reads when it runs."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from typing import TYPE_CHECKING

from tests.architecture.tree import PACKAGE, ROOT, imported, sources

if TYPE_CHECKING:
    from pathlib import Path

# What a plain `pip install limen` brings, and the frameworks that whoever names them has already.
EMBEDDED = {"sqlalchemy", "alembic"}
POSTGRESQL = tuple(f"src/limen/db/{name}.py" for name in ("hints", "postgresql", "windows"))
"""What is loaded only where there is a PostgreSQL."""


def test_the_wheel_holds_the_whole_package(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    answer = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert answer.returncode == 0, answer.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith("limen/")}
    written = {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix not in (".pyc", ".pyo")
    }
    assert held == written
    assert {"limen/profiles/creator.yaml", "limen/profiles/organisation.yaml"} <= held


def test_embedding_needs_only_what_a_plain_install_brings() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert {name.partition(">")[0] for name in project["dependencies"]} == EMBEDDED
    rooms = [f"src/limen/{room}" for room in ("core", "gate", "db", "control")]
    needed = {
        source.path: {name.partition(".")[0] for name, _ in imported(source)} - sys.stdlib_module_names - {"limen"}
        for source in sources(*rooms)
    }
    more = {name: found - EMBEDDED for name, found in needed.items() if found - EMBEDDED}
    sealed = {"src/limen/db/sealed.py": {"cryptography"}}  # which is asked for where a webhook is added, and no sooner
    assert more == {name: {"psycopg"} for name in POSTGRESQL} | sealed

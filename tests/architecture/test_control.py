"""Every subject of control is built alike: a small face, its verbs, and its rows, which nobody else touches."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from tests.architecture.tree import PACKAGE, Source, imported, sources

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FACE = 12
FILES = ("__init__.py", "_rows.py", "actions.py")
INSIDE = re.compile(r"limen\.control\.(\w+)\.(\w+)(\.\w+)?")


def subjects(control: Path) -> list[Path]:
    """The folders of *control*, one a subject."""
    return sorted(path for path in control.iterdir() if path.is_dir() and path.name != "__pycache__")


def misshapen(subject: Path) -> list[str]:
    """What a subject's folder lacks, or offers too much of."""
    found = [f"{subject.name} has no {name}" for name in FILES if not (subject / name).is_file()]
    face = subject / "__init__.py"
    if face.is_file():
        names = offered(ast.parse(face.read_text("utf-8")))
        if names is None:
            found.append(f"{subject.name} does not say in __all__ what it offers")
        elif len(names) > FACE:
            found.append(f"{subject.name} offers {len(names)} names, {FACE} at most")
    return found


def offered(tree: ast.Module) -> list[str] | None:
    """The names in a module's ``__all__``; None where it has none."""
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == "__all__" and isinstance(node, ast.Assign | ast.AnnAssign):
            return list(ast.literal_eval(node.value)) if node.value else None
    return None


def face(subject: str) -> list[str]:
    """The names that a subject of the package offers."""
    path = PACKAGE / "control" / subject / "__init__.py"
    return offered(ast.parse(path.read_text("utf-8"))) or [] if path.is_file() else []


def behind_the_face(source: Source, face: Callable[[str], list[str]] = face) -> list[str]:
    """The imports that reach past a subject's face from outside of the subject."""
    found = []
    for name, node in imported(source):
        match = INSIDE.fullmatch(name)
        if match is None or source.path.startswith(f"src/limen/control/{match[1]}/"):
            continue
        of_a_file = match[3] is not None
        if of_a_file or match[2] not in face(match[1]):
            found.append(f"{source.where(node)} imports {name}")
    return found


def test_every_subject_is_built_alike() -> None:
    control = PACKAGE / "control"
    assert subjects(control) != []
    assert [line for subject in subjects(control) for line in misshapen(subject)] == []


def test_subjects_are_asked_by_their_face() -> None:
    assert [line for source in sources() for line in behind_the_face(source)] == []


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({"__init__.py": "__all__ = ['a']", "actions.py": ""}, 1),
        ({"__init__.py": "", "actions.py": "", "_rows.py": ""}, 1),
        ({"__init__.py": f"__all__ = {[f'a{n}' for n in range(13)]}", "actions.py": "", "_rows.py": ""}, 1),
        ({}, 3),
        ({"__init__.py": "__all__ = ['a']", "actions.py": "", "_rows.py": ""}, 0),
    ],
)
def test_a_misshapen_subject_is_found(tmp_path: Path, files: dict[str, str], count: int) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert len(misshapen(tmp_path)) == count


@pytest.mark.parametrize(
    ("path", "text", "count"),
    [
        ("src/limen/app.py", "from limen.control.keys.actions import issue", 1),
        ("src/limen/app.py", "from limen.control.keys import not_offered", 1),
        ("src/limen/app.py", "import limen.control.keys._rows", 1),
        ("src/limen/control/owners/actions.py", "from limen.control.keys import _rows", 1),
        ("src/limen/control/keys/actions.py", "from limen.control.keys import _rows", 0),
        ("src/limen/control/keys/__init__.py", "from .actions import issue", 0),
        ("src/limen/app.py", "from limen.control import keys", 0),
        ("src/limen/app.py", "from limen.control.keys import issue", 0),
    ],
)
def test_a_way_round_the_face_is_found(path: str, text: str, count: int) -> None:
    assert len(behind_the_face(Source(path, text), lambda subject: ["issue"])) == count

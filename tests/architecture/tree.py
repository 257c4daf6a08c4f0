"""The source tree as the rules of the house read it: its files, their text and their syntax."""

from __future__ import annotations

import ast
import functools
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "limen"


@dataclass(frozen=True)
class Source:
    """One Python file: *path* relative to the project, and its text."""

    path: str
    text: str

    @functools.cached_property
    def tree(self) -> ast.Module:
        """The file's syntax."""
        return ast.parse(self.text, self.path)

    @property
    def module(self) -> str:
        """The dotted name under which a file of the package is imported."""
        parts = Path(self.path).with_suffix("").parts[1:]
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def package(self) -> str:
        """The package from which the file's relative imports are counted."""
        return self.module if self.path.endswith("__init__.py") else self.module.rpartition(".")[0]

    def where(self, node: ast.expr | ast.stmt) -> str:
        """The place of *node*, as an editor opens it."""
        return f"{self.path}:{node.lineno}"


@functools.cache
def sources(*folders: str) -> tuple[Source, ...]:
    """The Python files under *folders* of the project (by default those of the package), in order."""
    roots = [ROOT / folder for folder in folders] or [PACKAGE]
    files = sorted(path for root in roots for path in root.rglob("*.py"))
    assert files, f"no Python files under {', '.join(map(str, roots))}"
    return tuple(Source(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")) for path in files)


def imported(source: Source, *, typing: bool = True) -> list[tuple[str, ast.stmt]]:
    """What a file imports, wherever in it, as dotted names with the statement; without *typing*, what it runs.

    ``from a import b`` counts as ``a.b``: whether ``b`` is a module or a name of one, a rule about ``a`` or ``a.b``
    sees it.
    """
    skipped = set() if typing else {id(node) for block in _type_checking(source.tree) for node in ast.walk(block)}
    found: list[tuple[str, ast.stmt]] = []
    for node in ast.walk(source.tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, node) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = node.module or ""
            if node.level:
                package = source.package.split(".")
                start = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
            found += [(f"{start}.{alias.name}", node) for alias in node.names]
    return found


def within(name: str, *packages: str) -> bool:
    """Whether *name* is one of *packages* or lies in one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _type_checking(tree: ast.Module) -> list[ast.stmt]:
    blocks = (node for node in ast.walk(tree) if isinstance(node, ast.If))
    return [statement for block in blocks if "TYPE_CHECKING" in ast.unparse(block.test) for statement in block.body]

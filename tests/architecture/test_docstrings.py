"""Every public module, class, function and method says what it is."""

from __future__ import annotations

import ast
from pathlib import PurePath
from typing import TYPE_CHECKING

import pytest

from tests.architecture.tree import Source, sources

if TYPE_CHECKING:
    from collections.abc import Iterator

# What is said of these is said elsewhere: at the method that is overridden, at the getter, at the implementation.
SAID_ELSEWHERE = {"override", "overload", "setter", "deleter"}

Named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def silent(source: Source) -> list[str]:
    """What is public in a file and has no docstring. In a migration only the file itself: Alembic names the rest."""
    path = PurePath(source.path)
    if any(part.startswith("_") for part in path.parts[:-1]) or (path.stem.startswith("_") and path.stem[:2] != "__"):
        return []
    found = [] if ast.get_docstring(source.tree) else [f"{source.path}: the module"]
    if "migrations" in path.parts:
        return found
    mute = [(name, node) for name, node in _public(source.tree) if not ast.get_docstring(node)]
    return found + [f"{source.where(node)}: {name}" for name, node in mute]


def _public(body: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[tuple[str, Named]]:
    for node in _statements(body.body):
        if node.name.startswith("_") or SAID_ELSEWHERE & {_last_name(each) for each in node.decorator_list}:
            continue
        yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from _public(node, f"{prefix}{node.name}.")


def _statements(body: list[ast.stmt]) -> Iterator[Named]:
    """The definitions of a body, those under a condition too; those inside a function are its own affair."""
    for node in body:
        if isinstance(node, Named):
            yield node
        elif isinstance(node, ast.If | ast.Try):
            yield from _statements([*node.body, *node.orelse])


def _last_name(decorator: ast.expr) -> str:
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    return target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")


def test_every_public_name_is_documented() -> None:
    assert [line for source in sources() for line in silent(source)] == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("def f(): pass", "f"),
        ("async def f(): pass", "f"),
        ("class C: pass", "C"),
        ("class C:\n    'It is.'\n    def m(self): pass", "C.m"),
        ("class C:\n    'It is.'\n    @property\n    def p(self): pass", "C.p"),
        ("class C:\n    'It is.'\n    class D:\n        'It is too.'\n        def m(self): pass", "C.D.m"),
        ("if True:\n    def f(): pass", "f"),
    ],
)
def test_a_breach_is_found(text: str, name: str) -> None:
    (line,) = silent(Source("src/limen/a.py", f"'A module.'\n{text}"))
    assert line.endswith(f": {name}")


def test_a_module_without_a_docstring_is_found() -> None:
    assert silent(Source("src/limen/a.py", "A = 1")) == ["src/limen/a.py: the module"]


@pytest.mark.parametrize(
    "text",
    [
        "def _f(): pass",
        "class _C:\n    def m(self): pass",
        "class C:\n    'It is.'\n    def __init__(self): pass",
        "class C:\n    'It is.'\n    @override\n    def m(self): pass",
        "class C:\n    'It is.'\n    @p.setter\n    def p(self, value): pass",
        "def f():\n    'It does.'\n    def g(): pass",
    ],
)
def test_what_is_allowed_is_not(text: str) -> None:
    assert silent(Source("src/limen/a.py", f"'A module.'\n{text}")) == []
    assert silent(Source("src/limen/_a.py", "def f(): pass")) == []

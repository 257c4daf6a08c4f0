"""Files, functions and parameter lists stay small enough to read, and no room has a name that says nothing."""

from __future__ import annotations

import ast
from pathlib import PurePath

import pytest

from tests.architecture.tree import Source, sources

FILE_LINES = 400
FUNCTION_LINES = 70
PARAMETERS = 6
NAMELESS = {"util", "utils", "helper", "helpers", "common", "base", "manager", "managers", "shared", "misc"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(source: Source) -> list[Function]:
    """Every function and method of a file, nested ones too."""
    return [node for node in ast.walk(source.tree) if isinstance(node, Function)]


def parameters(function: Function) -> tuple[list[str], list[str]]:
    """A function's parameters: by position, and by keyword only; without the instance or class itself."""
    given = function.args
    positional = [argument.arg for argument in (*given.posonlyargs, *given.args)]
    if positional[:1] in (["self"], ["cls"]):
        del positional[0]
    return positional, [argument.arg for argument in given.kwonlyargs]


def long_files(source: Source) -> list[str]:
    """The file, if it is longer than a file may be."""
    count = len(source.text.splitlines())
    return [f"{source.path}: {count} lines, {FILE_LINES} at most"] if count > FILE_LINES else []


def long_functions(source: Source) -> list[str]:
    """The functions of a file that are longer than a function may be."""
    found = []
    for function in functions(source):
        count = (function.end_lineno or 0) - function.lineno + 1
        if count > FUNCTION_LINES:
            found.append(f"{source.where(function)} {function.name}: {count} lines, {FUNCTION_LINES} at most")
    return found


def wide_functions(source: Source) -> list[str]:
    """The functions of a file that ask for too much. A constructor may: it is how a record is written down.

    So may a command of the terminal: its parameters are its options, and nobody calls it by position.
    """
    found = []
    for function in functions(source):
        count = sum(map(len, parameters(function)))
        if count > PARAMETERS and function.name not in ("__init__", "__new__") and not is_command(function):
            found.append(f"{source.where(function)} {function.name}: {count} parameters, {PARAMETERS} at most")
    return found


def is_command(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function is decorated as a command, as in ``@app.command()``."""
    called = (mark.func for mark in function.decorator_list if isinstance(mark, ast.Call))
    return any(isinstance(mark, ast.Attribute) and mark.attr == "command" for mark in called)


def nameless(source: Source) -> list[str]:
    """The file, if it or a folder of it is called by one of the names that say nothing."""
    path = PurePath(source.path)
    return [f"{source.path}: a room called {name!r}" for name in (*path.parts[:-1], path.stem) if name in NAMELESS]


@pytest.mark.parametrize("rule", [long_files, long_functions, wide_functions])
def test_sizes(rule) -> None:
    assert [line for source in sources() for line in rule(source)] == []


def test_names() -> None:
    assert [line for source in sources("src", "tests", "tools") for line in nameless(source)] == []


@pytest.mark.parametrize(
    ("rule", "text", "path"),
    [
        (long_files, "\n" * (FILE_LINES + 1), "src/limen/a.py"),
        (long_functions, "def f():\n" + "    pass\n" * FUNCTION_LINES, "src/limen/a.py"),
        (long_functions, "class C:\n    async def f(self):\n" + "        pass\n" * FUNCTION_LINES, "src/limen/a.py"),
        (wide_functions, "def f(a, b, /, c, d, *, e, f, g): pass", "src/limen/a.py"),
        (wide_functions, "class C:\n    def m(self, a, b, c, d, e, f, g): pass", "src/limen/a.py"),
        (wide_functions, "@cached\ndef f(a, b, c, d, e, f, g): pass", "src/limen/a.py"),
        (nameless, "", "src/limen/core/utils.py"),
        (nameless, "", "src/limen/common/keys.py"),
    ],
)
def test_a_breach_is_found(rule, text: str, path: str) -> None:
    assert len(rule(Source(path, text))) == 1


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (long_files, "\n" * FILE_LINES),
        (long_functions, "def f():\n" + "    pass\n" * (FUNCTION_LINES - 1)),
        (wide_functions, "class C:\n    def m(self, a, b, c, d, e, f): pass"),
        (wide_functions, "class C:\n    def __init__(self, a, b, c, d, e, f, g): pass"),
        (wide_functions, "@app.command('x')\ndef f(a, b, c, d, e, f, g): pass"),
        (nameless, ""),
    ],
)
def test_what_is_allowed_is_not(rule, text: str) -> None:
    assert rule(Source("src/limen/core/keys.py", text)) == []

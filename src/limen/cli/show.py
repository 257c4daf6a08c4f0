"""What commands print on standard output: tables for people, one JSON document for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from limen.core.plain import plain

_UNBOUND = 10_000
"""Columns, where nobody looks: what goes into a pipe or a file is neither folded nor cut."""


_SHORT = {"key_class": "class", "environment": "env"}


def printable(text: str) -> str:
    """*text* on one line, without anything that would steer the terminal that it is printed on."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def json_out(value: object) -> None:
    """Print *value* as one JSON document, in ASCII, so that no locale garbles it."""
    typer.echo(json.dumps(plain(value), indent=2))


def one(value: object, *, as_json: bool, leave_out: Sequence[str] = ()) -> None:
    """Print one thing: its fields and what they hold, but for those that a table of their own follows for."""
    if as_json:
        json_out(value)
        return
    facts = plain(value)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, content in facts.items():
        if name not in (*leave_out, "warnings"):
            table.add_row(Text(_label(name)), Text(_cell(name, content)))
    table_out(table)
    warn(facts.get("warnings", ()))


def warn(lines: Iterable[str]) -> None:
    """Say what is odd, and not wrong, on standard error."""
    for line in lines:
        typer.secho("warning: ", fg=typer.colors.YELLOW, bold=True, nl=False, err=True)
        typer.echo(f"{printable(line)}.", err=True)


def many(values: Iterable[object], columns: Sequence[str], *, as_json: bool, nothing: str) -> None:
    """Print a list: a JSON array, or a table of *columns*; where it is empty, say *nothing* on standard error."""
    rows = [plain(value) for value in values]
    if as_json:
        json_out(rows)
    elif not rows:
        typer.echo(nothing, err=True)
    else:
        table = columned()
        for name in columns:
            table.add_column(_SHORT.get(name, _label(name)).upper())
        for row in rows:
            table.add_row(*(Text(_day(name, _cell(name, row[name]))) for name in columns))
        table_out(table, fold=False)  # a row stays one line, also where the terminal breaks it: it can be copied


def columned(*names: str) -> Table:
    """A table for people: a head, and a line a row."""
    return Table(*names, box=None, pad_edge=False, padding=(0, 2, 0, 0))


def table_out(table: RenderableType, *, fold: bool = True) -> None:
    """Print a table on standard output. *fold*: to the width of the terminal, if it is one."""
    width = None if fold and sys.stdout.isatty() else _UNBOUND
    Console(file=sys.stdout, width=width, markup=False, highlight=False, emoji=False).print(table)


def _label(name: str) -> str:
    return name.removesuffix("_at").replace("_", " ")


def _day(name: str, text: str) -> str:
    """A moment in a list of keys, APIs or owners is its day: such lists are wide. A version's date is told whole."""
    return text[:10] if name in ("created_at", "last_used_at") else text


def _cell(name: str, value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_cell("", each) for each in value) or "-"
    text = str(value)
    if name.endswith("_at") and len(text) == len("2025-01-01T00:00:00.000Z"):
        text = f"{text[:19]}Z"
    return printable(text)

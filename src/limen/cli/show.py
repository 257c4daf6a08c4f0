"""What commands print on standard output: tables for people, one JSON document for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import typer
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from limen.core.versions import iso_instant

_UNBOUND = 10_000
"""Columns, where nobody looks: what goes into a pipe or a file is neither folded nor cut."""


def printable(text: str) -> str:
    """*text* on one line, without anything that would steer the terminal that it is printed on."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def plain(value: object, name: str = "") -> Any:
    """*value* as JSON has it. Dataclasses are mappings; a number called ``…_at`` is a moment, an ISO 8601 UTC string."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name), each.name) for each in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(content, str(key)) for key, content in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if name.endswith("_at") and isinstance(value, int | float):
        return iso_instant(value)
    return value


def json_out(value: object) -> None:
    """Print *value* as one JSON document, in ASCII, so that no locale garbles it."""
    typer.echo(json.dumps(plain(value), indent=2))


def one(value: object, *, as_json: bool, leave_out: Sequence[str] = ()) -> None:
    """Print one thing: its fields and what they hold, but for those that a table of their own follows for."""
    if as_json:
        json_out(value)
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, content in plain(value).items():
        if name not in leave_out:
            table.add_row(Text(_label(name)), Text(_cell(name, content)))
    table_out(table)


def many(values: Iterable[object], columns: Sequence[str], *, as_json: bool, nothing: str) -> None:
    """Print a list: a JSON array, or a table of *columns*; where it is empty, say *nothing* on standard error."""
    rows = [plain(value) for value in values]
    if as_json:
        json_out(rows)
    elif not rows:
        typer.echo(nothing, err=True)
    else:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for name in columns:
            table.add_column(_label(name).upper(), overflow="fold")
        for row in rows:
            table.add_row(*(Text(_cell(name, row[name])) for name in columns))
        table_out(table)


def table_out(table: RenderableType) -> None:
    """Print a table on standard output."""
    width = None if sys.stdout.isatty() else _UNBOUND
    Console(file=sys.stdout, width=width, markup=False, highlight=False, emoji=False).print(table)


def _label(name: str) -> str:
    return name.removesuffix("_at").replace("_", " ")


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

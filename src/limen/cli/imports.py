"""``limen keys import``: the keys of another system, from a file."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from limen.app import App
from limen.cli import read, show
from limen.cli.door import opened
from limen.cli.keys import app
from limen.cli.options import ApiName, AsJson, examples
from limen.cli.progress import bar
from limen.control import imports
from limen.core.problems import ProblemError

__all__ = ["app"]

BATCH = 1_000
"""Entries in one transaction: other changes wait for less than a second."""

_SHOWN = 20


@dataclass(slots=True)
class _Told:
    """What became of a file, so far."""

    keys: list[imports.Brought] = field(default_factory=list)
    present: list[int] = field(default_factory=list)
    wrong: list[imports.Wrong] = field(default_factory=list)
    owners: int = 0

    def add(self, report: imports.Report) -> None:
        self.keys += report.keys
        self.present += report.present
        self.wrong += report.wrong
        self.owners += len(report.owners)


@app.command(
    "import",
    epilog=examples(
        "limen keys import creator keys.jsonl --create-owners --dry-run",
        "limen keys import creator keys.csv --create-owners --allow --weak-expire '90 d'",
        "limen keys import creator - --skip-wrong --json < keys.jsonl",
    ),
)
def import_(
    api: ApiName,
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSON lines, or CSV with a head; '-': standard input.")],
    *,
    create_owners: Annotated[bool, typer.Option("--create-owners", help="Make the owners that there are not.")] = False,
    allow: Annotated[bool, typer.Option("--allow", help="Put the owners on the API's allow-list.")] = False,
    trusted: Annotated[
        bool, typer.Option("--trusted", help="Keys that come as hashes are as hard to guess as Limen's own.")
    ] = False,
    weak_expire: Annotated[
        str, typer.Option("--weak-expire", metavar="DURATION", help="How long weak keys live at most: '90 d'.")
    ] = "",
    skip_wrong: Annotated[
        bool, typer.Option("--skip-wrong", help="Bring what can be. Default: nothing, if a line is wrong.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the keys of another system along, as it stored them: they go on working as they are.

    The API's profile says how they look, under keys.foreign. A key that is there already is left as it is, so that a
    file can be brought again. Exit code 1 where a line is wrong, unless such lines are to be skipped.
    """
    wanted = imports.Import(
        api,
        create_owners=create_owners,
        allow_owners=allow,
        skip_wrong=skip_wrong,
        trusted=trusted,
        weak_life_s=read.duration_s(weak_expire, "--weak-expire") if weak_expire else None,
    )
    told = _Told()
    entries = list(_entries(file, told))
    refused = False
    with opened() as limen:
        if dry_run or not skip_wrong:
            with limen.reading() as reader:
                checked = imports.check(reader, wanted, entries, limen.ring.keyring)
            refused = bool(checked.wrong or told.wrong) and not skip_wrong
            if dry_run or refused:
                told.add(checked if dry_run else replace(checked, keys=(), owners=()))
        if not dry_run and not refused:
            _bring(limen, wanted, entries, told)
    _say(told, dry_run=dry_run, as_json=as_json)
    if refused:
        raise typer.Exit(1)


def _bring(limen: App, wanted: imports.Import, entries: Sequence[imports.Entry], told: _Told) -> None:
    with bar("Importing") as progress:
        for at in range(0, len(entries), BATCH):
            try:
                told.add(limen.act(imports.bring, wanted, entries[at : at + BATCH]))
            except ProblemError:
                typer.echo(f"{len(told.keys)} keys were brought before this. Run it again to go on.", err=True)
                raise
            progress(min(at + BATCH, len(entries)), len(entries))


def _entries(file: str, told: _Told) -> Iterator[imports.Entry]:
    """The entries of *file*; what cannot be read is told as wrong."""
    content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ProblemError("import_wrong", "The file is not UTF-8.") from None
    lines = _json_lines(text) if text.lstrip().startswith("{") else _csv_lines(text)
    for number, data in lines:
        try:
            if not isinstance(data, Mapping):
                raise ProblemError("import_wrong", "The line is no JSON object, or has more values than the head.")
            yield imports.read_entry(data, number)
        except ProblemError as error:
            told.wrong.append(imports.Wrong(number, error.problem.code, error.detail))


def _json_lines(text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError):
                yield number, None


def _csv_lines(text: str) -> Iterator[tuple[int, Any]]:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in rows:
            yield rows.line_num, row if None not in row else None
    except csv.Error as error:
        raise ProblemError("import_wrong", f"Line {rows.line_num} is no CSV: {error}.") from None


def _say(told: _Told, *, dry_run: bool, as_json: bool) -> None:
    told.wrong.sort(key=lambda each: each.number)
    weak = [each for each in told.keys if each.weak]
    if as_json:
        of = {"dry_run": dry_run, "owners": told.owners, "keys": told.keys, "present": told.present}
        show.json_out(of | {"wrong": told.wrong})
        return
    for each in told.wrong[:_SHOWN]:
        typer.echo(show.printable(f"line {each.number}: {each.code}: {each.detail}"), err=True)
    if len(told.wrong) > _SHOWN:
        typer.echo(f"and {len(told.wrong) - _SHOWN} more lines; --json tells all of them.", err=True)
    counts = {"keys": len(told.keys), "weak": len(weak), "owners": told.owners}
    show.one(
        {("would_bring" if dry_run else "brought"): counts["keys"], "of_them_weak": counts["weak"]}
        | {"owners_made": counts["owners"], "there_already": len(told.present), "wrong": len(told.wrong)},
        as_json=False,
    )
    if weak and not dry_run:
        typer.echo("Weak keys are to be replaced: limen keys list --weak", err=True)

"""``limen keys …-all``: one thing done to many keys, in transactions of some hundred, with a question before."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from limen.app import App
from limen.cli import read, show
from limen.cli.door import INTERRUPTED, confirm, opened
from limen.cli.filters import Filter, filtered
from limen.cli.inspection import app
from limen.cli.options import AsJson, Yes, examples
from limen.cli.progress import bar
from limen.control import batches
from limen.control.batches import Batch, Preview, Skipped, Task
from limen.control.keys import Issued
from limen.core.plain import plain
from limen.core.problems import PROBLEMS, ProblemError
from limen.core.versions import iso_instant
from limen.db.transaction import Tx

__all__ = ["app"]

CHUNK = 500
"""Keys in one transaction: other changes wait for half a second."""
_SHOWN = 20
_COLUMNS = ("key", "hint", "api", "owner", "name", "key_class", "environment", "state", "created_at", "last_used_at")

_DONE = {
    "revoke": "revoked",
    "expire": "given their date",
    "regenerate": "replaced",
    "deactivate": "deactivated",
    "reactivate": "reactivated",
}

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count the keys, and show the first of them.")]


@dataclass(slots=True)
class _Told:
    """What became of the keys that *matched*, so far."""

    matched: int
    began: float
    done: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    interrupted: bool = False

    def add(self, batch: Batch) -> None:
        self.done += len(batch.done)
        self.skipped += batch.skipped

    @property
    def seen(self) -> int:
        """How many it was done to, or not."""
        return self.done + len(self.skipped)


@app.command(
    "revoke-all",
    epilog=examples(
        "limen keys revoke-all --owner acme --reason breach --dry-run",
        "limen keys revoke-all --api shop --created-by member:u-1024 --reason 'left the company'",
        "limen keys revoke-all --never-used --created-before 2026-01-01 --reason unused --yes --json",
    ),
)
@filtered
def revoke_all(
    *,
    wanted: Filter,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept with each key and in the audit.")],
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """End many keys for good. Those that ended already stay as they are."""
    _do(_Order("revoke", wanted, "revoked", final=True, reason=reason), dry_run=dry_run, yes=yes, as_json=as_json)


@app.command(
    "expire-all",
    epilog=examples(
        "limen keys expire-all --api shop --weak --at 2027-01-01",
        "limen keys expire-all --owner acme --environment test --at now --yes",
    ),
)
@filtered
def expire_all(
    *,
    wanted: Filter,
    at: Annotated[
        str, typer.Option("--at", metavar="DATE", help="2027-01-01 (midnight UTC), 2027-01-01T12:00:00Z, or now.")
    ],
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Set when many keys end. Those that end earlier are skipped: a date is only ever brought forward."""
    order = _Order("expire", wanted, f"end at {at}", final=True, at=read.moment(at, "--at"))
    _do(order, dry_run=dry_run, yes=yes, as_json=as_json)


@app.command(
    "regenerate-all",
    epilog=examples(
        "limen keys regenerate-all --owner acme --out new-keys.jsonl",
        "limen keys regenerate-all --api shop --leaked --overlap '0 s' --stdout --yes",
    ),
)
@filtered
def regenerate_all(
    *,
    wanted: Filter,
    overlap: Annotated[
        str,
        typer.Option(
            "--overlap",
            metavar="DURATION",
            help="How long the old keys go on: '1 h'. At most, and by default, the profile's.",
        ),
    ] = "",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="A new file for the new keys, for its owner alone.")
    ] = None,
    stdout: Annotated[bool, typer.Option("--stdout", help="Print the new keys in place of a file.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Put new keys in the place of many, and write them down once, as JSON lines.

    They have the same names, classes and scopes. The old keys end now, or after the overlap. Keys that sleep are left.
    """
    if (out is not None) == stdout and not dry_run:
        raise typer.BadParameter("say where the new keys go: either --out FILE or --stdout.", param_hint="--out")
    if stdout and as_json:
        raise typer.BadParameter("it goes without --json, which prints one document.", param_hint="--stdout")
    overlap_s = read.duration_s(overlap, "--overlap") if overlap else None
    order = _Order("regenerate", wanted, "replaced, and end", final=True, overlap_s=overlap_s)
    _do(order, dry_run=dry_run, yes=yes, as_json=as_json, out=out, stdout=stdout)


@app.command(
    "deactivate-all",
    epilog=examples("limen keys deactivate-all --api shop --prefix pk_live_", "limen keys deactivate-all --owner acme"),
)
@filtered
def deactivate_all(*, wanted: Filter, dry_run: DryRun = False, yes: Yes = False, as_json: AsJson = False) -> None:
    """Refuse many keys until they are reactivated."""
    _do(_Order("deactivate", wanted, "deactivated"), dry_run=dry_run, yes=yes, as_json=as_json)


@app.command(
    "reactivate-all",
    epilog=examples("limen keys reactivate-all --owner acme", "limen keys reactivate-all --api shop --dry-run"),
)
@filtered
def reactivate_all(*, wanted: Filter, dry_run: DryRun = False, yes: Yes = False, as_json: AsJson = False) -> None:
    """Admit many deactivated keys again. Where the profile allows one active key, and there is one, it is skipped."""
    _do(_Order("reactivate", wanted, "admitted again"), dry_run=dry_run, yes=yes, as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Order:
    """What a command is about, in its words."""

    action: str
    wanted: Filter
    becomes: str
    """What becomes of the keys, after 'they'; or after 'they are'."""
    final: bool = False
    reason: str = ""
    at: read.Moment | None = None
    overlap_s: int | None = None

    def task(self, now: float) -> Task:
        """The task, seen from *now*."""
        ends_at = self.at.at if self.at is not None else None
        return Task(self.action, self.wanted.at(now), reason=self.reason, expires_at=ends_at, overlap_s=self.overlap_s)

    def question(self, count: int) -> str:
        """What is asked before it is done."""
        verb = "" if self.becomes.startswith("end") else "is " if count == 1 else "are "
        undone = " This cannot be undone." if self.final else ""
        return f"{_keys(count)} {verb}{self.becomes}.{undone}"


def _keys(count: int) -> str:
    return f"{count:,} {'key' if count == 1 else 'keys'}"


def _do(
    order: _Order, *, dry_run: bool, yes: bool, as_json: bool, out: Path | None = None, stdout: bool = False
) -> None:
    with opened() as limen:
        with limen.reading() as reader:
            task = order.task(reader.now)
            found = batches.preview(reader, task)
        if dry_run:
            _show(found, as_json=as_json)
            return
        if found.count:
            confirm(order.question(found.count), yes=yes)
        told = _Told(found.count, reader.now)
        with _Sheet(out if found.count else None) as sheet:
            _run(limen, task, told, sheet, stdout=stdout)
    _sum_up(order, told, out, as_json=as_json, aside=stdout)
    if told.interrupted:
        raise typer.Exit(INTERRUPTED)


class _Sheet:
    """The file that new keys are written into, if there is one: made anew, and for its owner alone."""

    def __init__(self, path: Path | None) -> None:
        self._path, self._kept, self._file = path, 0, -1

    def __enter__(self) -> _Sheet:
        if self._path is not None:
            try:
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                found = f"found {self._path}, allowed: a file that is not there yet."
                raise typer.BadParameter(found, param_hint="--out") from None
        return self

    def write(self, batch: Batch) -> None:
        """The new keys of *batch* are on the disk."""
        if self._file >= 0 and batch.issued:
            lines = "".join(map(_line, batch.issued)).encode()
            while lines:
                lines = lines[os.write(self._file, lines) :]
            os.fsync(self._file)

    def keep(self) -> None:
        """What was written stands."""
        if self._file >= 0:
            self._kept = os.lseek(self._file, 0, os.SEEK_CUR)

    def __exit__(self, *_: object) -> None:
        """What was written, and is not to stand, is gone, and an empty file with it."""
        if self._path is None:
            return
        os.truncate(self._file, self._kept)
        os.close(self._file)
        if not self._kept:
            self._path.unlink()


def _line(issued: Issued) -> str:
    """A new key as a line of JSON."""
    key = issued.key
    told = {"key": key.key, "predecessor": key.predecessor, "api": key.api, "owner": key.owner, "name": key.name}
    return json.dumps(told | {"text": issued.text}) + "\n"


def _run(limen: App, task: Task, told: _Told, sheet: _Sheet, *, stdout: bool) -> None:
    """Batch after batch, until there are no more keys, or somebody interrupts."""

    def verb(tx: Tx, after: str) -> Batch:
        batch = batches.run(tx, task, after=after, limit=CHUNK)
        sheet.write(batch)  # before the commit: a key whose text is nowhere would be of no use to anybody
        return batch

    after = ""
    with bar(f"{task.action} keys") as tell, _interruptible(told):
        while told.matched and not told.interrupted:
            try:
                batch = limen.act(verb, after)
            except ProblemError as error:
                error.detail += f" Before that it was done to {_keys(told.done)}."
                raise
            sheet.keep()
            told.add(batch)
            if stdout:
                typer.echo("".join(map(_line, batch.issued)), nl=False)
            tell(told.seen, max(told.matched, told.seen))
            if not (after := batch.next):
                break


@contextmanager
def _interruptible(told: _Told) -> Iterator[None]:
    """Within, an interrupt waits until the transaction that runs is done; a second one undoes it."""

    def interrupted(_number: int, _frame: FrameType | None) -> None:
        told.interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    except KeyboardInterrupt:
        told.interrupted = True
    finally:
        signal.signal(signal.SIGINT, before)


def _show(found: Preview, *, as_json: bool) -> None:
    if as_json:
        show.json_out({"count": found.count, "first": plain(found.first)})
        return
    show.many(found.first, _COLUMNS, as_json=False, nothing="There are no such keys.")
    if found.count > len(found.first):
        typer.echo(f"… and {found.count - len(found.first):,} more.", err=True)


def _sum_up(order: _Order, told: _Told, out: Path | None, *, as_json: bool, aside: bool) -> None:
    """Say how many it was done to, and why it was not done to others."""
    if as_json:
        said = {"action": order.action, "matched": told.matched, "done": told.done, "skipped": told.skipped}
        said |= {
            "interrupted": told.interrupted,
            "began_at": told.began,
            "out": str(out) if out and told.done else None,
        }
        show.json_out(said)
        return
    typer.echo(f"{told.done:,} of {_keys(told.matched)} {_DONE[order.action]}.", err=aside)
    for code, count in Counter(each.code for each in told.skipped).most_common():
        typer.echo(f"{_keys(count)} skipped: {PROBLEMS[code].title}.", err=True)
    for each in told.skipped[:_SHOWN]:
        typer.echo(f"  {each.key}: {show.printable(each.detail)}", err=True)
    if len(told.skipped) > _SHOWN:
        typer.echo("  … --json names all of them.", err=True)
    if out is not None and told.done:
        typer.echo(f"The new keys are in {out}. Nobody can show them again.", err=True)
    if told.interrupted:
        more = f", with --created-before {iso_instant(told.began)}" if order.action == "regenerate" else ""
        typer.echo(f"Interrupted. What is done is done; the same command goes on with the rest{more}.", err=True)

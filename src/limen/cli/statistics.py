"""``limen usage``: what there was in all, drawn and in tables, and the same as a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from limen.cli import chart, read, show
from limen.cli.asking import CALLS, TIME, WHOSE, Wanted, asking
from limen.cli.door import opened
from limen.cli.options import AsJson
from limen.control import statistics
from limen.control.statistics import Asked, Totals
from limen.core.problems import ProblemError
from limen.core.statistics import Part, Point
from limen.db.transaction import Reader

T = TypeVar("T")
Limit = Annotated[int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="How many at most.")]
KeyId = Annotated[
    str, typer.Argument(metavar="KEY", help="The key's 12-character id; '-': read a whole key from standard input.")
]


class Granularity(StrEnum):
    """How fine a series is."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


class Dimension(StrEnum):
    """By what usage is parted."""

    CODE = "code"
    OPERATION = "operation"
    VERSION = "version"
    STATUS = "status"


class Whom(StrEnum):
    """Of whom the top is."""

    KEY = "key"
    OWNER = "owner"


class Order(StrEnum):
    """Of what the most is meant."""

    CALLS = "calls"
    REFUSED = "refused"
    ERRORS = "errors"


class Format(StrEnum):
    """How a file is written."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


def _ask(question: Callable[[Reader, Asked], T], wanted: Wanted, **more: str) -> T:
    with opened() as limen, limen.reading() as reader:
        return question(reader, wanted.at(reader.now, **more))


def overview(wanted: Wanted, *, as_json: bool) -> None:
    """Totals, a sparkline, and bars by code and operation, each beside the time before."""

    def found(reader: Reader, asked: Asked) -> tuple[Totals, list[Point], list[Part], list[Part]]:
        codes, operations = (statistics.by(reader, asked, of, limit=8) for of in ("code", "operation"))
        return statistics.totals(reader, asked), statistics.series(reader, asked), codes, operations

    totals, points, codes, operations = _ask(found, wanted)
    if as_json:
        show.json_out({"totals": totals, "series": points, "codes": codes, "operations": operations})
        return
    plain = chart.is_plain()
    whose = next((wanted.which[name] for name in ("key", "owner", "api") if name in wanted.which), "every API")
    typer.secho(f"{show.printable(whose)}, the last {wanted.within}", bold=True)
    _say(totals)
    if totals.calls:
        most = max(point.calls for point in points)
        drawn = chart.sparkline([point.calls for point in points], plain=plain)
        typer.echo(f"\n{drawn}  at most {most:,}")
        for title, parts in (("by code", codes), ("by operation", operations)):
            _draw(title, parts, totals.calls, plain=plain)


def _say(totals: Totals) -> None:
    change = "" if totals.change_percent is None else f" ({totals.change_percent:+.1f} % on the time before)"
    typer.echo(f"{totals.calls:,} calls{change}: {totals.admitted:,} admitted, {totals.refused:,} refused")
    if totals.answered:
        rates = f"{totals.success_percent:g} % succeeded, {totals.error_percent:g} % were errors"
        typer.echo(f"{rates}, of the {totals.known_percent:g} % whose status is known")
    if totals.latency is not None:
        times = totals.latency
        typer.echo(f"half within {times.p50_ms:g} ms, 90 % {times.p90_ms:g} ms, 99 % {times.p99_ms:g} ms")


def _draw(title: str, parts: Sequence[Part], calls: int, *, plain: bool) -> None:
    typer.secho(f"\n{title}", bold=True)
    width = max(len(show.printable(part.value)) for part in parts)
    for part in parts:
        drawn = chart.bar(part.calls / calls, 24, plain=plain)
        colour = None if part.refused == 0 else typer.colors.YELLOW
        name = (show.printable(part.value) or "-").ljust(max(width, 1))
        change = "" if part.change_percent is None else f"  {part.change_percent:+.1f} %"
        new = "  new" if part.before == 0 else ""
        typer.echo(f"{name}  {typer.style(drawn.ljust(24), fg=colour)}  {part.calls:,}{change}{new}")


@asking(*CALLS, *TIME)
def totals(
    *,
    wanted: Wanted,
    as_json: AsJson = False,
) -> None:
    """What there was in all, beside the time before: decisions, what the API answered, and how long that took."""
    found = _ask(statistics.totals, wanted)
    show.one(found, as_json=as_json, leave_out=("before", "latency"))
    if as_json:
        return
    if found.before is not None:
        typer.echo(f"before  {found.before.calls:,} calls, {found.before.refused:,} refused")
    if found.latency is not None:
        show.many([found.latency], ("answers", "p50_ms", "p90_ms", "p99_ms"), as_json=False, nothing="")


@asking(*CALLS, *TIME)
def series(
    *,
    by: Annotated[Granularity | None, typer.Option("--by", help="Default: what suits a chart.")] = None,
    wanted: Wanted,
    as_json: AsJson = False,
) -> None:
    """The same by minute, hour, day or month (UTC), also where nothing was called; at most 1,500 points."""

    def points(reader: Reader, asked: Asked) -> list[Point]:
        return statistics.series(reader, asked, "" if by is None else by.value)

    found = _ask(points, wanted)
    if not as_json:
        typer.echo(chart.sparkline([point.calls for point in found], plain=chart.is_plain()))
    columns = ("at", "calls", "admitted", "refused", "answered", "client_errors", "server_errors")
    show.many(found, columns, as_json=as_json, nothing="")


_PARTS = ("value", "calls", "admitted", "refused", "success_percent", "error_percent", "before", "change_percent")


@asking(*CALLS, *TIME)
def by(
    of: Annotated[Dimension, typer.Argument(metavar="WHAT", help="code, operation, version or status.")],
    *,
    wanted: Wanted,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Usage by code, operation, version, or class of the status that the API answered; the most first."""

    def found(reader: Reader, asked: Asked) -> list[Part]:
        return statistics.by(reader, asked, of.value, limit=limit)

    parts = _ask(found, wanted)
    show.many(parts, _PARTS, as_json=as_json, nothing="Nothing was recorded.")


@asking("api", "owner", *TIME)
def top(
    of: Annotated[Whom, typer.Argument(metavar="WHOM", help="key or owner.")] = Whom.KEY,
    *,
    order: Annotated[Order, typer.Option("--order", help="With the most of these.")] = Order.CALLS,
    wanted: Wanted,
    limit: Limit = 10,
    as_json: AsJson = False,
) -> None:
    """The keys, or owners, with the most calls, refusals, or errors that the API answered."""

    def found(reader: Reader, asked: Asked) -> list[Part]:
        return statistics.by(reader, asked, of.value, order=order.value, limit=limit)

    parts = _ask(found, wanted)
    show.many(parts, _PARTS, as_json=as_json, nothing="Nothing was recorded.")


@asking("within", within="90 d")
def scopes(key: KeyId, *, wanted: Wanted, as_json: AsJson = False) -> None:
    """The scopes of a key, and for which operations they were needed: without the others, it had sufficed."""
    found = _ask(statistics.scopes, wanted, key=read.key_id(key))
    show.many(found, ("scope", "used", "calls", "last_at", "operations"), as_json=as_json, nothing="It holds none.")


@asking()
def window(key: KeyId, *, wanted: Wanted, as_json: AsJson = False) -> None:
    """The limits of a key, and what can be used of them by now at most: an estimate, about a second late."""
    found = _ask(statistics.window, wanted, key=read.key_id(key))
    columns = ("limit", "source", "operation", "used_at_most", "left_at_least")
    show.many(found, columns, as_json=as_json, nothing="No limit holds for it.")


@asking(*WHOSE, *TIME)
def export(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A new file; '-': standard output, and nothing else there.")
    ],
    *,
    by: Annotated[Granularity, typer.Option("--by", help="By what spans: minute, hour or day.")] = Granularity.HOUR,
    form: Annotated[Format | None, typer.Option("--format", help="Default: what the file's name ends with.")] = None,
    wanted: Wanted,
    as_json: AsJson = False,
) -> None:
    """Write usage, key by key, for other programs: CSV, JSON lines or Parquet. Of the texts none is a formula."""
    ending = file.suffix.removeprefix(".")
    known = ending if ending in {each.value for each in Format} else Format.CSV.value
    with opened() as limen:
        with limen.reading() as reader:
            asked = wanted.at(reader.now)

        def ask(question: Callable[[Reader], Any]) -> Any:
            with limen.reading() as reader:
                return question(reader)

        written = form.value if form is not None else known
        parts = statistics.export(ask, asked, granularity=by.value, form=written)
        if str(file) == "-":
            stream = typer.get_binary_stream("stdout")
            for part in parts:
                stream.write(part)
            return
        try:
            with file.open("xb") as to:
                size = sum(to.write(part) for part in parts)
        except FileExistsError:
            raise ProblemError("file_exists", f"There is a file {str(file)!r} already.") from None
    show.one({"file": str(file), "format": written, "bytes": size}, as_json=as_json)

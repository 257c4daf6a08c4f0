"""``limen usage rebuild``: the roll-ups looked at against the readings, and made from them anew."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from limen.cli import read, show
from limen.cli.door import confirm, opened
from limen.cli.options import AsJson, Yes
from limen.cli.progress import bar
from limen.control import recording
from limen.core.rollup import DAY_S

_DAY = "A day by UTC: '2026-06-26'."


def rebuild(
    *,
    since: Annotated[str, typer.Option("--since", metavar="DAY", help=f"From this day on. {_DAY}")] = "now",
    until: Annotated[str, typer.Option("--until", metavar="DAY", help=f"Up to this day. {_DAY}")] = "now",
    check: Annotated[bool, typer.Option("--check", help="Only count the rows that are wrong.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Make what usage comes to by minute, hour and day anew from the readings, or look whether it is right.

    A day is one transaction; nothing is recorded meanwhile. Only days of which every reading is still there.
    """
    with opened() as limen:
        with limen.reading() as reader:
            first = read.moment(since, "--since").from_now(reader.now) // DAY_S
            last = read.moment(until, "--until").from_now(reader.now) // DAY_S
            whole = recording.whole_since(reader)
        if first > last:
            raise typer.BadParameter(f"{_named(first)} is after {_named(last)}.", param_hint="--since")
        if first * DAY_S < whole:
            raise typer.BadParameter(
                f"of {_named(first)} readings have gone, by their age or with an owner that was erased; the first day "
                f"that is whole is {_named(whole // DAY_S)}.",
                param_hint="--since",
            )
        days = range(int(first), int(last) + 1)
        if not check:
            confirm(f"What usage came to on {len(days)} days is made anew from the readings.", yes=yes)
        found = []
        with bar("Reading") as progress:
            for number, day in enumerate(days):
                progress(number, len(days))
                with limen.reading() as reader:
                    found.append({"day": _named(day), "wrong": recording.wrong(reader, day)})
                if not check and found[-1]["wrong"]:
                    limen.act(recording.rebuild, day)
    show.many(found, ("day", "wrong"), as_json=as_json, nothing="There is no such day.")
    if check and any(each["wrong"] for each in found):
        raise typer.Exit(1)


def _named(day: float) -> str:
    return f"{datetime.fromtimestamp(day * DAY_S, UTC):%Y-%m-%d}"

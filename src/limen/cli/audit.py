"""``limen audit``: who changed what, when and from where; and whether that record is whole."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from limen.cli import read, show
from limen.cli.door import REFUSED, confirm, opened
from limen.cli.options import AsJson, Yes, examples, group
from limen.control import audit
from limen.core.audit import Head, read_head
from limen.core.plain import plain

app = group("Who changed what, when and from where, and whether that record is whole.")

By = Annotated[
    str, typer.Option("--actor", metavar="ACTOR", help="By this actor: terminal:NAME, staff:KEY, and so on.")
]
Verb = Annotated[str, typer.Option("--verb", metavar="VERB", help="Only this verb: keys.revoke.")]
Api = Annotated[str, typer.Option("--api", metavar="API", help="Only of this API.")]
Subject = Annotated[str, typer.Option("--subject", metavar="ID", help="Only of this key, owner, API or version.")]
Since = Annotated[
    str, typer.Option("--since", metavar="DATE", help="2026-06-26 (midnight UTC) or 2026-06-26T12:00:00Z.")
]
Until = Annotated[str, typer.Option("--until", metavar="DATE", help="Before this moment, written like --since.")]

_HOW = {
    "changed": "the row or its link is not what was laid",
    "missing": "the row or its link is gone",
    "out_of_order": "links and rows are not in the same order",
    "inserted": "a row was put in between later",
    "personal": "a personal value is not the one that the row tells of",
    "anchor": "the chain does not contain this head: it was cut off or rewritten",
}


@app.command(
    "list",
    epilog=examples(
        "limen audit list --subject u-1024",
        "limen audit list --verb apis.switch --api creator --since 2026-06-26",
        "limen audit list --actor staff:4fQ0wZr81kTb --limit 1000 --json",
    ),
)
def list_(
    *,
    actor: By = "",
    verb: Verb = "",
    api: Api = "",
    subject: Subject = "",
    since: Since = "",
    until: Until = "",
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="How many at most.")] = 100,
    after: Annotated[
        int | None, typer.Option("--after", metavar="ID", min=1, help="From behind the entry with this id on.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Entries of the audit, the newest first."""
    moments = {"since": since, "until": until}
    with opened() as limen, limen.reading() as reader:
        wanted: Any = {"actor": actor, "verb": verb, "api": api, "subject": subject} | _moments(moments, reader.now)
        found = audit.listed(reader, after=after, limit=limit, **wanted)
    columns = ("id", "at", "actor", "verb", "api", "subject", "position")
    show.many(found, columns, as_json=as_json, nothing="There are no such entries.")
    if len(found) == limit:
        typer.echo(f"There may be more: --after {found[-1].id}", err=True)


@app.command("show", epilog=examples("limen audit show 17", "limen audit show 17 --json"))
def show_(
    entry: Annotated[int, typer.Argument(metavar="ID", help="The entry's id.")],
    as_json: AsJson = False,
) -> None:
    """One entry: what changed, as it was and as it is, and what is personal in it."""
    with opened() as limen, limen.reading() as reader:
        found = audit.require(reader, entry)
    show.one(found if as_json else _unfolded(found), as_json=as_json)


def _unfolded(entry: audit.Entry) -> dict[str, Any]:
    """*entry*, with a line for each thing that is said of it."""
    lines: dict[str, Any] = {}
    for name, content in plain(entry).items():
        if isinstance(content, dict):
            for part, value in content.items():
                erased = name == "personal" and value is None
                lines[show.printable(f"{name} {part}")] = "(erased)" if erased else value
        elif name not in ("before", "after"):
            lines[name] = content
    return lines


@app.command(
    "verify",
    epilog=examples("limen audit verify", "limen audit verify --head $(tail -1 /mnt/elsewhere/heads)"),
)
def verify(
    head: Annotated[
        str, typer.Option("--head", metavar="POSITION:DIGEST", help="A head that was kept: is it still in the chain?")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Walk the chain over all entries, and say where it breaks.

    Exit code 1 where it does. Without a head that was kept elsewhere, a chain that was rewritten as a whole is whole.
    """
    kept = _head(head) if head else None
    with opened() as limen, limen.reading() as reader:
        found = audit.verify(reader, kept=kept)
    show.one(found, as_json=as_json, leave_out=("breaks",))
    if not as_json and found.breaks:
        rows = [{"position": each.position, "id": each.id or None, "how": _HOW[each.how]} for each in found.breaks]
        show.many(rows, ("position", "id", "how"), as_json=False, nothing="")
    if not found.whole:
        raise typer.Exit(REFUSED)


@app.command("head", epilog=examples("limen audit head >> /mnt/elsewhere/heads"))
def head_(as_json: AsJson = False) -> None:
    """Print the end of the chain, POSITION:DIGEST, to be kept where whoever can write the database cannot write."""
    with opened() as limen, limen.reading() as reader:
        found = audit.head(reader)
    if as_json:
        show.json_out(found)
    else:
        typer.echo(str(found))


@app.command(
    "export",
    epilog=examples("limen audit export > audit.jsonl", "limen audit export --after 1200 >> audit.jsonl"),
)
def export(
    after: Annotated[
        int, typer.Option("--after", metavar="ID", min=0, help="From behind the entry with this id on. Default: all.")
    ] = 0,
    personal: Annotated[
        bool, typer.Option("--personal", help="With what is personal and was not erased. The file is personal then.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write all entries out with their links, the oldest first: one object of JSON a line.

    'row' is written as the chain reads it, so that anybody can verify it without Limen. With --json, the same objects
    as an array.
    """
    with opened() as limen, limen.reading() as reader:
        lines = audit.export(reader, after=after, personal=personal)
        if not as_json:
            for line in lines:
                typer.echo(line)
            return
        between = "[\n"
        for line in lines:
            typer.echo(f"{between}{line}", nl=False)
            between = ",\n"
        typer.echo("\n]" if between == ",\n" else "[]")


@app.command(
    "erase",
    epilog=examples("limen audit erase --subject u-1024", "limen audit erase --until 2025-06-26 --yes"),
)
def erase(
    *,
    actor: By = "",
    verb: Verb = "",
    api: Api = "",
    subject: Subject = "",
    since: Since = "",
    until: Until = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Erase what is personal in entries: addresses, names, reasons. The entries stay, and the chain stays whole.

    The erasing is an entry too.
    """
    moments = {"since": since, "until": until}
    with opened() as limen:
        wanted: Any = {"actor": actor, "verb": verb, "api": api, "subject": subject}
        wanted |= _moments(moments, limen.clock.read()[0])
        confirm("What is personal in these entries is erased. This cannot be undone.", yes=yes)
        count = limen.act(audit.erase, wanted)
    show.one({"erased": count}, as_json=as_json)


def _moments(written: dict[str, str], now: float) -> dict[str, float]:
    return {name: read.moment(text, f"--{name}").from_now(now) for name, text in written.items() if text}


def _head(text: str) -> Head:
    try:
        return read_head(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}.", param_hint="--head") from None

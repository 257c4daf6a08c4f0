"""``limen usage``: what keys were used for, in all and one by one; what was refused; what the API answered."""

from __future__ import annotations

from typing import Annotated

import typer

from limen.cli import read, show, statistics
from limen.cli.asking import WHOSE, Wanted, asking
from limen.cli.door import opened
from limen.cli.follow import Filter, follow, run
from limen.cli.ingest import ingest
from limen.cli.options import AsJson, examples, group
from limen.cli.rebuild import rebuild
from limen.control import usage

app = group("What keys were used for, and what was refused.", alone=True)

Api = Annotated[str, typer.Option("--api", metavar="API", help="Of this API. Default: of every one.")]
Within = Annotated[
    str, typer.Option("--within", metavar="DURATION", help="How far back: '24 h' (units: s, min, h, d).")
]
Limit = Annotated[int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="How many at most.")]


@app.callback(
    invoke_without_command=True,
    epilog=examples("limen usage", "limen usage --key 4fQ0wZr81kTb --within '7 d'", "limen usage --follow"),
)
@asking(*WHOSE, "within")
def overview(
    context: typer.Context,
    *,
    wanted: Wanted,
    following: Annotated[bool, typer.Option("--follow", help="Instead, decisions as they are made.")] = False,
    as_json: AsJson = False,
) -> None:
    """What keys were used for: in all, and by code and operation, beside the time before."""
    if context.invoked_subcommand is not None:
        return
    if following:
        run(Filter(**wanted.which), as_json=as_json)
    else:
        statistics.overview(wanted, as_json=as_json)


@app.command(
    "list", epilog=examples("limen usage list --key 4fQ0wZr81kTb", "limen usage list --code scope_missing --json")
)
def list_(
    *,
    api: Api = "",
    owner: Annotated[str, typer.Option("--owner", metavar="OWNER", help="Of all keys of this owner.")] = "",
    key: Annotated[str, typer.Option("--key", metavar="KEY", help="Of this key: its id, or '-'.")] = "",
    code: Annotated[str, typer.Option("--code", metavar="CODE", help="With this code: ok, or that of a refusal.")] = "",
    within: Within = "24 h",
    limit: Limit = 100,
    after: Annotated[str, typer.Option("--after", metavar="READING", help="From behind this reading on.")] = "",
    as_json: AsJson = False,
) -> None:
    """What known keys were used for, the newest first: each decision, and the status of its answer if it is known."""
    wanted, lasting = read.key_id(key) if key else "", read.duration_s(within, "--within")
    with opened() as limen, limen.reading() as reader:
        found = usage.listed(
            reader,
            since=reader.now - lasting,
            after=after,
            limit=limit,
            key=wanted,
            owner=owner,
            api=api,
            code=code,
        )
    columns = ("reading", "at", "api", "key", "method", "path", "version", "code", "status")
    show.many(found, columns, as_json=as_json, nothing="Nothing was recorded.")
    if len(found) == limit:
        typer.echo(f"There may be more: --after {found[-1].reading}", err=True)


app.command(
    "rebuild",
    epilog=examples("limen usage rebuild --check", "limen usage rebuild --since 2026-06-01 --until 2026-06-26 --yes"),
)(rebuild)


@app.command(
    "refusals",
    epilog=examples(
        "limen usage refusals --within '1 h'",
        "limen usage refusals --keys --api creator",
        "limen usage refusals --shadow --json",
    ),
)
def refusals(
    *,
    api: Api = "",
    keys: Annotated[bool, typer.Option("--keys", help="Of known keys, by key. Default: of strangers.")] = False,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Instead, what shadow limits would have refused, by limit.")
    ] = False,
    within: Within = "24 h",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """What was refused, added up, the most first: of strangers by the prefix of what they sent, and their addresses.

    An address is told by its block: 24 bits of an IPv4 address, 48 of an IPv6 one.
    """
    if keys and shadow:
        raise typer.BadParameter("it goes without --shadow.", param_hint="--keys")
    lasting = read.duration_s(within, "--within")
    with opened() as limen, limen.reading() as reader:
        since = reader.now - lasting
        if keys:
            found = usage.refused_keys(reader, since=since, api=api, limit=limit)
        else:
            found = usage.refusals(reader, since=since, api=api, limit=limit, shadow=shadow)
    whom = ("key", "owner") if keys else ("prefix", "block")
    columns = ("count", "api", "code", *whom, "first_at", "last_at")
    show.many(found, columns, as_json=as_json, nothing="Nothing was refused.")


@app.command("disregards", epilog=examples("limen usage disregards", "limen usage disregards --within '7 d' --json"))
def disregards(
    *,
    api: Api = "",
    key: Annotated[str, typer.Option("--key", metavar="KEY", help="Of this key: its id, or '-'.")] = "",
    within: Within = "24 h",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Keys that went on calling inside their Retry-After, by hour, the newest first."""
    wanted, lasting = read.key_id(key) if key else "", read.duration_s(within, "--within")
    with opened() as limen, limen.reading() as reader:
        found = usage.disregards(reader, since=reader.now - lasting, api=api, key=wanted, limit=limit)
    columns = ("hour_at", "key", "api", "owner", "count")
    show.many(found, columns, as_json=as_json, nothing="Nobody did.")


app.command(
    "totals", epilog=examples("limen usage totals --owner u-1024", "limen usage totals --within '30 d' --json")
)(statistics.totals)
app.command(
    "series", epilog=examples("limen usage series --by hour", "limen usage series --within '365 d' --by month")
)(statistics.series)
app.command("by", epilog=examples("limen usage by operation", "limen usage by status --key 4fQ0wZr81kTb --json"))(
    statistics.by
)
app.command("top", epilog=examples("limen usage top", "limen usage top owner --order errors --within '7 d'"))(
    statistics.top
)
app.command("scopes", epilog=examples("limen usage scopes 4fQ0wZr81kTb", "limen usage scopes - --within '365 d'"))(
    statistics.scopes
)
app.command("window", epilog=examples("limen usage window 4fQ0wZr81kTb", "limen usage window 4fQ0wZr81kTb --json"))(
    statistics.window
)
app.command(
    "export",
    epilog=examples("limen usage export usage.csv", "limen usage export usage.parquet --by day --within '90 d'"),
)(statistics.export)
app.command("follow", epilog=examples("limen usage follow", "limen usage follow --code limit_exceeded --json"))(follow)
app.command(
    "ingest",
    epilog=examples("limen usage ingest access.log", "limen usage ingest /var/log/nginx/limen.log --follow"),
)(ingest)

"""``limen measures``: what staff do at run time against those who harm an API: throttle, block, and lift again."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from limen.cli import read, show
from limen.cli.door import confirm, opened
from limen.cli.options import AsJson, Yes, examples, group
from limen.control import measures
from limen.db.transaction import Tx

app = group("Throttles and blocks: effective at once, and lifted when it is over.")

Api = Annotated[str, typer.Option("--api", metavar="API", help="On this API. Default: on every one but Limen's own.")]
Owner = Annotated[str, typer.Option("--owner", metavar="OWNER", help="All keys of this owner.")]
Key = Annotated[
    str, typer.Option("--key", metavar="KEY", help="This key: its id, or '-' for a whole key on standard input.")
]
Address = Annotated[str, typer.Option("--address", metavar="RANGE", help="This address range, or one address.")]
Operation = Annotated[
    str, typer.Option("--operation", metavar="ID", help="This operation of the API, over all callers.")
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept with the measure and in the audit.")]
Lasting = Annotated[
    str, typer.Option("--for", metavar="DURATION", help="How long: '2 h' (units: s, min, h, d). Default: until lifted.")
]


@app.command(
    "throttle",
    epilog=examples(
        "limen measures throttle --owner u-1024 --limit '10 per 60 s' --reason 'scrapes' --for '2 h'",
        "limen measures throttle --api creator --operation sendMessage --limit '500 per 60 s' --reason overload",
    ),
)
def throttle(
    limits: Annotated[str, typer.Option("--limit", metavar="LIMITS", help="'10 per 60 s', for all of them together.")],
    reason: Reason,
    *,
    api: Api = "",
    owner: Owner = "",
    key: Key = "",
    address: Address = "",
    operation: Operation = "",
    lasting: Lasting = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Let an owner, a key, an address range, an operation or a whole API use no more than a limit.

    It counts all of them together, beside every other limit. Where none is named it is the whole API, or every API: you
    are asked.
    """
    own = read.limits(limits, "measure", "--limit")
    target = _target(api, {"owner": owner, "key": key, "address": address, "operation": operation})
    _take(measures.throttle, target, lasting, yes=yes, as_json=as_json, reason=reason, limits=own)


@app.command(
    "block",
    epilog=examples(
        "limen measures block --address 203.0.113.0/24 --reason 'tries stolen keys' --for '1 d'",
        "limen measures block --api creator --owner u-1024 --reason 'abuse, ticket 4711'",
    ),
)
def block(
    reason: Reason,
    *,
    api: Api = "",
    owner: Owner = "",
    key: Key = "",
    address: Address = "",
    operation: Operation = "",
    lasting: Lasting = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Refuse all requests of an owner, a key, an address range, an operation or a whole API.

    Where none is named it is the whole API, or every API: you are asked.
    """
    target = _target(api, {"owner": owner, "key": key, "address": address, "operation": operation})
    _take(measures.block, target, lasting, yes=yes, as_json=as_json, reason=reason)


@app.command("lift", epilog=examples("limen measures lift 7RzK0aQ1mXb2"))
def lift(
    measure: Annotated[str, typer.Argument(metavar="MEASURE", help="Its id, as 'limen measures list' has it.")],
    as_json: AsJson = False,
) -> None:
    """Lift a measure."""
    with opened() as limen:
        found = limen.act(measures.lift, measure)
    show.one(found, as_json=as_json)


@app.command("list", epilog=examples("limen measures list", "limen measures list --api creator --all --json"))
def list_(
    *,
    api: Annotated[str, typer.Option("--api", metavar="API", help="That hold on this API. Default: on any.")] = "",
    over: Annotated[bool, typer.Option("--all", help="Those that hold no more, too.")] = False,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="How many at most.")] = 100,
    after: Annotated[str, typer.Option("--after", metavar="MEASURE", help="From behind this measure on.")] = "",
    as_json: AsJson = False,
) -> None:
    """The measures that hold, the newest first."""
    with opened() as limen, limen.reading() as reader:
        found = measures.listed(reader, api=api, over=over, after=after, limit=limit)
    columns = ("measure", "api", "kind", "target", "subject", "limits", "state", "ends_at", "set_by", "reason")
    show.many(found, columns, as_json=as_json, nothing="No measures hold.")
    if len(found) == limit:
        typer.echo(f"There may be more: --after {found[-1].measure}", err=True)


def _target(api: str, named: dict[str, str]) -> measures.Target:
    """What was named, of which there may be one; the whole API where nothing was."""
    given = [(kind, subject) for kind, subject in named.items() if subject]
    if len(given) > 1:
        raise typer.BadParameter(f"it goes without --{given[0][0]}.", param_hint=f"--{given[1][0]}")
    kind, subject = given[0] if given else ("api", "")
    return measures.Target(kind, read.key_id(subject) if kind == "key" else subject, api)


def _take(verb: Any, target: measures.Target, lasting: str, *, yes: bool, as_json: bool, **named: Any) -> None:
    seconds = read.duration_s(lasting, "--for") if lasting else None

    def taking(tx: Tx) -> measures.Measure:
        ends_at = None if seconds is None else tx.now + seconds
        found: measures.Measure = verb(tx, target, ends_at=ends_at, **named)
        return found

    if target.kind == "api":
        confirm(f"This is for all callers of {target.api or 'every API'}.", yes=yes)
    with opened() as limen:
        found = limen.act(taking)
    show.one(found, as_json=as_json)

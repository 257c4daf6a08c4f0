"""``limen owners``: users and organisations that hold keys, and how they stand with each API."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer

from limen.cli import read, show
from limen.cli.door import confirm, opened
from limen.cli.options import ApiName, AsJson, OwnerId, Yes, examples, group
from limen.control import owners

app = group("Who holds keys: users and organisations.")


class Kind(StrEnum):
    """What an owner is."""

    USER = "user"
    ORGANISATION = "organisation"


class State(StrEnum):
    """The state of an owner."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ERASED = "erased"


@app.command(
    "create",
    epilog=examples(
        "limen owners create --type user --id u-1024", "limen owners create --type organisation --name Acme"
    ),
)
def create(
    kind: Annotated[
        Kind, typer.Option("--type", help="What it is; an API's profile says which of them hold its keys.")
    ],
    owner: Annotated[str, typer.Option("--id", metavar="ID", help="Your own id for it. Default: one is drawn.")] = "",
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What people call it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make an owner."""
    _do(owners.create, owners.NewOwner(kind.value, name, owner), as_json=as_json)


@app.command(
    "list",
    epilog=examples(
        "limen owners list --after u-1024 --limit 50 --json",
        "limen owners list --state suspended --type user",
        "limen owners list --name acm",
        "limen owners list --api shop --plan pro",
    ),
)
def list_(
    *,
    kind: Annotated[Kind | None, typer.Option("--type", help="Of this type. Default: of either.")] = None,
    state: Annotated[State | None, typer.Option("--state", help="In this state. Default: in any.")] = None,
    name: Annotated[
        str, typer.Option("--name", metavar="TEXT", help="Whose names begin so, in capitals or not; by their names.")
    ] = "",
    api: Annotated[str, typer.Option("--api", metavar="API", help="With --plan: on this API.")] = "",
    plan: Annotated[str, typer.Option("--plan", metavar="PLAN", help="With this plan on --api.")] = "",
    after: Annotated[str, typer.Option("--after", metavar="OWNER", help="From behind this owner's id on.")] = "",
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="How many at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Owners, in the order of their ids; or those that are looked for."""
    wanted = {"kind": kind or "", "state": state or "", "name": name, "api": api, "plan": plan}
    with opened() as limen, limen.reading() as reader:
        found = owners.listed(reader, after=after, limit=limit, **wanted)
    columns = ("owner", "kind", "name", "state", "suspended_reason", "created_at")
    show.many(found, columns, as_json=as_json, nothing="There are no such owners.")
    if len(found) == limit:
        typer.echo(f"There may be more: --after {show.printable(found[-1].owner)}", err=True)


@app.command("show", epilog=examples("limen owners show u-1024"))
def show_(owner: OwnerId, as_json: AsJson = False) -> None:
    """One owner, and how it stands with each API."""
    with opened() as limen, limen.reading() as reader:
        found = owners.require(reader, owner)
    _say(found, as_json=as_json)


@app.command("suspend", epilog=examples("limen owners suspend u-1024 --reason 'payment is overdue'"))
def suspend(
    owner: OwnerId,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the audit.")],
    as_json: AsJson = False,
) -> None:
    """Refuse every key of an owner until it is restored."""
    _do(owners.suspend, owner, reason=reason, as_json=as_json)


@app.command("restore", epilog=examples("limen owners restore u-1024"))
def restore(owner: OwnerId, as_json: AsJson = False) -> None:
    """Lift a suspension: the keys are what they were before."""
    _do(owners.restore, owner, as_json=as_json)


@app.command("erase", epilog=examples("limen owners erase u-1024", "limen owners erase u-1024 --yes"))
def erase(owner: OwnerId, yes: Yes = False, as_json: AsJson = False) -> None:
    """Forget who an owner is, and refuse all its keys for good.

    Its name, the texts of its requests for keys, and all that is personal of it in the audit are gone. Its id stays,
    and is never given again.
    """
    with opened() as limen:
        if not yes:
            with limen.reading() as reader:
                found = owners.require(reader, owner)
            confirm(
                f"{found.owner} ({found.name}) is forgotten, and refused for good. This cannot be undone.", yes=False
            )
        erased = limen.act(owners.erase, owner)
    _say(erased, as_json=as_json)


@app.command(
    "set-plan",
    epilog=examples(
        "limen owners set-plan acme shop pro",
        "limen owners set-plan acme shop pro --limit '5000 per 60 s, 100000 per 1 d'",
        "limen owners set-plan acme shop none",
    ),
)
def set_plan(
    owner: OwnerId,
    api: ApiName,
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="A plan of the API's profile, or none.")],
    limits: Annotated[
        str,
        typer.Option("--limit", metavar="LIMITS", help="The owner's own limits, before the plan's. Default: none."),
    ] = "none",
    as_json: AsJson = False,
) -> None:
    """Set an owner's plan on an API, and its own limits.

    Both are set: limits that are left out are taken away.
    """
    own = read.limits(limits, "allowance", "--limit")
    _do(owners.set_plan, owner, api, plan="" if plan == "none" else plan, limits=own, as_json=as_json)


@app.command("allow", epilog=examples("limen owners allow u-1024 creator"))
def allow(owner: OwnerId, api: ApiName, as_json: AsJson = False) -> None:
    """Put an owner on an API's allow-list."""
    _do(owners.allow, owner, api, as_json=as_json)


@app.command("disallow", epilog=examples("limen owners disallow u-1024 creator"))
def disallow(owner: OwnerId, api: ApiName, as_json: AsJson = False) -> None:
    """Take an owner off an API's allow-list.

    Where the list is on, its requests are refused.
    """
    _do(owners.disallow, owner, api, as_json=as_json)


def _do(verb: Callable[..., owners.Owner], *arguments: Any, as_json: bool, **named: Any) -> None:
    with opened() as limen:
        found = limen.act(verb, *arguments, **named)
    _say(found, as_json=as_json)


def _say(owner: owners.Owner, *, as_json: bool) -> None:
    show.one(owner, as_json=as_json, leave_out=("standings",))
    if owner.standings and not as_json:
        show.many(owner.standings, ("api", "plan", "allowed", "limits"), as_json=False, nothing="")
        show.warn(line for standing in owner.standings for line in standing.warnings)

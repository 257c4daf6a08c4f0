"""``limen requests``: keys that were asked for, what staff decide, and the key revealed once."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer

from limen.cli import read, show
from limen.cli.door import opened
from limen.cli.keys import ask_for_the_slot, hand_out
from limen.cli.options import (
    Addresses,
    ApiName,
    AsJson,
    Environment,
    ExpiresAt,
    KeyClass,
    KeyName,
    Origins,
    OwnerId,
    Pin,
    Yes,
    examples,
    group,
)
from limen.control import requests
from limen.db.transaction import Tx

app = group("Requests for keys: asked for with reasons, granted or refused, revealed once.")

RequestId = Annotated[str, typer.Argument(metavar="REQUEST", help="The request's id.")]
COLUMNS = ("request", "api", "owner", "name", "key_class", "environment", "state", "asked_by", "asked_at")


class State(StrEnum):
    """The state of a request."""

    OPEN = "open"
    GRANTED = "granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    REVEALED = "revealed"
    LAPSED = "lapsed"


@app.command(
    "ask",
    epilog=examples(
        "limen requests ask creator u-1024 --name inbox --use-case 'An inbox.' --scope 'read:chat=List the chats.'"
    ),
)
def ask(
    api: ApiName,
    owner: OwnerId,
    *,
    name: KeyName,
    use_case: Annotated[
        str, typer.Option("--use-case", metavar="TEXT", help="What it will be used for: 1 to 2,000 characters.")
    ],
    scope: Annotated[
        list[str],
        typer.Option("--scope", metavar="SCOPE=REASON", help="A scope, and why it is needed; may be repeated."),
    ],
    key_class: KeyClass = "secret",
    environment: Environment = "live",
    expires_at: ExpiresAt = "",
    origin: Origins = None,
    address: Addresses = None,
    pin: Pin = "",
    as_json: AsJson = False,
) -> None:
    """Ask for a key on an owner's behalf, with a reason for each scope.

    Name as few scopes as will do. More later takes another request.
    """
    until = read.moment(expires_at, "--expires-at") if expires_at else None

    def verb(tx: Tx) -> requests.Request:
        wish = requests.Wish(
            api,
            owner,
            name,
            scopes=dict(map(_scope, scope)),
            use_case=use_case,
            key_class=key_class,
            environment=environment,
            expires_at=until.from_now(tx.now) if until is not None else None,
            origins=tuple(origin) if origin else None,
            addresses=tuple(address) if address else None,
            pinned=pin or None,
        )
        return requests.ask(tx, wish)

    _do(verb, as_json=as_json)


def _scope(text: str) -> tuple[str, str]:
    name, equals, reason = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"found {text!r}, allowed: 'SCOPE=why it is needed'.", param_hint="--scope")
    return name.strip(), reason.strip()


@app.command(
    "list",
    epilog=examples("limen requests list --state open", "limen requests list --owner u-1024 --api creator --json"),
)
def list_(
    *,
    api: Annotated[str, typer.Option("--api", metavar="API", help="Of this API. Default: of every one.")] = "",
    owner: Annotated[str, typer.Option("--owner", metavar="OWNER", help="Of this owner. Default: of every one.")] = "",
    state: Annotated[State | None, typer.Option("--state", help="In this state. Default: in any.")] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="How many at most.")] = 100,
    after: Annotated[str, typer.Option("--after", metavar="REQUEST", help="From behind this request's id on.")] = "",
    as_json: AsJson = False,
) -> None:
    """Requests, the newest first."""
    with opened() as limen, limen.reading() as reader:
        found = requests.listed(reader, api=api, owner=owner, state=state or "", after=after, limit=limit)
    show.many(found, COLUMNS, as_json=as_json, nothing="There are no such requests.")
    if len(found) == limit:
        typer.echo(f"There may be more: --after {found[-1].request}", err=True)


@app.command("show", epilog=examples("limen requests show 9dQ0wZr81kTb"))
def show_(request: RequestId, as_json: AsJson = False) -> None:
    """One request: what is asked for, why, and what was decided."""
    with opened() as limen, limen.reading() as reader:
        found = requests.require(reader, request)
    _say(found, as_json=as_json)


@app.command(
    "grant",
    epilog=examples(
        "limen requests grant 9dQ0wZr81kTb",
        "limen requests grant 9dQ0wZr81kTb --scope read:chat --reason 'Reading is enough.'",
    ),
)
def grant(
    request: RequestId,
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", metavar="SCOPE", help="Only this scope; may be repeated. Default: all asked for."),
    ] = None,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="What to say to it; at most 500 characters.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Grant a key, with all scopes that were asked for or with fewer.

    Its owner can reveal it for 14 days; until then there is no key.
    """
    _do(requests.grant, request, scopes=scope or None, reason=reason, as_json=as_json)


@app.command("refuse", epilog=examples("limen requests refuse 9dQ0wZr81kTb --reason 'Say which chats.'"))
def refuse(
    request: RequestId,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why: 1 to 500 characters.")],
    as_json: AsJson = False,
) -> None:
    """Refuse a key. Whoever wants one asks anew."""
    _do(requests.refuse, request, reason=reason, as_json=as_json)


@app.command("withdraw", epilog=examples("limen requests withdraw 9dQ0wZr81kTb"))
def withdraw(request: RequestId, as_json: AsJson = False) -> None:
    """Take a request back, or a grant, as long as the key was not revealed."""
    _do(requests.withdraw, request, as_json=as_json)


@app.command(
    "reveal",
    epilog=examples("limen requests reveal 9dQ0wZr81kTb", "limen requests reveal 9dQ0wZr81kTb --yes | tail -1"),
)
def reveal(request: RequestId, yes: Yes = False, as_json: AsJson = False) -> None:
    """Make the key that was granted, and show it once, alone on the last line.

    Where the profile allows one active key an owner, and says 'replace', the active one is revoked: you are asked.
    """
    with opened() as limen:
        if not yes:
            with limen.reading() as reader:
                found = requests.require(reader, request)
            if found.state == "granted":
                ask_for_the_slot(limen, found.api, found.owner)
        issued = limen.act(requests.reveal, request)
    hand_out(issued, as_json=as_json)


def _do(verb: Callable[..., requests.Request], *arguments: Any, as_json: bool, **named: Any) -> None:
    with opened() as limen:
        found = limen.act(verb, *arguments, **named)
    _say(found, as_json=as_json)


def _say(found: requests.Request, *, as_json: bool) -> None:
    show.one(found, as_json=as_json, leave_out=("scopes", "granted"))
    if not as_json:
        rows = [
            {"scope": scope, "granted": scope in found.granted, "reason": reason}
            for scope, reason in found.scopes.items()
        ]
        show.many(rows, ("scope", "granted", "reason"), as_json=False, nothing="")

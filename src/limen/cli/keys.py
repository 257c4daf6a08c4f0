"""``limen keys``: issued once shown, looked at, put to sleep and woken, ended for good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from limen.app import App
from limen.cli import read, show
from limen.cli.archive import wake_restored
from limen.cli.door import confirm, opened
from limen.cli.filters import Filter, filtered
from limen.cli.options import (
    Addresses,
    ApiName,
    AsJson,
    Environment,
    ExpiresAt,
    KeyClass,
    KeyId,
    KeyName,
    Origins,
    OwnerId,
    Pin,
    Yes,
    examples,
    group,
)
from limen.control import apis, keys, terms
from limen.core.plain import plain
from limen.db.transaction import Tx

app = group("Keys: shown once, never edited, ended for good.")

_PAGE = 1_000


@app.command(
    "issue",
    epilog=examples(
        "limen keys issue creator u-1024 --name 'my server' --scope read:self --scope read:chat",
        "limen keys issue shop acme --name ci --class secret --environment test --expires-in '90 d'",
        "limen keys issue shop acme --name batch --address 203.0.113.0/24 | tail -1",
        "limen keys issue shop acme --name batch --json",
    ),
)
def issue(
    api: ApiName,
    owner: OwnerId,
    *,
    name: KeyName,
    key_class: KeyClass = "secret",
    environment: Environment = "live",
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", metavar="SCOPE", help="One scope; may be repeated. Default: the class's."),
    ] = None,
    expires_at: ExpiresAt = "",
    expires_in: Annotated[
        str, typer.Option("--expires-in", metavar="DURATION", help="'90 d', '24 h' (units: s, min, h, d).")
    ] = "",
    origin: Origins = None,
    address: Addresses = None,
    pin: Pin = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Issue a key, and show it once, alone on the last line.

    Where the profile allows one active key an owner, and says 'replace', the active one is revoked: you are asked.
    """
    if expires_at and expires_in:
        raise typer.BadParameter("it goes without --expires-in.", param_hint="--expires-at")
    until = read.moment(expires_at, "--expires-at") if expires_at else None
    lasting = read.duration_s(expires_in, "--expires-in") if expires_in else None

    def verb(tx: Tx) -> keys.Issued:
        ends_at = until.from_now(tx.now) if until is not None else None
        new = keys.NewKey(
            api,
            owner,
            name,
            key_class=key_class,
            environment=environment,
            scopes=tuple(scope) if scope else None,
            expires_at=tx.now + lasting if lasting is not None else ends_at,
            origins=tuple(origin) if origin else None,
            addresses=tuple(address) if address else None,
            pinned=pin or None,
        )
        return keys.issue(tx, new)

    with opened() as limen:
        if not yes:
            ask_for_the_slot(limen, api, owner)
        issued = limen.act(verb)
    hand_out(issued, as_json=as_json)


def ask_for_the_slot(limen: App, api: str, owner: str) -> None:
    """Ask before a key that is in use makes room for another."""
    with limen.reading() as reader:
        policy = apis.profile_of(reader, api).keys
        if policy.max_active_per_owner != 1 or policy.on_overflow != "replace":
            return
        held = keys.listed(reader, api=api, owner=owner, state="active", limit=1).items
    if held:
        confirm(f"The owner's active key {held[0].hint} ({held[0].name}) is revoked. This cannot be undone.", yes=False)


def hand_out(issued: keys.Issued, *, as_json: bool) -> None:
    """Print the text of a key: the one place that does."""
    typer.echo("This is the only time that the key is shown. Keep it where secrets are kept.", err=True)
    if as_json:
        show.json_out(plain(issued.key) | {"text": issued.text})
        return
    show.one(issued.key, as_json=False)
    typer.echo(issued.text)


@app.command(
    "list",
    epilog=examples(
        "limen keys list --api creator --state active",
        "limen keys list --owner u-1024 --hidden --json",
        "limen keys list --prefix sk_live_ --used-before 2026-01-01",
        "limen keys list --name 'my s' --class secret --limit 1000",
    ),
)
@filtered
def list_(
    *,
    wanted: Filter,
    hidden: Annotated[bool, typer.Option("--hidden", help="Deleted ones too.")] = False,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="How many at most.")] = 100,
    after: Annotated[str, typer.Option("--after", metavar="PLACE", help="Where the list before this one ended.")] = "",
    as_json: AsJson = False,
) -> None:
    """Keys, the newest first. No list shows more of a key than its id and its beginning.

    Looked for by name or prefix they come in the order of these, by id of their ids; by their use the last used first;
    by a date to come the next first, expired ones the last first. Those of one owner come the newest first always.
    """
    found: list[keys.Key] = []
    with opened() as limen, limen.reading() as reader:
        asked = wanted.at(reader.now) | {"hidden": hidden}
        page = keys.listed(reader, after=after, limit=min(limit, _PAGE), **asked)
        found += page.items
        while page.next and len(found) < limit:
            page = keys.listed(reader, after=page.next, limit=min(limit - len(found), _PAGE), **asked)
            found += page.items
    columns = ("key", "hint", "api", "owner", "name", "key_class", "environment", "state", "created_at", "last_used_at")
    show.many(found, columns, as_json=as_json, nothing="There are no such keys.")
    if page.next:
        typer.echo(f"There may be more: --after {page.next}", err=True)


@app.command("show", epilog=examples("limen keys show 4fQ0wZr81kTb", "limen keys show - < leaked.txt"))
def show_(key: KeyId, as_json: AsJson = False) -> None:
    """One key: everything but its secret, which nobody has."""
    wanted = read.key_id(key)
    with opened() as limen, limen.reading() as reader:
        found = keys.require(reader, wanted)
    show.one(found, as_json=as_json)


@app.command(
    "regenerate",
    epilog=examples("limen keys regenerate 4fQ0wZr81kTb", "limen keys regenerate 4fQ0wZr81kTb --overlap '1 h' --yes"),
)
def regenerate(
    key: KeyId,
    overlap: Annotated[
        str,
        typer.Option(
            "--overlap",
            metavar="DURATION",
            help="How long the old key goes on: '1 h'. At most, and by default, the profile's.",
        ),
    ] = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Put a new key in the place of one, and show it once.

    It has the same name, class and scopes. The old key ends now, or after the overlap.
    """
    wanted = read.key_id(key)
    overlap_s = read.duration_s(overlap, "--overlap") if overlap else None
    with opened() as limen:
        _ask(limen, wanted, "is replaced, and ends.", yes=yes)
        issued = limen.act(keys.regenerate, wanted, overlap_s=overlap_s)
    hand_out(issued, as_json=as_json)


@app.command("deactivate", epilog=examples("limen keys deactivate 4fQ0wZr81kTb"))
def deactivate(key: KeyId, as_json: AsJson = False) -> None:
    """Refuse a key until it is reactivated."""
    _do(keys.deactivate, read.key_id(key), as_json=as_json)


@app.command(
    "reactivate",
    epilog=examples("limen keys reactivate 4fQ0wZr81kTb", "limen keys reactivate --restored --owner u-1024"),
)
def reactivate(
    key: KeyId = "",
    *,
    restored: Annotated[
        bool,
        typer.Option("--restored", help="In place of one key: all that sleep since a restore, because nobody knows."),
    ] = False,
    api: Annotated[str, typer.Option("--api", metavar="API", help="Of those, the keys of this API.")] = "",
    owner: Annotated[str, typer.Option("--owner", metavar="OWNER", help="Of those, the keys of this owner.")] = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Admit a deactivated key again; or all that 'limen restore' left asleep, because they may have ended since."""
    if restored:
        if key:
            raise typer.BadParameter("it goes without a key's id.", param_hint="--restored")
        wake_restored(api=api, owner=owner, yes=yes, as_json=as_json)
        return
    if not key or api or owner:
        raise typer.BadParameter("name one key; or --restored, which goes with --api and --owner.", param_hint="KEY")
    _do(keys.reactivate, read.key_id(key), as_json=as_json)


@app.command(
    "revoke",
    epilog=examples(
        "limen keys revoke 4fQ0wZr81kTb --reason 'found in a public repository'",
        "limen keys revoke - --reason leaked --yes < leaked.txt",
    ),
)
def revoke(
    key: KeyId,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept with the key and in the audit.")],
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """End a key for good. When this returns, no process admits a request with it any more."""
    _do(keys.revoke, read.key_id(key), asked="is revoked.", yes=yes, reason=reason, as_json=as_json)


@app.command("delete", epilog=examples("limen keys delete 4fQ0wZr81kTb --yes"))
def delete(key: KeyId, yes: Yes = False, as_json: AsJson = False) -> None:
    """Revoke a key and hide it. Its row stays for the audit."""
    wanted = read.key_id(key)
    with opened() as limen:
        _ask(limen, wanted, "is revoked and hidden.", yes=yes)
        limen.act(keys.delete, wanted)
    show.one({"key": wanted, "deleted": True}, as_json=as_json)


@app.command(
    "expire",
    epilog=examples("limen keys expire 4fQ0wZr81kTb --at 2027-01-01", "limen keys expire 4fQ0wZr81kTb --at now --yes"),
)
def expire(
    key: KeyId,
    at: Annotated[
        str, typer.Option("--at", metavar="DATE", help="2027-01-01 (midnight UTC), 2027-01-01T12:00:00Z, or now.")
    ],
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Set when a key ends. The date is only ever brought forward."""
    wanted, when = read.key_id(key), read.moment(at, "--at")

    def verb(tx: Tx, key: str) -> keys.Key:
        return keys.set_expiry(tx, key, expires_at=when.from_now(tx.now))

    _do(verb, wanted, asked=f"ends at {at}; the date can only be brought forward.", yes=yes, as_json=as_json)


@app.command(
    "set-limits",
    epilog=examples(
        "limen keys set-limits 4fQ0wZr81kTb '10 per 60 s'",
        "limen keys set-limits 4fQ0wZr81kTb '100 per 60 s, shadow 1000 per 1 d'",
        "limen keys set-limits 4fQ0wZr81kTb none",
    ),
)
def set_limits(
    key: KeyId,
    limits: Annotated[
        str,
        typer.Argument(metavar="LIMITS", help="'10 per 60 s' (units: s, min, h, d), several with commas, or none."),
    ],
    as_json: AsJson = False,
) -> None:
    """Set a key's own limits, which go before its owner's and its plan's."""
    own = read.limits(limits, "allowance", "LIMITS")
    _do(terms.set_limits, read.key_id(key), limits=own, as_json=as_json)


@app.command("pin", epilog=examples("limen keys pin 4fQ0wZr81kTb 2026-06-26"))
def pin(
    key: KeyId,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="A version that is not sunset.")],
    as_json: AsJson = False,
) -> None:
    """Say which version a request without one is for.

    Where the API's profile says 'missing: pin'.
    """
    _do(terms.pin, read.key_id(key), version=version, as_json=as_json)


def _do(
    verb: Callable[..., keys.Key], key: str, *, asked: str = "", yes: bool = False, as_json: bool, **named: Any
) -> None:
    with opened() as limen:
        if asked:
            _ask(limen, key, asked, yes=yes)
        found = limen.act(verb, key, **named)
    show.one(found, as_json=as_json)


def _ask(limen: App, key: str, what: str, *, yes: bool) -> None:
    """Ask before a key ends, saying which it is."""
    if yes:
        return
    with limen.reading() as reader:
        found = keys.require(reader, key)
    confirm(
        f"Key {found.hint} ({found.name}) of {found.owner} for {found.api} {what} This cannot be undone.", yes=False
    )

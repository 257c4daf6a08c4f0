"""``limen versions``: an API's dated versions and their life: active, deprecated, sunset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from limen.cli import read, show
from limen.cli.door import confirm, opened
from limen.cli.options import ApiName, AsJson, Yes, examples, group
from limen.control import usage, versions
from limen.core.versions import Version
from limen.db.transaction import Tx

app = group("An API's versions: active, deprecated, sunset; one way only.")

VersionName = Annotated[str, typer.Argument(metavar="VERSION", help="The version's name.")]
At = Annotated[
    str, typer.Option("--at", help="2026-06-26 (midnight UTC), 2026-06-26T12:00:00Z, or now.", metavar="DATE")
]
COLUMNS = ("version", "stage", "deprecated_at", "sunset_at", "successor")


@app.command("list", epilog=examples("limen versions list creator", "limen versions list creator --json"))
def list_(api: ApiName, as_json: AsJson = False) -> None:
    """An API's versions, in the order of their names."""
    with opened() as limen, limen.reading() as reader:
        rows = [_row(api, version, reader.now) for version in versions.listed(reader, api)]
    show.many(rows, COLUMNS, as_json=as_json, nothing=f"API {api} has no versions.")


@app.command("show", epilog=examples("limen versions show creator 2025-06-26"))
def show_(api: ApiName, version: VersionName, as_json: AsJson = False) -> None:
    """One version: its dates, and the brownouts that were announced."""
    with opened() as limen, limen.reading() as reader:
        row = _row(api, versions.require(reader, api, version), reader.now)
    _say(row, as_json=as_json)


@app.command(
    "callers",
    epilog=examples(
        "limen versions callers creator 2025-06-26", "limen versions callers creator 2025-06-26 --since '30 d' --json"
    ),
)
def callers(
    api: ApiName,
    version: VersionName,
    since: Annotated[str, typer.Option("--since", metavar="DURATION", help="How far back: '30 d', '24 h'.")] = "7 d",
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="How many at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Who still calls a version: the keys, the busiest first."""
    back_s = read.duration_s(since, "--since")
    with opened() as limen, limen.reading() as reader:
        versions.require(reader, api, version)
        found = usage.callers_of(reader, api, version, since=reader.now - back_s, limit=limit)
    columns = ("owner", "key", "name", "admitted", "refused", "last_at")
    show.many(found, columns, as_json=as_json, nothing=f"Nobody called {version} of {api} in the last {since}.")


@app.command(
    "adoption",
    epilog=examples(
        "limen versions adoption creator 2025-06-26", "limen versions adoption creator 2025-06-26 --owner u-1 --json"
    ),
)
def adoption(
    api: ApiName,
    version: VersionName,
    owner: Annotated[str, typer.Option("--owner", metavar="OWNER", help="Of this owner alone.")] = "",
    days: Annotated[int, typer.Option("--days", metavar="N", min=1, max=366, help="How many days are shown.")] = 90,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="How many at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """How a version is left: its calls, the owners who still call it, and whom its sunset will meet.

    Weeks are compared: whoever called half as often last week as in the week before is expected to halve again.
    """
    with opened() as limen, limen.reading() as reader:
        found = usage.adoption(reader, api, version, owner=owner, days=days, limit=limit)
    if as_json:
        show.json_out(found)
        return
    show.one(found, as_json=False, leave_out=("days", "callers"))
    columns = ("owner", "keys", "week_before", "last_week", "today", "expected", "breaks")
    show.many(found.callers, columns, as_json=False, nothing=f"Nobody called {version} of {api} in the last two weeks.")


@app.command("register", epilog=examples("limen versions register creator 2026-06-26"))
def register(api: ApiName, version: VersionName, as_json: AsJson = False) -> None:
    """Register a new version. It is active."""
    with opened() as limen:
        row = _row(api, limen.act(versions.register, api, version), limen.clock.read()[0])
    _say(row, as_json=as_json)


@app.command(
    "deprecate",
    epilog=examples(
        "limen versions deprecate creator 2025-06-26 --at 2026-06-26 --successor 2026-06-26",
        "limen versions deprecate creator 2025-06-26 --at now --yes",
    ),
)
def deprecate(
    api: ApiName,
    version: VersionName,
    at: At,
    successor: Annotated[str, typer.Option("--successor", metavar="VERSION", help="The version to move to.")] = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Deprecate a version from a date on.

    Every answer says so from then on. Once the date has come, that stays.
    """
    when = read.moment(at, "--at")
    with opened() as limen:
        if when.passed(limen.clock.read()[0]):
            confirm(f"Version {version} of {api} is deprecated from now on. This cannot be undone.", yes=yes)
        found = limen.act(_dated, versions.deprecate, api, version, when=when, successor=successor)
        row = _row(api, found, limen.clock.read()[0])
    _say(row, as_json=as_json)


@app.command(
    "sunset", epilog=examples("limen versions sunset creator 2025-06-26 --at 2027-01-01 --successor 2026-06-26 --yes")
)
def sunset(
    api: ApiName,
    version: VersionName,
    at: At,
    successor: Annotated[str, typer.Option("--successor", metavar="VERSION", help="The version to move to.")] = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove a version from a date on: 410.

    It is deprecated until then, from now on at the latest.
    """
    when = read.moment(at, "--at")
    with opened() as limen:
        confirm(
            f"Version {version} of {api} is removed at {at}, and deprecated until then. This cannot be undone.", yes=yes
        )
        found = limen.act(_dated, versions.sunset, api, version, when=when, successor=successor)
        row = _row(api, found, limen.clock.read()[0])
    _say(row, as_json=as_json)


@app.command(
    "brownout",
    epilog=examples(
        "limen versions brownout creator 2025-06-26 --at 2027-06-01T10:00:00Z --for '15 min'",
        "limen versions brownout creator 2025-06-26 --at now --for '5 min' --status 503",
    ),
)
def brownout(
    api: ApiName,
    version: VersionName,
    at: At,
    lasting: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="How long: '15 min' (units: s, min, h, d).")
    ],
    status: Annotated[int, typer.Option("--status", metavar="STATUS", help="What is answered: 410 or 503.")] = 410,
    as_json: AsJson = False,
) -> None:
    """Announce a time in which a deprecated version does not work.

    Whoever still calls it notices before it is sunset. It can be cancelled, also while it lasts.
    """
    when, seconds = read.moment(at, "--at"), read.duration_s(lasting, "--for")

    def verb(tx: Tx) -> Version:
        begins = when.from_now(tx.now)
        return versions.announce_brownout(tx, api, version, starts_at=begins, ends_at=begins + seconds, status=status)

    with opened() as limen:
        row = _row(api, limen.act(verb), limen.clock.read()[0])
    _say(row, as_json=as_json)


@app.command("cancel-brownout", epilog=examples("limen versions cancel-brownout creator 7RzK0aQ1mXb2"))
def cancel_brownout(
    api: ApiName,
    brownout: Annotated[str, typer.Argument(metavar="BROWNOUT", help="Its id, as 'limen versions show' has it.")],
    as_json: AsJson = False,
) -> None:
    """Cancel a brownout before it comes, or while it lasts."""
    with opened() as limen:
        row = _row(api, limen.act(versions.cancel_brownout, api, brownout), limen.clock.read()[0])
    _say(row, as_json=as_json)


def _dated(
    tx: Tx, verb: Callable[..., Version], api: str, version: str, *, when: read.Moment, successor: str
) -> Version:
    return verb(tx, api, version, at=when.from_now(tx.now), successor=successor or None)


def _row(api: str, version: Version, now: float) -> dict[str, Any]:
    return {
        "api": api,
        "version": version.name,
        "stage": version.stage(now).name.lower(),
        "deprecated_at": version.deprecated_at,
        "sunset_at": version.sunset_at,
        "successor": version.successor,
        "brownouts": version.brownouts,
    }


def _say(row: dict[str, Any], *, as_json: bool) -> None:
    show.one(row, as_json=as_json, leave_out=("brownouts",))
    if row["brownouts"] and not as_json:
        show.many(row["brownouts"], ("brownout", "starts_at", "ends_at", "status"), as_json=False, nothing="")

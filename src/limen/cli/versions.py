"""``limen versions``: an API's dated versions and their life: active, deprecated, sunset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from limen.cli import read, show
from limen.cli.door import confirm, opened
from limen.cli.options import ApiName, AsJson, Yes, examples, group
from limen.control import apis
from limen.core.versions import Version
from limen.db.changes import registered_versions
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
        apis.require(reader, api)
        rows = [_row(api, version, reader.now) for version in registered_versions(reader.connection, api)]
    show.many(rows, COLUMNS, as_json=as_json, nothing=f"API {api} has no versions.")


@app.command("register", epilog=examples("limen versions register creator 2026-06-26"))
def register(api: ApiName, version: VersionName, as_json: AsJson = False) -> None:
    """Register a new version. It is active."""
    with opened() as limen:
        row = _row(api, limen.act(apis.register, api, version), limen.clock.read()[0])
    show.one(row, as_json=as_json)


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
        found = limen.act(_dated, apis.deprecate, api, version, when=when, successor=successor)
        row = _row(api, found, limen.clock.read()[0])
    show.one(row, as_json=as_json)


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
        found = limen.act(_dated, apis.sunset, api, version, when=when, successor=successor)
        row = _row(api, found, limen.clock.read()[0])
    show.one(row, as_json=as_json)


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
    }

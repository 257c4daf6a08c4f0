"""``limen apis``: the APIs that stand behind the threshold, and the switches that staff set on them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from limen.cli import read, show
from limen.cli.door import opened
from limen.cli.options import ApiName, AsJson, examples, group
from limen.control import apis
from limen.core.limits import Limits
from limen.profiles import load

app = group("The APIs, and the switches that staff set on them.")


class Switch(StrEnum):
    """On or off."""

    ON = "on"
    OFF = "off"


State = Annotated[Switch, typer.Argument(metavar="STATE", help="on or off.")]


@app.command(
    "create",
    epilog=examples("limen apis create creator --profile creator", "limen apis create shop --profile shop.yaml"),
)
def create(
    api: Annotated[str, typer.Argument(metavar="NAME", help="Its name: 1 to 32 of a-z, 0-9 and -, from a letter on.")],
    profile: Annotated[
        str, typer.Option("--profile", metavar="FILE", help="A profile's file, or the name of a shipped profile.")
    ],
    as_json: AsJson = False,
) -> None:
    """Make an API with the first revision of its profile."""
    stated = load(profile)
    with opened() as limen:
        made = limen.act(apis.create, api, stated)
    show.one(made, as_json=as_json)


@app.command("list", epilog=examples("limen apis list", "limen apis list --json"))
def list_(as_json: AsJson = False) -> None:
    """Every API, in the order of their names."""
    with opened() as limen, limen.reading() as reader:
        found = apis.listed(reader)
    columns = ("api", "profile", "revision", "read_only", "allowlist", "emergency", "created_at")
    show.many(found, columns, as_json=as_json, nothing="There are no APIs. Make one with 'limen apis create'.")


@app.command("show", epilog=examples("limen apis show creator"))
def show_(api: ApiName, as_json: AsJson = False) -> None:
    """One API: its profile's revision, and its switches."""
    with opened() as limen, limen.reading() as reader:
        found = apis.require(reader, api)
    show.one(found, as_json=as_json)


@app.command("read-only", epilog=examples("limen apis read-only creator on"))
def read_only(api: ApiName, state: State, as_json: AsJson = False) -> None:
    """While it is on, every write is refused."""
    _switch(api, "read_only", state is Switch.ON, as_json=as_json)


@app.command("allowlist", epilog=examples("limen apis allowlist creator off"))
def allowlist(api: ApiName, state: State, as_json: AsJson = False) -> None:
    """While it is on, only owners on the list are admitted.

    'limen owners allow' puts them there.
    """
    _switch(api, "allowlist", state is Switch.ON, as_json=as_json)


@app.command(
    "emergency",
    epilog=examples(
        "limen apis emergency creator '1000 per 60 s'",
        "limen apis emergency creator '1000 per 60 s, 100000 per 1 d'",
        "limen apis emergency creator none",
    ),
)
def emergency(
    api: ApiName,
    limits: Annotated[
        str,
        typer.Argument(metavar="LIMITS", help="'1000 per 60 s' (units: s, min, h, d), several with commas, or none."),
    ],
    as_json: AsJson = False,
) -> None:
    """Limits on an API as a whole, over all its callers."""
    _switch(api, "emergency", read.limits(limits, "emergency", "LIMITS"), as_json=as_json)


def _switch(api: str, name: str, value: bool | Limits, *, as_json: bool) -> None:
    with opened() as limen:
        made = limen.act(apis.switch, api, name, value)
    show.one(made, as_json=as_json)

"""``limen init`` and ``limen migrate``: making an installation, and bringing it to this release."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from limen.app import App
from limen.cli import show
from limen.cli.options import AsJson
from limen.control import apis
from limen.core.problems import ProblemError
from limen.core.profile import Profile
from limen.db import installation, schema
from limen.db.engine import Store, open_engine
from limen.db.epoch import Epoch
from limen.profiles import load
from limen.settings import Settings, read_settings


def init(
    profile: Annotated[
        str,
        typer.Option(
            "--profile",
            metavar="FILE",
            help="Also make an API from this profile: a file, or the name of a shipped one.",
        ),
    ] = "",
    api: Annotated[str, typer.Option("--api", metavar="NAME", help="The API's name. Default: the profile's.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make an installation where the settings say.

    It is a database, a pepper and a state folder. What is there already stays as it is, so running it twice does no
    harm.
    """
    if api and not profile:
        raise typer.BadParameter("it needs --profile, which says what the API is like.", param_hint="--api")
    stated = load(profile) if profile else None
    settings = read_settings()
    places = {
        "database": settings.database_path,
        "pepper": settings.pepper_path,
        "state": settings.state_folder,
    }
    made = [name for name, path in places.items() if not path.exists()]
    with _private(), _initialised(settings) as app:
        if stated is not None and _add_api(app, api or stated.name, stated):
            made.append("api")
    _say(places, made, api=(api or stated.name) if stated is not None else None, as_json=as_json)


@contextmanager
def _private() -> Iterator[None]:
    """What is made here can be read by its owner alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def _initialised(settings: Settings) -> Iterator[App]:
    app = App.initialise(settings)
    try:
        yield app
    finally:
        app.close()


def _add_api(app: App, api: str, profile: Profile) -> bool:
    """Make the API; whether it was not there."""
    with app.reading() as reader:
        if api in {found.api for found in apis.listed(reader)}:
            return False
    app.act(apis.create, api, profile)
    return True


def _say(places: dict[str, Path], made: list[str], *, api: str | None, as_json: bool) -> None:
    rows = [{"what": name, "where": str(path.absolute()), "made": name in made} for name, path in places.items()]
    if api is not None:
        rows.append({"what": "api", "where": api, "made": "api" in made})
    show.many(rows, ("what", "where", "made"), as_json=as_json, nothing="")
    if "pepper" in made:
        typer.echo(
            f"Back up the pepper, apart from the database: {places['pepper'].absolute()}\n"
            "Every key is stored under it. Without it no key can be checked, and all of them have to be issued again.",
            err=True,
        )


def migrate(as_json: AsJson = False) -> None:
    """Bring the database to this release's schema.

    It is done in one transaction, or not at all. Back the database up before.
    """
    settings = read_settings()
    if not settings.database_path.exists():
        raise ProblemError("store_not_ready", f"There is no database {settings.database_path}. Run 'limen init'.")
    store = Store(open_engine(settings.database_url), Epoch(installation.require_folder(settings.state_folder)))
    try:
        with store.read() as connection:
            before = schema.revision(connection)
        if before is None:
            raise ProblemError("store_not_ready", "The database is empty. Run 'limen init'.")
        went = schema.upgrade(store)
    finally:
        store.engine.dispose()
    if as_json:
        show.json_out({"before": before, "now": schema.HEAD, "went_through": went})
    elif went:
        typer.echo(f"From revision {before} through {', '.join(went)}.")
    else:
        typer.echo(f"The database is at revision {before} already, which is this release's.")

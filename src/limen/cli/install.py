"""``limen init`` and ``limen migrate``: making an installation, and bringing it to this release."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from limen.app import App, is_there
from limen.cli import show
from limen.cli.options import AsJson
from limen.control import apis, keys, owners
from limen.control.keys import Issued, NewKey
from limen.control.owners import NewOwner
from limen.core.problems import ProblemError
from limen.core.profile import BUILT_IN, Profile
from limen.db import installation, schema
from limen.db.engine import Store, open_engine
from limen.db.epoch import Epoch
from limen.db.transaction import Tx
from limen.profiles import load
from limen.server import bring_up_to_date
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
    staff: Annotated[
        str, typer.Option("--staff", metavar="NAME", help="The owner that the first staff key is made for.")
    ] = "staff",
    no_staff_key: Annotated[bool, typer.Option("--no-staff-key", help="Make no staff key.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make an installation where the settings say, or join the one that is there.

    It is a database, a pepper and a state folder, with the management API and its first staff key, which may do
    everything and is shown once, in the last line. What is there already stays as it is, so running it twice does no
    harm, and makes no second key. On PostgreSQL it is run on every host, with the same pepper.
    """
    if api and not profile:
        raise typer.BadParameter("it needs --profile, which says what the API is like.", param_hint="--api")
    stated = load(profile) if profile else None
    settings = read_settings()
    places = {"pepper": settings.pepper_path, "state": settings.state_folder}
    made = [name for name, path in places.items() if not path.exists()]
    if not is_there(settings):
        made.append("database")
    with _private(), _initialised(settings) as app:
        bring_up_to_date(app)
        if stated is not None and _add_api(app, api or stated.name, stated):
            made.append("api")
        first = None if no_staff_key else app.act(_first_staff_key, staff)
    database = str(settings.database_path.absolute()) if settings.on_one_host else settings.database_shown
    rows: list[dict[str, Any]] = [{"what": "database", "where": database, "made": "database" in made}]
    rows += [{"what": name, "where": str(path.absolute()), "made": name in made} for name, path in places.items()]
    if stated is not None:
        rows.append({"what": "api", "where": api or stated.name, "made": "api" in made})
    _say(rows, made, first, as_json=as_json)
    if not settings.on_one_host and "state" in made:
        typer.echo(
            "On every other host: copy the pepper there, then run 'limen init' with the same LIMEN_DATABASE_URL."
            if "database" in made
            else "This host works on the installation that was there.",
            err=True,
        )


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


def _first_staff_key(tx: Tx, staff: str) -> Issued | None:
    """A key that may do everything, for the owner *staff*, which is made if it is not there.

    None where the management API has, or ever had, a key: then somebody has been told one.
    """
    if keys.listed(tx, api=BUILT_IN, hidden=True, limit=1).items:
        return None
    try:
        owners.require(tx, staff)
    except ProblemError:
        owners.create(tx, NewOwner("user", "Staff", staff))
    return keys.issue(tx, NewKey(BUILT_IN, staff, "first staff key", key_class="staff", scopes=("admin",)))


def _say(rows: list[dict[str, Any]], made: list[str], first: Issued | None, *, as_json: bool) -> None:
    if first is not None:
        shown = {"text": first.text} if as_json else {}
        rows.append({"what": "staff key", "where": first.key.owner, "made": True, **shown})
    show.many(rows, ("what", "where", "made"), as_json=as_json, nothing="")
    if "pepper" in made:
        path = next(row["where"] for row in rows if row["what"] == "pepper")
        typer.echo(
            f"Back up the pepper, apart from the database: {path}\n"
            "Every key is stored under it. Without it no key can be checked, and all of them have to be issued again.",
            err=True,
        )
    if first is not None:
        typer.echo("This is the only time that the staff key is shown. Keep it where secrets are kept.", err=True)
        if not as_json:
            typer.echo(first.text)


def migrate(as_json: AsJson = False) -> None:
    """Bring the database to this release's schema, and the management API to its profile.

    The schema is changed in one transaction, or not at all. Back the database up before.
    """
    settings = read_settings()
    if settings.on_one_host and not settings.database_path.exists():
        raise ProblemError("store_not_ready", f"There is no database {settings.database_path}. Run 'limen init'.")
    folder = installation.require_folder(settings.state_folder, epoch=settings.on_one_host)
    store = Store(open_engine(settings.database_url), Epoch(folder) if settings.on_one_host else None)
    try:
        with store.read() as connection:
            before = schema.revision(connection)
        if before is None:
            raise ProblemError("store_not_ready", "The database is empty. Run 'limen init'.")
        went = schema.upgrade(store)
    finally:
        store.engine.dispose()
    app = App.open(settings)
    try:
        bring_up_to_date(app)
    finally:
        app.close()
    if as_json:
        show.json_out({"before": before, "now": schema.HEAD, "went_through": went})
    elif went:
        typer.echo(f"From revision {before} through {', '.join(went)}.")
    else:
        typer.echo(f"The database is at revision {before} already, which is this release's.")

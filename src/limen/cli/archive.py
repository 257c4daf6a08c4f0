"""``limen backup``, ``restore``, ``export`` and ``import``: copies of a whole installation."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from limen import __version__
from limen.archive import How, Imported, Plan, Restored, back_up, laid, load
from limen.archive import export as write_archive
from limen.archive import restore as put_back
from limen.cli import show
from limen.cli.door import confirm, opened
from limen.cli.options import AsJson, Yes
from limen.cli.progress import bar
from limen.control import revival
from limen.control.revival import UNCONFIRMED
from limen.core.versions import iso_instant
from limen.settings import Settings, read_settings

Force = Annotated[bool, typer.Option("--force", help="Also where there is a file of this name: it is replaced.")]
NoTombstones = Annotated[
    bool, typer.Option("--no-tombstones", help="Do not ask the tombstones. No key comes back active.")
]


def backup(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The backup, to be made.")] = "",
    *,
    force: Force = False,
    tombstones: Annotated[
        bool, typer.Option("--tombstones", help="Make none: say where the tombstones are, and how.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Copy the database into one file, while everything runs.

    The pepper is not in it: keep that apart. Nor is what the journals hold and is not drained yet, nor the tombstones,
    which say what ended after the backup was made.
    """
    settings = read_settings()
    if tombstones or not file:
        if file or not tombstones:
            raise typer.BadParameter("name the backup's file, or ask for --tombstones.", param_hint="FILE")
        show.one(_shown(laid(settings)), as_json=as_json)
        return
    with bar("Copying") as progress:
        made = back_up(settings, Path(file), replace=force, progress=progress)
    show.one(_shown(made), as_json=as_json)
    typer.echo(
        f"Not in it: the pepper {settings.pepper_path}, and the tombstones {settings.tombstones_path}. "
        "Keep a copy of each, apart from the backup.",
        err=True,
    )


def restore(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A backup.")],
    *,
    no_tombstones: NoTombstones = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Put a backup in the place of the database, and end again what has ended since.

    Every process of the installation must have been stopped. The database that was there is put aside. What ended since
    the backup, the tombstones say; where they do not say all, every key comes back inactive: see 'limen keys reactivate
    --restored'.
    """
    settings = read_settings()
    with bar("Copying") as progress:
        done = put_back(
            settings,
            Path(file),
            heeds=not no_tombstones,
            agree=lambda plan: _agree(plan, _shown_place(settings), yes=yes),
            progress=progress,
        )
    _tell(done, as_json=as_json)


def export(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The archive, to be made: a zip file.")],
    *,
    without_usage: Annotated[
        bool, typer.Option("--without-usage", help="Leave out readings, outcomes and refusals.")
    ] = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write all that the installation holds into an archive, while everything runs.

    It can be imported by another installation that has the same pepper. It holds keys by their digests, and personal
    data: keep it as you keep the database.
    """
    with opened() as limen, bar("Exporting") as progress:
        made = write_archive(
            limen, Path(file), release=__version__, usage=not without_usage, replace=force, progress=progress
        )
    show.one(_shown(made), as_json=as_json)


def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="An archive.")],
    *,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Also where there are keys already: that database is put aside. On SQLite alone."
        ),
    ] = False,
    no_tombstones: NoTombstones = False,
    as_exported: Annotated[
        bool,
        typer.Option("--as-exported", help="Nothing ended since the export: keys come back as the archive has them."),
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Make the installation what an archive holds, and end again what has ended since.

    The pepper must be in its place, and every process stopped. What ended since the export, the tombstones of the
    installation that it came from say; where they are not there, every key comes back inactive, unless --as-exported.
    """
    settings = read_settings()
    how = How(replaces=replace, heeds=not no_tombstones, trusted=as_exported)
    with bar("Importing") as progress:
        done = load(
            settings,
            Path(file),
            how,
            agree=lambda plan: _agree(plan, _shown_place(settings), trusted=as_exported, yes=yes),
            progress=progress,
        )
    _tell(done, as_json=as_json)


def _shown_place(settings: Settings) -> str:
    return str(settings.database_path) if settings.on_one_host else settings.database_shown


def _agree(plan: Plan, database: str, *, trusted: bool = False, yes: bool) -> None:
    """Say what is about to be done, and ask."""
    said = f"What holds will be as of {iso_instant(plan.copied_at)}"
    if plan.replaced_at is not None:
        said += f"; {database}, last changed {iso_instant(plan.replaced_at)}, is put aside"
    if not plan.aside:
        said += f"; what 'limen init' made in {database} goes, its staff key with it"
    said += f". The tombstones tell of {plan.told} keys and owners since."
    if plan.missing and trusted:
        said += f" Whatever else ended since is NOT KNOWN and comes back to life: {plan.missing}."
    elif plan.missing:
        said += f" No key will be active, because not every end since is known: {plan.missing}."
    confirm(said, yes=yes)


def _tell(done: Restored | Imported, *, as_json: bool) -> None:
    show.one(_shown(done), as_json=as_json)
    if done.revived.unconfirmed:
        typer.echo(
            f"{done.revived.unconfirmed} keys sleep ({UNCONFIRMED}): {done.missing}. Look through them, revoke what is "
            "not to come back, and wake the others with 'limen keys reactivate --restored'.",
            err=True,
        )


def _shown(found: Any) -> dict[str, Any]:
    """The fields of *found*, those of what it holds among them."""
    told: dict[str, Any] = {}
    for name, value in asdict(found).items():
        if isinstance(value, dict):
            told |= value
        else:
            told[name] = str(value) if isinstance(value, Path) else value
    return told


_BATCH = 200


def wake_restored(*, api: str, owner: str, yes: bool, as_json: bool) -> None:
    """Wake the keys that sleep since a restore, of *api* and *owner* where they are named, after asking."""
    with opened() as limen:
        with limen.reading() as reader:
            asleep = revival.unconfirmed(reader, api=api, owner=owner)
        if asleep:
            confirm(
                f"{len(asleep)} keys are woken. Those of them that ended after the backup come back to life.", yes=yes
            )
        woken, refused = 0, dict[str, str]()
        with bar("Waking") as progress:
            for start in range(0, len(asleep), _BATCH):
                done = limen.act(revival.confirm, asleep[start : start + _BATCH])
                woken, refused = woken + done.woken, refused | done.refused
                progress(min(start + _BATCH, len(asleep)), len(asleep))
    if as_json:
        show.json_out({"woken": woken, "refused": refused})
        return
    typer.echo(f"{woken} {'key' if woken == 1 else 'keys'} woken.")
    for key, why in refused.items():
        typer.echo(f"{key} sleeps on: {show.printable(why)}", err=True)

"""``limen profile``: the file in which a platform states its rules, checked, compared, applied and shown."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text

from limen.cli import show
from limen.cli.door import REFUSED, confirm, opened
from limen.cli.options import ApiName, AsJson, ProfileFile, Yes, examples, group
from limen.control import apis
from limen.core.problems import ProblemError
from limen.core.profile import Profile, ProfileError
from limen.core.profile_checks import odd
from limen.core.profile_diff import ABSENT, Difference, differences
from limen.db.transaction import Tx
from limen.profiles import SHIPPED, load

app = group("The files in which platforms state their rules.")


@app.command("check", epilog=examples("limen profile check shop.yaml", "limen profile check creator --json"))
def check(file: ProfileFile, as_json: AsJson = False) -> None:
    """Name every mistake in a profile, with its line.

    What was found and what is allowed go to standard error, a line a mistake. Exit code 1 where there is one. Limits
    that can never be reached, or refuse everything, are no mistakes: of them it warns.
    """
    try:
        profile: Profile | None = load(file)
        mistakes = []
    except ProfileError as error:
        profile, mistakes = None, list(error.mistakes)
    warnings = odd(profile) if profile is not None else []
    if as_json:
        name = profile.name if profile is not None else None
        show.json_out({"file": file, "profile": name, "mistakes": mistakes, "warnings": warnings})
    elif profile is not None:
        typer.echo(f"{show.printable(file)}: profile {profile.name} has no mistakes.")
    for mistake in mistakes if not as_json else ():
        typer.echo(str(mistake), err=True)
    show.warn(warnings if not as_json else ())
    if mistakes:
        raise typer.Exit(REFUSED)


@app.command(
    "apply",
    epilog=examples("limen profile apply shop shop.yaml", "limen profile apply shop shop.yaml --yes --overwrite"),
)
def apply(
    api: ApiName,
    file: ProfileFile,
    yes: Yes = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also set what staff set otherwise meanwhile.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a profile the next revision of an API's.

    Shows the difference first, and asks. When this returns, every process goes by it. Switches of the API stay as staff
    set them. Where staff dated a version otherwise than the profile does, the profile is refused, unless --overwrite is
    given.
    """
    profile = load(file)
    with opened() as limen:
        with limen.reading() as reader:
            held = apis.require(reader, api)
            found = differences(apis.profile_of(reader, api).document, profile.document)
            lines = apis.overwritten(reader, api, profile)
        if not as_json:
            _tell(api, held.revision, found, lines)
        if found and lines and not overwrite:
            raise ProblemError(
                "profile_conflict", f"Applying it would overwrite: {'; '.join(lines)}. --overwrite does so."
            )
        if found:
            show.warn(odd(profile) if not as_json else ())
            confirm(f"API {api} goes by this profile from now on.", yes=yes)
            held = limen.act(_apply, api, profile, revision=held.revision, overwrite=overwrite)
    if as_json:
        differing = [_difference(each) for each in found]
        show.json_out(
            {
                "api": api,
                "revision": held.revision,
                "applied": bool(found),
                "differences": differing,
                "overwritten": lines,
                "warnings": odd(profile),
            }
        )
    elif found:
        typer.echo(f"API {api} is at revision {held.revision}.")


def _apply(tx: Tx, api: str, profile: Profile, *, revision: int, overwrite: bool) -> apis.Api:
    """Apply what was shown to whom was asked: not where somebody else applied another one since."""
    if (now := apis.require(tx, api).revision) != revision:
        raise ProblemError(
            "profile_conflict", f"Revision {now} was applied meanwhile; the difference shown was to {revision}."
        )
    return apis.apply_profile(tx, api, profile, overwrite=overwrite)


def _tell(api: str, revision: int, found: list[Difference], lines: list[str]) -> None:
    if not found:
        typer.echo(f"API {api} goes by this profile already: revision {revision}. Nothing changes.")
        return
    table = show.columned("WHERE", f"REVISION {revision}", "NEW")
    for each in found:
        table.add_row(*(Text(show.printable(part)) for part in (each.path, _value(each.old), _value(each.new))))
    show.table_out(table)
    for line in lines:
        typer.echo(f"staff set otherwise: {show.printable(line)}", err=True)


def _value(value: Any) -> str:
    return "-" if value is ABSENT else repr(value)


def _difference(found: Difference) -> dict[str, Any]:
    sides = {"old": found.old, "new": found.new}
    return {"path": found.path} | {name: value for name, value in sides.items() if value is not ABSENT}


@app.command(
    "show", epilog=examples("limen profile show creator > creator.yaml", "limen profile show creator --revision 1")
)
def show_(
    api: ApiName,
    revision: Annotated[
        int | None, typer.Option("--revision", metavar="N", min=1, help="Default: the one in force.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the profile that an API goes by.

    It is YAML that can be applied again. What staff set beside it is not in it: see 'limen apis show' and
    'limen versions list'.
    """
    import yaml

    with opened() as limen, limen.reading() as reader:
        document = apis.document_of(reader, api, revision)
    if as_json:
        show.json_out(document)
    else:
        typer.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110), nl=False)


@app.command("list-shipped", epilog=examples("limen profile list-shipped"))
def list_shipped(as_json: AsJson = False) -> None:
    """The profiles that come with Limen.

    They can be named in place of a file.
    """
    profiles = [load(name) for name in SHIPPED]
    rows = [{"profile": each.name, "title": each.title, "owners": each.owner_type} for each in profiles]
    show.many(rows, ("profile", "title", "owners"), as_json=as_json, nothing="")

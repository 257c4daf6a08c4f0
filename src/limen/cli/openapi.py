"""``limen profile import-openapi``: the operations of a profile, from what an application says of itself."""

from __future__ import annotations

import difflib
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from limen.cli import show
from limen.cli.documents import Unreadable, read_document
from limen.cli.door import REFUSED, confirm
from limen.cli.options import AsJson, Yes, examples
from limen.cli.profile import app
from limen.core.openapi import Reading, differing, read_openapi
from limen.core.problems import ProblemError
from limen.core.profile import Mistake, ProfileError
from limen.core.profile_reader import read_profile
from limen.profiles import SHIPPED, load, parse
from limen.profiles.operations import section, with_operations

__all__ = ["app"]


@app.command(
    "import-openapi",
    epilog=examples(
        "limen profile import-openapi openapi.json --into shop.yaml",
        "limen profile import-openapi openapi.json --into shop.yaml --check",
        "limen profile import-openapi http://127.0.0.1:8000/openapi.json",
    ),
)
def import_openapi(
    document: Annotated[
        str,
        typer.Argument(
            metavar="DOCUMENT",
            help="OpenAPI 3.1, as JSON or YAML: a file; an https:// address, or http:// of this host; '-': standard"
            " input.",
        ),
    ],
    *,
    into: Annotated[
        str, typer.Option("--into", metavar="PROFILE", help="The profile's file whose operations become these.")
    ] = "",
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing: exit code 1 where the profile has other operations.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Make the operations of a profile from an OpenAPI document.

    Each operation says its scopes in its security requirement, or security: [] where it asks for no key; one that says
    neither is a problem, and nothing is made. Without --into, the section is printed. With it, the difference is shown
    first, and everything else in the file stays as it is.
    """
    if check and not into:
        raise typer.BadParameter("it compares with a profile: name it with --into.", param_hint="--check")
    if into in SHIPPED and not check:
        raise typer.BadParameter(f"{into} comes with Limen: name a file of your own.", param_hint="--into")
    reading = _read(document, into)
    told: dict[str, Any] = {
        "document": document,
        "profile": into or None,
        "operations": [each.item() for each in reading.operations],
        "problems": [asdict(each) for each in reading.problems],
        "differences": [],
        "written": False,
    }
    if reading.problems:
        told["operations"] = []
        _end(told, [f"{show.printable(document)}: {each}" for each in reading.problems], as_json=as_json)
    elif check:
        told["differences"] = differing(reading.operations, load(into).operations)
        lines = [f"{show.printable(into)}: {line}" for line in told["differences"]]
        said = f"{show.printable(into)} has the operations of the document: {len(reading.operations)}."
        _end(told, lines, said, as_json=as_json)
    elif into:
        _write(Path(into), told, yes=yes, as_json=as_json)
    else:
        _end(told, [], section(told["operations"]).rstrip("\n"), as_json=as_json)


def _end(told: dict[str, Any], lines: list[str], said: str = "", *, as_json: bool) -> None:
    """Say what was found: *lines* are what is wrong; exit code 1 where there are any."""
    if as_json:
        show.json_out(told)
    for line in lines if not as_json else ():
        typer.echo(show.printable(line), err=True)
    if lines:
        raise typer.Exit(REFUSED)
    if said and not as_json:
        typer.echo(said)


def _read(document: str, into: str) -> Reading:
    """What *document* says, held against the scopes and the version's place in the profile that it goes *into*."""
    around = _profile_data(into) if into else {}
    scopes, versioning = around.get("scopes"), around.get("versioning")
    in_path = isinstance(versioning, dict) and versioning.get("carrier") == "path"
    try:
        read = read_document(document)
    except Unreadable as error:
        reading = Reading()
        reading.note("", error.found, error.allowed)
        return reading
    return read_openapi(
        read,
        catalogue=tuple(scopes) if isinstance(scopes, dict) else None,
        version_form=str(versioning.get("format", "segment")) if isinstance(versioning, dict) and in_path else None,
    )


def _profile_data(into: str) -> dict[str, Any]:
    """What stands in the profile's file, right or not: its operations may be what is missing."""
    if into in SHIPPED:
        return dict(load(into).document)
    try:
        data = parse(_text(Path(into)).encode()).data
    except ProfileError as error:
        raise ProfileError(replace(each, source=into) for each in error.mistakes) from None
    return data if isinstance(data, dict) else {}


def _text(path: Path) -> str:
    """The file's text, its line ends as they are."""
    try:
        with path.open("r", encoding="utf-8", newline="") as file:
            return file.read()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no text in UTF-8"
        raise ProfileError([Mistake("", None, reason, "a profile's file", str(path))]) from error


def _write(path: Path, told: dict[str, Any], *, yes: bool, as_json: bool) -> None:
    before = _text(path)
    try:
        after = with_operations(before, told["operations"])
    except ValueError as error:
        if isinstance(error, ProfileError):
            raise
        raise ProblemError(
            "profile_wrong", f"{path}: the section 'operations' cannot be written by lines: {error}."
        ) from error
    _valid(after, str(path))
    told["differences"] = _differences(before, after, path)
    if after == before:
        _end(told, [], f"{path} has these operations already. Nothing changes.", as_json=as_json)
        return
    if not as_json:
        for line in told["differences"]:
            typer.echo(show.printable(line))
    confirm(f"{path} has these operations from now on.", yes=yes)
    if _text(path) != before:
        raise ProblemError(
            "profile_conflict", f"{path} was changed meanwhile; the difference shown was to what it was."
        )
    _place(path.resolve(), after)
    told["written"] = True
    _end(told, [], f"{path} has the {len(told['operations'])} operations of the document.", as_json=as_json)


def _valid(text: str, source: str) -> None:
    """Raises ProfileError where *text* is no profile, naming every mistake at its line in the file to come."""
    try:
        parsed = parse(text.encode())
        read_profile(parsed.data, parsed.lines)
    except ProfileError as error:
        raise ProfileError(replace(each, source=source) for each in error.mistakes) from None


def _differences(before: str, after: str, path: Path) -> list[str]:
    """The lines that change, in the form that ``patch`` reads: with ``-R`` it takes them back."""
    old, new = (text.replace("\r\n", "\n").split("\n") for text in (before, after))
    return list(difflib.unified_diff(old, new, fromfile=str(path), tofile=str(path), lineterm="", n=1))


def _place(path: Path, text: str) -> None:
    """Put *text* into the place of the file: who reads it meets what was or what is, whole, with the same rights."""
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)  # left by a writer that was killed
    mode = path.stat().st_mode & 0o777
    file = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    try:
        with os.fdopen(file, "w", encoding="utf-8", newline="") as out:
            os.fchmod(file, mode)
            out.write(text)
            out.flush()
            os.fsync(file)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)

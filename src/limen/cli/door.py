"""The command line's way in and out: opening the installation, and what is said and returned when something fails.

Exit codes: 0 done; 1 refused, with the reason; 2 called in a wrong way; 3 the installation is not ready (a setting,
the pepper, the database, a listener); 70 a bug of Limen's own. Errors go to standard error: as a line, or, where the
command line has ``--json``, as one JSON document. A traceback is printed for a bug alone, and shows no values.
"""

from __future__ import annotations

import json
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from limen.app import App
from limen.cli.show import printable
from limen.core.keys import BODY_CHARS
from limen.core.problems import ProblemError
from limen.core.profile import ProfileError
from limen.settings import read_settings

DONE, REFUSED, USAGE, NOT_READY, BUG, INTERRUPTED = 0, 1, 2, 3, 70, 130

_LONG = re.compile(rf"[0-9A-Za-z_]{{{BODY_CHARS},}}")
"""What may be a key that was typed where none belongs. No error repeats it."""


class Door(TyperGroup):
    """The command ``limen``. However a command ends, it ends here."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line, and leave the process with its exit code."""
        given = sys.argv[1:] if args is None else list(args)
        if not standalone_mode:
            return super().main(given, prog_name, complete_var, False, windows_expand_args, **extra)
        try:
            code = super().main(given, "limen", complete_var, False, windows_expand_args, **extra) or DONE
        except Exception as error:  # the last door: whatever it is becomes words and an exit code
            code = _fail(error, as_json="--json" in given)
        sys.exit(code)


def _fail(error: Exception, *, as_json: bool) -> int:
    """Say what failed; the exit code."""
    if isinstance(error, typer.Abort):
        return _refuse("cancelled", "Cancelled", "Nothing was done.", as_json=as_json)
    if isinstance(error, typer.TyperException):
        return _misuse(error, as_json=as_json)
    if isinstance(error, ProfileError):
        mistakes = [_short(str(mistake)) for mistake in error.mistakes]
        found = f"{len(mistakes)} {'mistake' if len(mistakes) == 1 else 'mistakes'}."
        return _refuse("profile_wrong", "Profile wrong", found, mistakes, as_json=as_json)
    if isinstance(error, ProblemError):
        problem = error.problem
        _refuse(problem.code, problem.title, error.detail, as_json=as_json)
        return NOT_READY if problem.status >= 500 else REFUSED
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        _refuse("store_down", "Store down", f"{place}{error.strerror or error}.", as_json=as_json)
        return NOT_READY
    typer.echo(_short("".join(traceback.format_exception(error))), err=True, nl=False)
    return BUG


def _misuse(error: typer.TyperException, *, as_json: bool) -> int:
    """A wrong call: what is wrong with it, and how the command is called."""
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if context is not None and message == context.get_help():  # nothing was asked for, so help is the answer
        typer.echo(message, err=True)
        return USAGE
    if context is not None and not as_json:
        typer.echo(f"{context.get_usage()}\nTry '{context.command_path} --help'.\n", err=True)
    _refuse("usage", "Usage", message, as_json=as_json)
    return USAGE


def _refuse(code: str, title: str, detail: str, mistakes: Sequence[str] = (), *, as_json: bool) -> int:
    detail = _short(detail)
    if as_json:
        found = {"code": code, "title": title, "detail": detail} | ({"mistakes": list(mistakes)} if mistakes else {})
        typer.echo(json.dumps(found), err=True)
        return REFUSED
    for mistake in mistakes:
        typer.echo(mistake, err=True)
    typer.secho("error: ", fg=typer.colors.RED, bold=True, nl=False, err=True)
    typer.echo(printable(f"{title}: {detail}"), err=True)
    return REFUSED


def _short(text: str) -> str:
    return _LONG.sub(f"({BODY_CHARS} or more characters)", text)


@contextmanager
def opened() -> Iterator[App]:
    """The installation that the settings name, for as long as the block runs. Raises what ``App.open`` raises."""
    app = App.open(read_settings())
    try:
        yield app
    finally:
        app.close()


def confirm(question: str, *, yes: bool) -> None:
    """Go on only when somebody at the terminal says so, or *yes* was given.

    Raises Abort where they say no, and a usage error where there is no terminal to ask at.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter(
            f"{question} There is no terminal to ask at. Add --yes to go on without being asked.", param_hint="--yes"
        )
    typer.confirm(printable(f"{question} Go on?"), abort=True, err=True)

"""``limen keys inspect``: which key it is, and every reason for which a request with it is refused."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from rich.text import Text

from limen.cli import read, show
from limen.cli.door import REFUSED, opened
from limen.cli.imports import app
from limen.cli.options import AsJson, examples
from limen.control import inspection
from limen.control.inspection import Inspection, Presented, Wish

__all__ = ["app"]

MOST_CHARS = 4_096


@app.command(
    "inspect",
    epilog=examples(
        "limen keys inspect - --operation 'GET /chats' --version 2025-06-26 < pasted.txt",
        "limen keys inspect 4fQ0wZr81kTb --address 203.0.113.9 --json",
    ),
)
def inspect(
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="The key's 12-character id; '-': read a text from standard input.")
    ],
    *,
    api: Annotated[str, typer.Option("--api", metavar="API", help="The API that it was used for.")] = "",
    operation: Annotated[
        str, typer.Option("--operation", metavar="OPERATION", help="An operation's id, or a call as 'GET /chats'.")
    ] = "",
    version: Annotated[str, typer.Option("--version", metavar="VERSION", help="The version that was named.")] = "",
    environment: Annotated[
        str, typer.Option("--environment", metavar="ENVIRONMENT", help="live or test. Default: the key's own.")
    ] = "",
    address: Annotated[str, typer.Option("--address", metavar="ADDRESS", help="Whence it was called.")] = "",
    origin: Annotated[str, typer.Option("--origin", metavar="ORIGIN", help="The web origin that it came from.")] = "",
    as_json: AsJson = False,
) -> None:
    """Say which key it is, every reason for which a request with it is refused, and what to do.

    A text is never shown again. The exit code is 1 where it would be refused, whatever room there is in its limits.
    """
    wish = Wish(api, operation, version, environment, address, origin)
    text = _text() if key == "-" else ""
    wanted = "" if key == "-" else read.key_id(key)
    with opened() as limen:
        recognised = limen.recognise([text])[0] if key == "-" else None
        with limen.reading() as reader:
            found = inspection.inspect(reader, Presented(wanted, text, recognised), wish)
    if as_json:
        show.json_out(found)
    else:
        _print(found)
    if found.refused:
        raise typer.Exit(REFUSED)


def _text() -> str:
    """What came in on standard input, without the end of its line: what else stands around it may be what is wrong."""
    if sys.stdin.isatty():
        return str(typer.prompt("Key", hide_input=True, err=True))
    return sys.stdin.buffer.read(MOST_CHARS).decode("utf-8", "surrogateescape").rstrip("\r\n")


def _print(found: Inspection) -> None:
    key = found.key
    facts: dict[str, Any] = {"whole key": found.whole} if found.presented == "text" else {}
    if found.flaw:
        facts["found"] = found.found
    if key is not None:
        facts |= {"key": key.key, "hint": key.hint, "name": key.name, "api": key.api, "owner": key.owner}
        facts |= {"class": key.key_class, "environment": key.environment, "state": key.state}
        facts |= {"expires_at": key.expires_at, "last_used_at": key.last_used_at, "leaked_at": key.leaked_at}
        facts["scopes"] = key.scopes
    if not found.flaw:
        facts |= {
            "deleted_at": found.deleted_at,
            "operation": found.operation,
            "needs": found.scopes_needed,
            "lacks": found.scopes_missing,
            "limits": [f"{each.limit} ({each.source})" for each in found.limits],
            "limited_at": found.limited_at,
            "disregards": found.disregards,
            "measures": [f"{each.kind} of {each.target}: {each.reason}" for each in found.measures],
            "not looked at": found.not_looked_at,
        }
    facts["refused"] = found.refused
    show.one(facts, as_json=False)
    if found.reasons:
        table = show.columned("CODE", "STATUS", "FOUND", "WHAT TO DO")
        for reason in found.reasons:
            cells = (reason.code, str(reason.status), reason.found, reason.what_to_do)
            table.add_row(*(Text(show.printable(cell)) for cell in cells))
        typer.echo()
        show.table_out(table)

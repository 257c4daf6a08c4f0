"""What many commands have in common: their arguments and options, and the form of their examples."""

from __future__ import annotations

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output, and nothing else.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
ApiName = Annotated[str, typer.Argument(metavar="API", help="The API's name.")]
OwnerId = Annotated[str, typer.Argument(metavar="OWNER", help="The owner's id.")]
KeyId = Annotated[
    str, typer.Argument(metavar="KEY", help="The key's 12-character id; '-': read a whole key from standard input.")
]
KeyName = Annotated[str, typer.Option("--name", metavar="NAME", help="What the key is for: 1 to 100 characters.")]
KeyClass = Annotated[str, typer.Option("--class", metavar="CLASS", help="A class of the API's profile.")]
Environment = Annotated[
    str, typer.Option("--environment", metavar="ENVIRONMENT", help="live or test, as the class has them.")
]
ExpiresAt = Annotated[
    str, typer.Option("--expires-at", metavar="DATE", help="2027-06-26 (midnight UTC) or 2027-06-26T12:00:00Z.")
]
Origins = Annotated[
    list[str] | None, typer.Option("--origin", metavar="ORIGIN", help="Only from this web origin; may be repeated.")
]
Addresses = Annotated[
    list[str] | None,
    typer.Option("--address", metavar="RANGE", help="Only from this address range; may be repeated."),
]
Pin = Annotated[
    str,
    typer.Option("--pin", metavar="VERSION", help="What a request without a version is for. Default: the newest."),
]
ProfileFile = Annotated[str, typer.Argument(metavar="FILE", help="A profile's file, or the name of a shipped profile.")]


def examples(*lines: str) -> str:
    """*lines* as the end of a command's help, each on a line of its own."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def group(about: str, *, alone: bool = False) -> typer.Typer:
    """A group of commands. Its help is plain text: nothing in it is taken for markup.

    *alone*: it does something without a command too.
    """
    return typer.Typer(help=about, no_args_is_help=not alone, rich_markup_mode=None, add_completion=False)

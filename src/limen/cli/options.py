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
ProfileFile = Annotated[str, typer.Argument(metavar="FILE", help="A profile's file, or the name of a shipped profile.")]


def examples(*lines: str) -> str:
    """*lines* as the end of a command's help, each on a line of its own."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def group(about: str) -> typer.Typer:
    """A group of commands. Its help is plain text: nothing in it is taken for markup."""
    return typer.Typer(help=about, no_args_is_help=True, rich_markup_mode=None, add_completion=False)

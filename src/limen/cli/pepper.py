"""``limen pepper``: what keys are stored under, changed while everything runs."""

from __future__ import annotations

import base64
import binascii
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from limen.app import App
from limen.cli import show
from limen.cli.door import confirm, opened
from limen.cli.options import AsJson, Yes, examples, group
from limen.cli.progress import bar
from limen.control import peppers

app = group("Peppers and secrets, under which keys are stored. They lie in a file of their own; back it up.")

_BACK_UP = "Back up {path} now, apart from the database: without it no key can be checked."


class Form(StrEnum):
    """How a secret is written in a file."""

    RAW = "raw"
    HEX = "hex"
    BASE64 = "base64"


@app.command("list", epilog=examples("limen pepper list", "limen pepper list --json"))
def list_(as_json: AsJson = False) -> None:
    """The versions of the pepper and the secrets, and how many keys need each."""
    with opened() as limen, limen.reading() as reader:
        versions, secrets = peppers.listed(reader), peppers.secrets(reader)
    if as_json:
        show.json_out({"peppers": versions, "secrets": secrets})
        return
    show.many(versions, ("version", "created_at", "newest", "keys", "wrapped"), as_json=False, nothing="")
    typer.echo()
    show.many(secrets, ("name", "created_at", "keys"), as_json=False, nothing="There are no secrets.")


@app.command("add", epilog=examples("limen pepper add", "limen pepper add --json"))
def add(as_json: AsJson = False) -> None:
    """Store new keys under a new pepper, from now on and in every process.

    Where the file has a newer version already, that is taken up. Keys under older versions go on working; they are
    stored anew as they are used, or all at once by 'limen pepper wrap'.
    """
    with opened() as limen:
        path = limen.settings.pepper_path
        version = limen.act(peppers.add, path)
    show.one({"version": version, "file": str(path.absolute())}, as_json=as_json)
    typer.echo(_BACK_UP.format(path=path.absolute()), err=True)


@app.command(
    "add-secret",
    epilog=examples(
        "limen pepper add-secret legacy --from hmac.secret",
        "limen pepper add-secret legacy --from - --form hex < hmac.hex",
        "limen pepper add-secret locator",
    ),
)
def add_secret(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As the profile's foreign keys name it.")],
    *,
    source: Annotated[
        str, typer.Option("--from", metavar="FILE", help="Where it is; '-': standard input. Default: it is drawn.")
    ] = "",
    form: Annotated[
        Form, typer.Option("--form", help="raw: the file's bytes, without a newline at the end; or hex, or base64.")
    ] = Form.RAW,
    as_json: AsJson = False,
) -> None:
    """Add the secret by which another system hashed its keys.

    The secret 'locator', by which imported keys are found, is there since 'limen init'; it is never changed.
    """
    value = _secret(source, form) if source else None
    with opened() as limen:
        path = limen.settings.pepper_path
        limen.act(peppers.add_secret, path, name, value)
    show.one({"secret": name, "file": str(path.absolute())}, as_json=as_json)
    typer.echo(_BACK_UP.format(path=path.absolute()), err=True)


def _secret(source: str, form: Form) -> bytes:
    content = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    if form == Form.RAW:
        return content.removesuffix(b"\n").removesuffix(b"\r")
    try:
        return bytes.fromhex(content.decode()) if form == Form.HEX else base64.b64decode(content.strip(), validate=True)
    except (ValueError, binascii.Error):
        raise typer.BadParameter(f"what is there is not {form}.", param_hint="--form") from None


@app.command("wrap", epilog=examples("limen pepper wrap", "limen pepper wrap --json"))
def wrap(as_json: AsJson = False) -> None:
    """Store all keys under the newest pepper, also those that are never used.

    What was stored is wrapped: such a key needs both peppers until it is used. Stopped half-way, it goes on when it is
    run again.
    """
    with opened() as limen:
        count = sum(_batches(limen))
    show.one({"wrapped": count}, as_json=as_json)


def _batches(limen: App) -> Iterator[int]:
    """Wrap batch after batch, until from the first key to the last none has to be; how many were in each."""
    with limen.reading() as reader:
        total = sum(each.keys for each in peppers.listed(reader) if not each.newest)
    done, last = 0, ""
    with bar("Wrapping") as progress:
        while True:
            batch = limen.act(peppers.wrap, after=last)
            if not batch.count and not last:
                return
            done, last = done + batch.count, batch.last
            progress(done, max(total, done))
            yield batch.count


@app.command("retire", epilog=examples("limen pepper retire 1", "limen pepper retire legacy --forget-ended --yes"))
def retire(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A version, or a secret's name.")],
    *,
    forget_ended: Annotated[
        bool,
        typer.Option("--forget-ended", help="Keys that have ended do not count: they are told as not known after it."),
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Take a pepper, or a secret, out of the file, once no key needs it."""
    which = int(name) if name.isdecimal() else name
    with opened() as limen:
        path = limen.settings.pepper_path
        confirm(f"{name!r} is taken out of {path.absolute()}. A backup of before needs it.", yes=yes)
        limen.act(peppers.retire, path, which, forget_ended=forget_ended)
        limen.act(peppers.forget, path, which)
    show.one({"retired": which}, as_json=as_json)

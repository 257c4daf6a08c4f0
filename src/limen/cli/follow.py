"""``limen usage follow``: decisions of this host as they are made."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from time import sleep
from typing import Annotated

import typer

from limen.app import App
from limen.cli.asking import WHOSE, Wanted, asking
from limen.cli.door import opened
from limen.cli.options import AsJson
from limen.cli.show import printable
from limen.control import usage
from limen.core.usage import Decided
from limen.core.verdict import OK
from limen.core.versions import iso_instant
from limen.drain import Tail, Written

EVERY_S = 0.05
"""How often it is looked whether there are more."""

_KNOWN = 100_000


@dataclass(frozen=True, slots=True)
class Filter:
    """Which decisions are wanted. What is empty matches every one."""

    key: str = ""
    owner: str = ""
    api: str = ""
    code: str = ""
    path: str = ""
    """What their paths begin with."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A decision, as it is shown. *key* and *owner* are empty where the database does not know them any more."""

    at: float
    reading: str
    api: str
    key: str
    owner: str
    method: str
    path: str
    operation: str
    version: str
    code: str
    address: str


class Follower:
    """The wanted decisions, from now on."""

    def __init__(self, app: App, wanted: Filter) -> None:
        self._app, self._wanted = app, wanted
        self._tail = Tail(app.settings.state_folder / "journal")
        self._known: dict[bytes, tuple[str, str]] = {}

    def read(self) -> list[Seen]:
        """Those that were made since this was asked last, in the order of their moments."""
        found = [written for written in self._tail.read() if self._may_be(written)]
        self._learn({written.entry.locator for written in found if isinstance(written.entry, Decided)})
        seen = (self._seen(written) for written in found)
        return sorted((each for each in seen if self._is_wanted(each)), key=lambda each: each.at)

    def _may_be(self, written: Written) -> bool:
        entry, wanted = written.entry, self._wanted
        if not isinstance(entry, Decided) or wanted.api not in ("", written.api):
            return False
        return wanted.code in ("", entry.code) and entry.path.startswith(wanted.path)

    def _learn(self, places: set[bytes]) -> None:
        if len(self._known) > _KNOWN:
            self._known.clear()
        if unknown := places - self._known.keys():
            with self._app.reading() as reader:
                self._known |= dict.fromkeys(unknown, ("", "")) | usage.holders(reader, unknown)

    def _seen(self, written: Written) -> Seen:
        entry = written.entry
        assert isinstance(entry, Decided)  # noqa: S101 - said to the type checker: nothing else is wanted
        key, owner = self._known[entry.locator]
        what = (entry.method, entry.path, entry.operation, entry.version, entry.code, entry.address)
        return Seen(entry.at, written.reading, written.api, key, owner, *what)

    def _is_wanted(self, seen: Seen) -> bool:
        return self._wanted.key in ("", seen.key) and self._wanted.owner in ("", seen.owner)

    def close(self) -> None:
        """Look no further."""
        self._tail.close()


@asking(*WHOSE, "code")
def follow(
    *,
    wanted: Wanted,
    path: Annotated[str, typer.Option("--path", metavar="TEXT", help="Their paths begin so.")] = "",
    as_json: AsJson = False,
) -> None:
    """Decisions on known keys as they are made on this host, until it is interrupted."""
    run(Filter(**wanted.which, path=path), as_json=as_json)


def run(wanted: Filter, *, as_json: bool) -> None:
    """Print *wanted* decisions until it is interrupted, or nobody reads them any more."""
    with opened() as limen, closing(Follower(limen, wanted)) as follower:
        try:
            for seen in _onward(follower):
                typer.echo(_line(seen, as_json=as_json))
                sys.stdout.flush()
        except (KeyboardInterrupt, BrokenPipeError):
            return


def _onward(follower: Follower) -> Iterator[Seen]:
    while True:
        yield from follower.read()
        sleep(EVERY_S)


def _line(seen: Seen, *, as_json: bool) -> str:
    at = iso_instant(seen.at)
    if as_json:
        told = {name: getattr(seen, name) for name in Seen.__dataclass_fields__}
        return json.dumps(told | {"at": at})
    colour = typer.colors.GREEN if seen.code == OK.slug else typer.colors.RED
    who = f"{seen.key or '-':12} {printable(seen.owner) or '-'}"
    call = printable(f"{seen.method} {seen.path}")
    return f"{at[11:23]}  {typer.style(f'{seen.code:18}', fg=colour)} {seen.api}  {who}  {call}"

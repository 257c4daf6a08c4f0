"""Of whom and of what time usage is asked for: the same options for every command that adds it up."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any

import typer

from limen.cli import read
from limen.control.statistics import Asked

_OPTIONS = {
    "api": ("API", "Of this API. Default: of every one but Limen's own."),
    "owner": ("OWNER", "Of all keys of this owner."),
    "key": ("KEY", "Of this key: its id, or '-'."),
    "operation": ("OPERATION", "Of this operation."),
    "version": ("VERSION", "Of this version."),
    "code": ("CODE", "With this code: ok, or that of a refusal."),
    "within": ("DURATION", "How far back: '24 h' (units: s, min, h, d)."),
    "until": ("DATE", "From when back: a day, an instant, or now."),
}
WHOSE = ("api", "owner", "key")
CALLS = (*WHOSE, "operation", "version", "code")
TIME = ("within", "until")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for. *within* is as it was written."""

    within: str
    lasting_s: int
    until: read.Moment
    which: dict[str, str]

    def at(self, now: float, **more: str) -> Asked:
        """The same, seen from *now*; and *more*, by the names of ``Asked``."""
        end = self.until.from_now(now)
        return Asked(since=end - self.lasting_s, until=end, **self.which | more)


def asking(*names: str, within: str = "24 h") -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The command with an option for each of *names*. It is handed them as its *wanted*; *within* is the default."""
    defaults = {"within": within, "until": "now"}

    def dressed(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(*args: Any, **given: Any) -> None:
            said = {name: given.pop(name) for name in names}
            key = said.get("key", "")
            which = {name: said[name] for name in CALLS if said.get(name)}
            wanted = Wanted(
                within=said.get("within", within),
                lasting_s=read.duration_s(said.get("within", within), "--within"),
                until=read.moment(said.get("until", "now"), "--until"),
                which=which | ({"key": read.key_id(key)} if key else {}),
            )
            command(*args, wanted=wanted, **given)

        own = [each for each in inspect.signature(command, eval_str=True).parameters.values() if each.name != "wanted"]
        first = [each for each in own if each.kind is not inspect.Parameter.KEYWORD_ONLY]
        options = [_option(name, defaults.get(name, "")) for name in names]
        run.__signature__ = inspect.Signature([*first, *options, *own[len(first) :]])  # type: ignore[attr-defined]  # functions have one
        return run

    return dressed


def _option(name: str, default: str) -> inspect.Parameter:
    metavar, said = _OPTIONS[name]
    kind = Annotated[str, typer.Option(f"--{name}", metavar=metavar, help=said)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)

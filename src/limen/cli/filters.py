"""By what keys are looked for: the same options for every command that is about many of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from typing import Annotated, Any, cast

import typer

from limen.cli import read
from limen.db.wanted import Wanted


class State(StrEnum):
    """The state of a key."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Filter:
    """What was asked for: by the names of ``Wanted``, moments as they were read."""

    asked: dict[str, Any]

    def at(self, now: float) -> Wanted:
        """The same, seen from *now*."""
        moments = {name: value.from_now(now) for name, value in self.asked.items() if isinstance(value, read.Moment)}
        return cast("Wanted", self.asked | moments)


_DATE = "A day (midnight UTC), an instant, or now."
_WORDS = {
    "api": ("--api", "API", "Of this API. Default: of every one but Limen's own."),
    "owner": ("--owner", "OWNER", "Of this owner."),
    "key_class": ("--class", "CLASS", "Of this class."),
    "environment": ("--environment", "ENVIRONMENT", "Of this environment: live, test."),
    "prefix": ("--prefix", "TEXT", "What lists show of them begins so: sk_live_, sk_live_4fQ0."),
    "id": ("--id", "TEXT", "Their ids begin so: 3 characters or more."),
    "name": ("--name", "TEXT", "Their names begin so, in upper or lower case."),
    "created_by": ("--created-by", "ACTOR", "Made by them: staff:s-1, member:u-1024."),
}
_MOMENTS = {
    "created_after": ("--created-after", f"Made then or later. {_DATE}"),
    "created_before": ("--created-before", "Made before."),
    "used_after": ("--used-after", "Last used then or later."),
    "used_before": ("--used-before", "Last used before."),
    "expiring_after": ("--expiring-after", "Not ended, and ending then or later."),
    "expiring_before": ("--expiring-before", "Not ended, and ending before."),
}
_FLAGS = {
    "never_used": ("--never-used", "Never used."),
    "weak": ("--weak", "Imported, and easier to guess than Limen's own."),
    "leaked": ("--leaked", "Reported as leaked."),
}


def _options() -> list[inspect.Parameter]:
    state = Annotated[State | None, typer.Option("--state", help="In this state. Default: in any.")]
    return [
        *(
            _option(name, Annotated[str, typer.Option(option, metavar=metavar, help=said)], "")
            for name, (option, metavar, said) in _WORDS.items()
        ),
        _option("state", state, None),
        *(
            _option(name, Annotated[str, typer.Option(option, metavar="DATE", help=said)], "")
            for name, (option, said) in _MOMENTS.items()
        ),
        *(
            _option(name, Annotated[bool, typer.Option(option, help=said)], False)
            for name, (option, said) in _FLAGS.items()
        ),
    ]


def _option(name: str, kind: Any, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """*command* with an option for each thing that keys are looked for by. It is handed them as its *wanted*."""
    options = _options()

    @wraps(command)
    def run(**given: Any) -> None:
        asked = {each.name: given.pop(each.name) for each in options}
        asked["state"] = asked["state"].value if asked["state"] else ""
        for name, (option, _) in _MOMENTS.items():
            asked[name] = read.moment(asked[name], option) if asked[name] else None
        command(wanted=Filter(asked), **given)

    own = inspect.signature(command, eval_str=True).parameters.values()
    rest = [each for each in own if each.name != "wanted"]
    run.__signature__ = inspect.Signature([*options, *rest])  # type: ignore[attr-defined]  # functions have one
    return run

"""The section ``alerts`` of a profile: which rules hold from the start, and by which numbers."""

from __future__ import annotations

from typing import Any

from limen.core.alerts import KINDS, Number
from limen.core.profile_form import Field, Leaf, Section


def _switch(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    words = {"on": True, "true": True, "off": False, "false": False}
    if not isinstance(value, str) or value not in words:
        raise ValueError("no switch")
    return words[value]


def _number(of: Number) -> Leaf:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError("no number")
        number = float(value)
        if not of.least <= number <= of.most:
            raise ValueError("out of range")
        return number

    return Leaf(f"a number from {of.least:g} to {of.most:g}", read)


ALERTS = Section(
    {
        kind: Field(
            Section(
                {
                    "on": Field(Leaf("on, off (or true, false)", _switch), "on"),
                    **{name: Field(_number(number), None) for name, number in of.numbers.items()},
                },
                words="on, off, or a mapping of its numbers",
                short=lambda word: {"on": word} if word in (True, False, "on", "off") else None,
            ),
            {},
        )
        for kind, of in KINDS.items()
    }
)


def read_alerts(read: Any) -> dict[str, tuple[bool, dict[str, float]]]:
    """Of each kind whether it holds, and its numbers that are not as they are anyway."""
    return {
        kind: (of["on"], {name: value for name, value in of.items() if name != "on" and value is not None})
        for kind, of in read.items()
    }

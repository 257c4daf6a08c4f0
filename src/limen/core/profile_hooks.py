"""The section ``webhooks`` of a profile: the dialect in which its webhooks are signed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from limen.core.profile_form import Field, Leaf, Section, listed
from limen.core.webhooks import KEYS, PLACES, SIGNED, Dialect, Headers, is_form

_TAKEN = frozenset({"host", "content-length", "content-type", "connection", "transfer-encoding", "user-agent"})


def _fits(pattern: str) -> Callable[[Any], str]:
    whole = re.compile(pattern)

    def read(value: Any) -> str:
        if not isinstance(value, str) or whole.fullmatch(value) is None or value.lower() in _TAKEN:
            raise ValueError("another form")
        return value

    return read


def _form(value: Any) -> str:
    if not isinstance(value, str) or not is_form(value):
        raise ValueError("no form of a signature")
    return value


def _switch(value: Any) -> bool:
    words = {"on": True, "true": True, "off": False, "false": False}
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or value not in words:
        raise ValueError("no switch")
    return words[value]


_HEADER = Leaf(
    "a header's name (RFC 9110 §5.6.2), not Host, Content-… or User-Agent", _fits(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
)
_AGENT = Leaf("at most 100 printable characters of ASCII", _fits("[ -~]{1,100}"))
_FORM = Leaf(f"text with one of {', '.join(PLACES)} in it, and {{timestamp}} where it has that", _form)
_SWITCH = Leaf("on, off (or true, false)", _switch)

WEBHOOKS = Section(
    {
        "user_agent": Field(_AGENT, "Limen-Webhooks"),
        "key": Field(Leaf(listed(KEYS), _fits("|".join(KEYS))), "text"),
        "signed": Field(Leaf(listed(SIGNED), _fits("|".join(map(re.escape, SIGNED))))),
        "signature": Field(
            Section({"header": Field(_HEADER), "form": Field(_FORM), "several": Field(_SWITCH, "off")}),
        ),
        "headers": Field(
            Section(
                {name: Field(_HEADER, None) for name in ("id", "timestamp", "event", "attempt", "first_at", "endpoint")}
            ),
            {},
        ),
    }
)
"""Its fields."""


def dialect(read: Mapping[str, Any] | None) -> Dialect | None:
    """The dialect that the section says; None where there is no section: then it is the standard one."""
    if read is None:
        return None
    signature = read["signature"]
    return Dialect(
        header=signature["header"],
        form=signature["form"],
        signed=read["signed"],
        several=signature["several"],
        key=read["key"],
        headers=Headers(**{name: header or "" for name, header in read["headers"].items()}),
        user_agent=read["user_agent"],
    )

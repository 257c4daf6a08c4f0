"""The body of an error, as a profile writes it: JSON, whose strings may have placeholders."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from limen.core.profile_form import MISTAKEN, Findings, shown, under

PLACEHOLDERS: Final = ("title", "detail", "code", "version", "sunset", "next_version", "scope", "retry_after")
"""What the strings of a compat body may have in braces."""

EXACT: Final = 2**53
"""Whole numbers below it mean the same to every reader of JSON (RFC 8259 §6)."""

_DEEPEST = 8
_BRACES = re.compile(r"\{[^{}]*\}|[{}]")


@dataclass(frozen=True, slots=True)
class Body:
    """The body of an error: JSON, whose strings may have placeholders."""

    allowed: str = "a mapping, the JSON body to answer"

    def take(self, value: Any, path: str, findings: Findings) -> Any:
        """*value* as it is, every mistake in it noted."""
        if not isinstance(value, Mapping):
            findings.note(path, shown(value), self.allowed)
            return MISTAKEN
        self._look(value, path, findings, _DEEPEST)
        return value

    def _look(self, value: Any, path: str, findings: Findings, deeper: int) -> None:
        if isinstance(value, Mapping | list):
            if deeper == 0:
                findings.note(path, shown(value), f"a body of at most {_DEEPEST} levels")
                return
            inner = value.items() if isinstance(value, Mapping) else enumerate(value)
            for name, content in inner:
                if isinstance(value, Mapping) and not (isinstance(name, str) and name and name.isprintable()):
                    findings.note(path, f"the name {shown(name)}", "names that are text, on one line")
                else:
                    self._look(content, under(path, name), findings, deeper - 1)
        elif isinstance(value, str):
            for braces in _BRACES.findall(value):
                if braces[1:-1] not in PLACEHOLDERS:
                    findings.unknown(path, braces, [f"{{{name}}}" for name in PLACEHOLDERS], "placeholder")
            if not value.isprintable():
                findings.note(path, shown(value), "text on one line")
        elif not (value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) < EXACT)):
            findings.note(path, shown(value), "text, whole numbers below 2^53, true, false, null, lists, mappings")

"""Values as JSON has them: the one form in which the command line and the management API show what control answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from limen.core.versions import iso_instant


def is_moment(name: str) -> bool:
    """Whether a number of this *name* is a moment in Unix seconds: ``at``, or ``…_at``."""
    return name == "at" or name.endswith("_at")


def plain(value: object, name: str = "") -> Any:
    """*value* as JSON has it. Dataclasses are mappings; moments are ISO 8601 UTC strings."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name), each.name) for each in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(content, str(key)) for key, content in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if is_moment(name) and isinstance(value, int | float) and not isinstance(value, bool):
        return iso_instant(value)
    return value

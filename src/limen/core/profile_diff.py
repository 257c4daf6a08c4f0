"""What changes between two profiles, as plain data: shown before a profile is applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from limen.core.profile_form import under


class Absent(Enum):
    """The type of ``ABSENT``."""

    ABSENT = "absent"

    def __str__(self) -> str:
        return "absent"


ABSENT: Final = Absent.ABSENT
"""In place of a value: the field is not there."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One place in which two profiles differ: the value in each, or ``ABSENT``.

    *path* is dotted. Operations stand in it by their id: ``operations.listChats.limit``.
    """

    path: str
    old: Any
    new: Any

    def __str__(self) -> str:
        """On one line: ``keys.issuance: 'approval' → 'self_service'``."""
        if self.old is ABSENT:
            return f"{self.path}: added {self.new!r}"
        if self.new is ABSENT:
            return f"{self.path}: removed {self.old!r}"
        return f"{self.path}: {self.old!r} → {self.new!r}"


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """Where *new* differs from *old*, two documents that ``read_profile`` has read. In the order of *old*, then *new*.

    A mapping or an operation that is new or gone is one difference; the order of operations, and of the names in a
    mapping, is none. What is written in another way (``on`` and ``true``) counts as different.
    """
    return list(_between(_by_id(old), _by_id(new), ""))


def _by_id(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """*document* with its operations as a mapping from their ids; as it is where they have none, or share one."""
    operations = document.get("operations")
    if not isinstance(operations, list) or not all(isinstance(each, Mapping) for each in operations):
        return document
    by_id = {str(each.get("id")): each for each in operations}
    return {**document, "operations": by_id} if len(by_id) == len(operations) else document


def _between(old: Any, new: Any, path: str) -> Iterator[Difference]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in [*old, *(name for name in new if name not in old)]:
            yield from _between(old.get(name, ABSENT), new.get(name, ABSENT), under(path, name))
    elif not _same(old, new):
        yield Difference(path, old, new)


def _same(old: Any, new: Any) -> bool:
    """Whether two values are the same JSON; to Python, 1 and true are equal."""
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_same, old, new))
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return old.keys() == new.keys() and all(_same(old[name], new[name]) for name in old)
    return type(old) is type(new) and bool(old == new)

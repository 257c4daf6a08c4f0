"""How plain data is read against a table of fields, with every mistake kept, and the place where it stands.

A ``Kind`` reads one value. A kind never raises: it notes what is wrong, answers what could be read, and goes on, so
that one reading finds all mistakes. What is mistaken is left out of the answer; checks that need it then have nothing
to say, and no mistake causes a second one.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Protocol

from limen.core.profile import Mistake


class _Mark(Enum):
    REQUIRED = "required"
    MISTAKEN = "mistaken"


REQUIRED: Final = _Mark.REQUIRED
"""In place of a default: the field must be there."""
MISTAKEN: Final = _Mark.MISTAKEN
"""In place of a value: there is none, and why has been noted."""

MOST_MISTAKES = 1000
"""How many mistakes of one reading are kept: as many as anyone will read."""

_SHOWN_CHARS = 60
_LISTED = 12
_ADVISED = 100  # mistakes, after which no more names are compared: that is slow, and a file with so many is another one


def shown(value: Any) -> str:
    """*value* as a mistake names it: short, whatever it is."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, int):
        return str(value) if value.bit_length() < 64 else "a very large number"
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN_CHARS else value[:_SHOWN_CHARS] + "…")
    return f"{value!r}" if isinstance(value, float) else f"a {type(value).__name__}"


def listed(known: Iterable[str]) -> str:
    """The names in *known*, the first twelve of many."""
    names = list(known)
    text = ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
    return text or "none"


def under(path: str, name: object) -> str:
    """The path of what stands as *name* under *path*."""
    return f"{path}.{name}" if path else str(name)


@dataclass(slots=True)
class Findings:
    """The mistakes of one reading, up to ``MOST_MISTAKES``. *lines* gives the line of every path that the file has."""

    lines: Mapping[str, int]
    mistakes: list[Mistake] = field(default_factory=list)

    def note(self, path: str, found: str, allowed: str) -> None:
        """Keep a mistake, at the line of *path* or, where it is missing, of the nearest that stands around it."""
        if len(self.mistakes) >= MOST_MISTAKES:
            return
        place = path
        while place and place not in self.lines:
            place = place.rpartition(".")[0]
        self.mistakes.append(Mistake(path, self.lines.get(place), found, allowed))

    def unknown(self, path: str, name: str, known: Collection[str], what: str) -> None:
        """Keep a mistake: *name*, which is to be one of *known*, is none of them. Says which may have been meant."""
        few = len(self.mistakes) < _ADVISED
        close = difflib.get_close_matches(name[:_SHOWN_CHARS], known, n=1) if few else []
        hint = f"; did you mean {close[0]!r}?" if close else ""
        self.note(path, f"the unknown {what} {shown(name)}", listed(known) + hint)


class Kind(Protocol):
    """What a value may be, and how it is read."""

    @property
    def allowed(self) -> str:
        """What may be written, in words."""

    def take(self, value: Any, path: str, findings: Findings) -> Any:
        """What *value* says; ``MISTAKEN``, and a note, where it says nothing that is allowed."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value without fields. *read* answers what it says, or raises ValueError."""

    allowed: str
    read: Callable[[Any], Any]

    def take(self, value: Any, path: str, findings: Findings) -> Any:
        """What *read* answers."""
        try:
            return self.read(value)
        except ValueError:
            findings.note(path, shown(value), self.allowed)
            return MISTAKEN


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a section. *default* is what leaving it out amounts to, as it would be written; None: no value."""

    kind: Kind
    default: Any = REQUIRED


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping of known fields, read to a dict of those without a mistake. *short* turns one word into the mapping."""

    fields: Mapping[str, Field]
    words: str = ""
    short: Callable[[str], Mapping[str, Any] | None] | None = None

    @property
    def allowed(self) -> str:
        """*words*, or the names of the fields."""
        return self.words or f"a mapping of {', '.join(self.fields)}"

    def take(self, value: Any, path: str, findings: Findings) -> dict[str, Any]:
        """The fields without a mistake, defaults among them; none where *value* is no mapping."""
        if isinstance(value, str) and self.short is not None:
            value = self.short(value) or value
        if not isinstance(value, Mapping):
            findings.note(path, shown(value), self.allowed)
            return {}
        for name in value:
            if name not in self.fields:
                if isinstance(name, str):
                    findings.unknown(under(path, name), name, self.fields, "field")
                else:
                    findings.note(path, f"the unknown field {shown(name)}", listed(self.fields))
        read: dict[str, Any] = {}
        for name, of in self.fields.items():
            place = under(path, name)
            if name not in value and of.default is REQUIRED:
                findings.note(place, "nothing", of.kind.allowed)
            elif name not in value and of.default is None:
                read[name] = None
            else:
                found = of.kind.take(value.get(name, of.default), place, findings)
                if found is not MISTAKEN:
                    read[name] = found
        return read


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping of names that the profile chooses, all to the same kind. A name that is not allowed is read too."""

    label: str
    """What the names are, in one word."""
    key: Leaf
    of: Kind
    least: int = 0
    most: int = 1000

    @property
    def allowed(self) -> str:
        """How many, and how they are named."""
        return f"a mapping with {self.least} to {self.most} entries; each name: {self.key.allowed}"

    def take(self, value: Any, path: str, findings: Findings) -> Any:
        """Name to what was read."""
        if not isinstance(value, Mapping):
            findings.note(path, shown(value), self.allowed)
            return MISTAKEN
        if not self.least <= len(value) <= self.most:
            findings.note(path, f"{len(value)} entries", self.allowed)
            return MISTAKEN
        read: dict[str, Any] = {}
        for name, content in value.items():
            if not isinstance(name, str):
                findings.note(path, f"the name {shown(name)}", self.key.allowed)
                continue
            place = under(path, name)
            self.key.take(name, place, findings)
            found = self.of.take(content, place, findings)
            if found is not MISTAKEN:
                read[name] = found
        return read


@dataclass(frozen=True, slots=True)
class Items:
    """A list of things of the same kind, read to a dict from the index (as text) to each that has no mistake."""

    of: Kind
    least: int = 0
    most: int = 1000

    @property
    def allowed(self) -> str:
        """How many, and of what."""
        return f"a list of {self.least} to {self.most}; each: {self.of.allowed}"

    def take(self, value: Any, path: str, findings: Findings) -> Any:
        """Index to what was read."""
        if not isinstance(value, list):
            findings.note(path, shown(value), self.allowed)
            return MISTAKEN
        if not self.least <= len(value) <= self.most:
            findings.note(path, f"{len(value)} items", self.allowed)
            return MISTAKEN
        read: dict[str, Any] = {}
        for index, item in enumerate(value):
            found = self.of.take(item, under(path, index), findings)
            if found is not MISTAKEN:
                read[str(index)] = found
        return read


def paths(section: Section, at: str = "") -> Iterator[tuple[str, Field]]:
    """Every field that *section* accepts, with its path: ``operations[].call``, ``keys.classes.<class>.limit``."""
    for name, of in section.fields.items():
        place = under(at, name)
        yield place, of
        kind = of.kind
        if isinstance(kind, Table):
            place, kind = f"{place}.<{kind.label}>", kind.of
        elif isinstance(kind, Items):
            place, kind = f"{place}[]", kind.of
        if isinstance(kind, Section):
            yield from paths(kind, place)

"""Peppers and secrets as control shows them: never what they are, only what is stored under them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from limen.control.peppers import _rows
from limen.core.schemes import read_scheme
from limen.db.transaction import Reader


@dataclass(frozen=True, slots=True)
class Pepper:
    """A version of the pepper."""

    version: int
    created_at: float
    newest: bool
    """Whether new keys are stored under it."""
    keys: int
    """How many keys are stored under it."""
    wrapped: int
    """How many keys that were stored under it are wrapped under a later one: they need both."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret beside the peppers."""

    name: str
    created_at: float
    keys: int
    """How many keys are stored by a hash that needs it."""


def listed(reader: Reader) -> list[Pepper]:
    """The peppers, the oldest first. Reads how every key is stored."""
    under, within, _ = _counted(reader)
    rows = _rows.versions(reader.connection)
    return [
        Pepper(row.version, row.created_at, row is rows[-1], under[row.version], within[row.version]) for row in rows
    ]


def secrets(reader: Reader) -> list[Secret]:
    """The secrets, by their names. Reads how every key is stored."""
    counts = _counted(reader)[2]
    return [Secret(row.name, row.created_at, counts[row.name]) for row in _rows.secrets(reader.connection)]


def needing(reader: Reader, name: int | str) -> list[tuple[int, str]]:
    """The pairs of pepper and scheme that keys are stored by, and that need the pepper, or the secret, *name*."""
    found = []
    for pepper, written, _ in _rows.uses(reader.connection):
        scheme = read_scheme(written)
        if name in (pepper, *scheme.wrapped, scheme.secret):
            found.append((pepper, written))
    return found


def _counted(reader: Reader) -> tuple[Counter[int], Counter[int], Counter[str]]:
    """How many keys need each pepper, as the outermost and within, and each secret."""
    under: Counter[int] = Counter()
    within: Counter[int] = Counter()
    by: Counter[str] = Counter()
    for pepper, written, count in _rows.uses(reader.connection):
        scheme = read_scheme(written)
        under[pepper] += count
        for version in scheme.wrapped:
            within[version] += count
        by[scheme.secret] += count
    return under, within, by

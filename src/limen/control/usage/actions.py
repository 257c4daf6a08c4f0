"""From journal entries to readings: exactly once, because the mark moves in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from limen.control.usage import _rows
from limen.core.usage import Decided, Outcome, Tally
from limen.db.transaction import Reader, Tx

_LAST = 2**63 - 1
"""The highest number that a reading can have in the database. An outcome of a higher one is of no reading."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One recorded decision, with the API's own status where it is known."""

    reading: str
    at: float
    api: str
    key: str
    method: str
    path: str
    operation: str
    version: str
    code: str
    status: int | None


def mark_of(reader: Reader, segment: str) -> int:
    """Up to which offset *segment* is in the readings."""
    return _rows.mark(reader.connection, segment)


def record(
    tx: Tx, segment: str, offset: int, *, api: str, incarnation: int, entries: Iterable[Decided | Outcome | Tally]
) -> None:
    """What *segment* held up to *offset* is in the readings, and the keys' last use with it (R71, R219)."""
    decided, outcomes, tallies = [], [], []
    last: dict[bytes, float] = {}
    for entry in entries:
        if isinstance(entry, Decided):
            decided.append({"incarnation": incarnation, "api": api} | entry.row())
            last[entry.locator] = max(entry.at, last.get(entry.locator, 0.0))
        elif isinstance(entry, Outcome):
            if max(entry.number, entry.incarnation) <= _LAST:
                outcomes.append(entry.row())
        else:
            tallies.append({"api": api} | entry.row())
    if decided:
        _rows.add_readings(tx.connection, decided)
        _rows.used(tx.connection, last)
    if outcomes:
        _rows.add_outcomes(tx.connection, outcomes)
    if tallies:
        _rows.add_refusals(tx.connection, tallies)
    _rows.set_mark(tx.connection, segment, offset)


def unseal(tx: Tx, segment: str) -> None:
    """*segment* is gone, and so is its mark."""
    _rows.drop_mark(tx.connection, segment)


def listed(reader: Reader, *, key: str = "", since: float = 0.0, limit: int = 100) -> list[Reading]:
    """The newest readings since *since* (Unix seconds), of one key or of all, at most *limit*."""
    return [
        Reading(
            reading=f"{row.incarnation:012x}-{row.number:x}",
            at=row.at,
            api=row.api,
            key=row.key or "",
            method=row.method,
            path=row.path,
            operation=row.operation,
            version=row.version,
            code=row.code,
            status=row.status,
        )
        for row in _rows.page(reader.connection, key=key, since=since, limit=limit)
    ]

"""From journal entries to readings: exactly once, because the mark moves in the same transaction."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Unpack

from limen.control.usage import _rows
from limen.control.usage.signals import notice
from limen.core.problems import ProblemError
from limen.core.usage import Decided, Outcome, Tally
from limen.db.transaction import Reader, Tx

_ID = re.compile(r"([0-9a-f]{12})-([0-9a-f]{1,15})")
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
    """What *segment* held up to *offset* is in the readings, and with it the keys' last use and what they disregarded.

    All of it once, because the mark moves with it (R71, R103, R219).
    """
    decisions, decided, outcomes, tallies = [], [], [], []
    last: dict[bytes, float] = {}
    for entry in entries:
        if isinstance(entry, Decided):
            decisions.append(entry)
            decided.append({"incarnation": incarnation, "api": api} | entry.row())
            last[entry.locator] = max(entry.at, last.get(entry.locator, 0.0))
        elif isinstance(entry, Outcome):
            if max(entry.number, entry.incarnation) <= _LAST:
                outcomes.append(entry.row())
        else:
            tallies.append({"api": api} | entry.row())
    if decided:
        _rows.add_readings(tx.connection, decided)
    if outcomes:
        _rows.add_outcomes(tx.connection, outcomes)
    if tallies:
        _rows.add_refusals(tx.connection, tallies)
    if decided:
        notice(tx, decisions, last)  # late: from here on whoever changes one of these keys waits for the commit
    _rows.set_mark(tx.connection, segment, offset)


def unseal(tx: Tx, segment: str) -> None:
    """*segment* is gone, and so is its mark."""
    _rows.drop_mark(tx.connection, segment)


def listed(
    reader: Reader, *, since: float = 0.0, after: str = "", limit: int = 100, **wanted: Unpack[_rows.Wanted]
) -> list[Reading]:
    """Readings since *since* (Unix seconds), the newest first, from behind the reading *after* on, at most *limit*.

    *wanted*: ``key``, ``owner``, ``api``, ``code``. Raises ``request_malformed`` for an *after* that is no reading.
    """
    before = (math.inf, 0, 0)
    if after:
        before = _place(reader, after)
    return [_reading(row) for row in _rows.page(reader.connection, wanted, since=since, before=before, limit=limit)]


def _place(reader: Reader, reading: str) -> tuple[float, int, int]:
    match = _ID.fullmatch(reading)
    at = _rows.moment(reader.connection, int(match[1], 16), int(match[2], 16)) if match else None
    if match is None or at is None:
        raise ProblemError("request_malformed", f"There is no reading {reading[:32]!r}.")
    return at, int(match[1], 16), int(match[2], 16)


def _reading(row: Any) -> Reading:
    return Reading(
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

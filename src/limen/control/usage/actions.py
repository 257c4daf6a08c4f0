"""What keys were used for: readings, one by one."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Unpack

from limen.control.usage import _rows
from limen.core.problems import ProblemError
from limen.core.usage import place_of
from limen.db.transaction import Reader


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
    address: str = ""
    took_ms: float | None = None


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


def holders(reader: Reader, places: Collection[bytes]) -> dict[bytes, tuple[str, str]]:
    """Which key each of these locators is of, and its owner."""
    return _rows.holders(reader.connection, places)


def _place(reader: Reader, reading: str) -> tuple[float, int, int]:
    place = place_of(reading)
    at = _rows.moment(reader.connection, *place) if place else None
    if place is None or at is None:
        raise ProblemError("request_malformed", f"There is no reading {reading[:32]!r}.")
    return at, *place


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
        address=row.address,
        took_ms=None if row.took_us is None else row.took_us / 1_000,
    )

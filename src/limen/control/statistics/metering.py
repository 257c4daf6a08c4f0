"""What a monitor is told: a few numbers of each API, from the roll-ups alone, so that no request pays for them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from limen.control.statistics import _rows
from limen.core import statistics
from limen.core.rollup import HOUR_S
from limen.db.transaction import Reader


@dataclass(frozen=True, slots=True)
class Meters:
    """The installation's numbers, the same whichever process is asked."""

    decisions: dict[tuple[str, str], int]
    """On known keys by API and code, since the month began (UTC). When the next begins they begin anew."""
    took: dict[str, dict[int, int]]
    """By API: how many answers took how long, by bucket of ``core.rollup``, since the day began (UTC)."""
    strangers: dict[tuple[str, str], int]
    """Refusals without a known key in the last hour, by API and code."""


def meters(reader: Reader, names: Collection[str]) -> Meters:
    """The numbers of the APIs in *names*. Some 10 ms where much is called."""
    month, day = statistics.floor(reader.now, "month"), statistics.floor(reader.now, "day")
    took: dict[str, dict[int, int]] = {}
    for api, bucket, count in _rows.took(reader.connection, names, day):
        took.setdefault(api, {})[bucket] = count
    strangers = _rows.strangers(reader.connection, names, int(reader.now) - HOUR_S)
    return Meters(
        decisions={(api, code): count for api, code, count in _rows.decisions(reader.connection, names, month)},
        took=took,
        strangers={(api, code): count for api, code, count in strangers},
    )

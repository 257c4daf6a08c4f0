"""How much of their limits keys have used (R275)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from limen.control.inspection import source_of
from limen.control.statistics import _rows
from limen.control.statistics.whose import Asked, kept_since, require_key, whose_of
from limen.core import statistics
from limen.core.limits import Limit
from limen.core.problems import ProblemError
from limen.core.record import Record
from limen.core.rollup import HOUR_S
from limen.core.routes import Operation
from limen.core.rules import Rules
from limen.core.verdict import Ask
from limen.db.changes import current_rules
from limen.db.records import load_records
from limen.db.transaction import Reader

_ANY = Operation(name="", method="", path="")
"""In place of an operation: it has no limits of its own."""


@dataclass(frozen=True, slots=True)
class LimitUse:
    """A limit that holds for a key, and how much of it can be used up by now."""

    limit: str
    source: str
    operation: str
    """The operation whose limit it is; empty: it holds for all."""
    window_s: int
    count: int
    used_at_most: int
    """How many were admitted within a window's length up to now. What is counted now began later, and may be less."""
    left_at_least: int
    estimate: bool = True
    """The exact count is the gates' own; this is what the readings say, about a second late."""


def window(reader: Reader, asked: Asked) -> list[LimitUse]:
    """The limits that hold for the key, each beside what can be used of it: the key's allowance first (R275).

    A window opens at the first request after the last has ended, so what was admitted within its length is the most
    that it can have counted. Limits of an operation are named where it was called in that time. Throttles are left out.
    Raises what ``totals`` does, and ``request_malformed`` where no key is named.
    """
    require_key(asked)
    whose = whose_of(reader, replace(asked, operation="", version="", code=""))
    return windows(reader, whose.apis[0], [whose.place])[whose.place]


def windows(reader: Reader, api: str, places: Collection[bytes]) -> dict[bytes, list[LimitUse]]:
    """What ``window`` says, of each of the keys of *api* at *places*: some statements for all of them.

    Raises ``api_unknown``.
    """
    rules = current_rules(reader.connection, api)
    if rules is None:
        raise ProblemError("api_unknown")
    rules = replace(rules, throttles=None)
    records = load_records(reader.connection, places, api=api, profile=rules.profile)
    counts = _Counts(reader, rules, records.values())
    return {place: _of_key(reader, rules, record, counts) for place, record in records.items()}


def _of_key(reader: Reader, rules: Rules, record: Record, counts: _Counts) -> list[LimitUse]:
    ask = Ask(None, b"GET", b"/", None, record.terms.environment, reader.now, 0.0)
    found = []
    for limit, counted in rules.limits(record, _ANY, ask):
        by = "api" if counted == b"" else "lineage" if counted == record.lineage else "owner"
        found.append(_use(limit, counts.used(by, record, limit), source=source_of(limit, record, rules)))
    for operation in rules.profile.operations:
        for limit in operation.limits:
            if used := counts.used("lineage", record, limit, operation.name):
                found.append(_use(limit, used, source=limit.name, operation=operation.name))
    return found


def _use(limit: Limit, used: int, *, source: str, operation: str = "") -> LimitUse:
    return LimitUse(
        limit=str(limit),
        source=source,
        operation=operation,
        window_s=limit.window_s,
        count=limit.count,
        used_at_most=min(used, limit.count),
        left_at_least=max(limit.count - used, 0),
    )


@dataclass(slots=True)
class _Counts:
    """What was admitted of the keys of *records*, for each length of a window asked for once."""

    reader: Reader
    rules: Rules
    records: Collection[Record]
    _known: dict[tuple[str, int, bool], Mapping[tuple[Any, str], int]] = field(default_factory=dict)

    def used(self, by: str, record: Record, limit: Limit, operation: str = "") -> int:
        """How many calls that count in a window of *limit* were admitted within its length up to now."""
        asked = (by, limit.window_s, bool(operation))
        if asked not in self._known:
            self._known[asked] = self._asked(*asked)
        part = {"api": self.rules.api, "owner": record.owner.owner_id, "lineage": record.lineage}[by]
        return self._known[asked].get((part, operation), 0)

    def _asked(self, by: str, window_s: int, with_limits: bool) -> Mapping[tuple[Any, str], int]:
        parts: set[Any] = set()
        if by != "api":
            parts = {each.owner.owner_id if by == "owner" else each.lineage for each in self.records}
        of = _rows.Group(self.rules.api, by, parts)
        limited = [each.name for each in self.rules.profile.operations if each.limits] if with_limits else []
        since = self.reader.now - window_s
        if window_s <= HOUR_S and by != "api":
            return _rows.admitted_since(self.reader.connection, of, since, limited)
        return _rows.admitted(self.reader.connection, of, _since(self.reader, self.rules.api, since), limited)


def _since(reader: Reader, api: str, since: float) -> list[_rows.Piece]:
    """The time since then by roll-ups, as much more as their spans ask for, but no less: it is the most that counts."""
    for grain in ("minute", "hour", "day"):
        begin = statistics.floor(since, grain)
        if grain == "day" or begin >= kept_since(reader, (api,), grain):
            return list(statistics.pieces(max(0, begin), statistics.ceiling(reader.now, grain), grain))
    return []

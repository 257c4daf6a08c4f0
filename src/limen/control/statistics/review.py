"""What a key holds and does not need, and how much of its limits it has used (R234, R275)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from limen.control import apis
from limen.control.inspection import source_of
from limen.control.statistics import _rows
from limen.control.statistics.whose import Asked, kept_since, time_of, whose_of
from limen.core import statistics
from limen.core.limits import Limit
from limen.core.problems import ProblemError
from limen.core.record import Record
from limen.core.rollup import HOUR_S, WHOLE
from limen.core.routes import Operation
from limen.core.verdict import Ask
from limen.db.changes import current_rules
from limen.db.records import load_record
from limen.db.transaction import Reader

_ANY = Operation(name="", method="", path="")
"""In place of an operation: it has no limits of its own."""


@dataclass(frozen=True, slots=True)
class ScopeUse:
    """A scope that a key was granted, and what it was needed for."""

    scope: str
    used: bool
    operations: tuple[str, ...]
    """Those that were called, and admitted for this scope: because they need it, or what it implies."""
    calls: int
    last_at: float | None
    """Where the minute, hour or day begins in which it was needed last; None: it was not."""


def scopes(reader: Reader, asked: Asked) -> list[ScopeUse]:
    """The scopes of the key, and which of them were needed in the time (default: 24 hours), in the catalogue's order.

    A key without those that were not needed would have been admitted all the same. What the API's profile no longer has
    is not looked at. Raises what ``totals`` does, and ``request_malformed`` where no key is named.
    """
    _require_key(asked)
    whose = whose_of(reader, asked)
    profile = apis.profile_of(reader, whose.apis[0])
    record = _record(reader, whose)
    called = _rows.operations(reader.connection, whose, time_of(reader, asked, whose).pieces)
    needed = {each.name: each.scopes for each in profile.operations if each.name in called and not each.public}
    closure, granted = profile.catalogue.closure, record.terms.granted
    found: dict[str, list[str]] = {scope: [] for scope in granted}
    for operation, wanted in needed.items():
        for scope in wanted:
            for held in (scope,) if scope in granted else granted:
                if scope in closure[held] and operation not in found[held]:
                    found[held].append(operation)
    return [
        ScopeUse(
            scope,
            bool(names),
            tuple(sorted(names)),
            sum(called[name][0] for name in names),
            float(max(called[name][1] for name in names)) if names else None,
        )
        for scope, names in found.items()
    ]


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
    _require_key(asked)
    whose = whose_of(reader, replace(asked, operation="", version="", code=""))
    record = _record(reader, whose)
    rules = current_rules(reader.connection, whose.apis[0])
    if rules is None:
        raise ProblemError("api_unknown")
    ask = Ask(None, b"GET", b"/", None, record.terms.environment, reader.now, 0.0)
    chain = _rows.chain(reader.connection, record.lineage)
    of_owner = record.window != record.lineage
    theirs = _rows.of_owner(reader.connection, record.owner.owner_id, whose.apis[0]) if of_owner else chain
    found = []
    for limit, counted in replace(rules, throttles=None).limits(record, _ANY, ask):
        places = [WHOLE] if counted == b"" else theirs if counted == record.window else chain
        found.append(_use(reader, whose.apis[0], limit, places, source=source_of(limit, record, rules)))
    for operation in rules.profile.operations:
        for limit in operation.limits:
            use = _use(reader, whose.apis[0], limit, chain, source=limit.name, operation=operation.name)
            found += [use] if use.used_at_most else []
    return found


def _use(
    reader: Reader, api: str, limit: Limit, places: Collection[bytes], *, source: str, operation: str = ""
) -> LimitUse:
    since = reader.now - limit.window_s
    if limit.window_s <= HOUR_S and list(places) != [WHOLE]:
        used = _rows.admitted_since(reader.connection, places, since, operation)
    else:
        used = _rows.admitted(reader.connection, api, places, _since(reader, api, since), operation)
    return LimitUse(
        limit=str(limit),
        source=source,
        operation=operation,
        window_s=limit.window_s,
        count=limit.count,
        used_at_most=min(used, limit.count),
        left_at_least=max(limit.count - used, 0),
    )


def _since(reader: Reader, api: str, since: float) -> list[_rows.Piece]:
    """The time since then by roll-ups, as much more as their spans ask for, but no less: it is the most that counts."""
    for grain in ("minute", "hour", "day"):
        begin = statistics.floor(since, grain)
        if grain == "day" or begin >= kept_since(reader, (api,), grain):
            return list(statistics.pieces(max(0, begin), statistics.ceiling(reader.now, grain), grain))
    return []


def _require_key(asked: Asked) -> None:
    if not asked.key:
        raise ProblemError("request_malformed", "key: it has to be named.")


def _record(reader: Reader, whose: _rows.Whose) -> Record:
    profile = apis.profile_of(reader, whose.apis[0])
    record, _ = load_record(
        reader.connection, whose.place, api=whose.apis[0], profile=profile, shared={}, numbered=lambda *_: 0
    )
    assert record is not None  # noqa: S101 - said to the type checker: its row was read in this transaction
    return record

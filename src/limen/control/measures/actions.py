"""The verbs of measures. Each holds in every process once it has answered, and is done, audited and told once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from limen.control import apis, keys, owners
from limen.control.measures import _rows
from limen.core import events
from limen.core.keys import draw_id
from limen.core.limits import Limits, read_limits, warnings, write_limits
from limen.core.measures import TARGETS
from limen.core.problems import ProblemError
from limen.core.profile import BUILT_IN
from limen.db.transaction import Reader, Tx

_REASON_CHARS = 1000
_END_OF_TIME_S = 253_370_764_800.0
"""The year 9999, in Unix seconds: no calendar shows what is later."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a measure is taken against, on *api*; empty: on every API but Limen's own.

    *kind*: ``api`` (all of it), ``owner``, ``key``, ``address`` or ``operation``. *subject*: the owner's id, the key's
    id, an address range, or the operation's id in the API's profile; empty for ``api``.
    """

    kind: str
    subject: str = ""
    api: str = ""


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure, as control shows it. Moments are Unix seconds."""

    measure: str
    api: str
    """Empty: every API but Limen's own."""
    kind: str
    """``throttle`` or ``block``."""
    target: str
    subject: str
    limits: str
    """Of a throttle, as they are written: together for all that it is taken against. Empty for a block."""
    reason: str
    state: str
    """``on``, ``ended`` (by its date) or ``lifted``."""
    set_at: float
    set_by: str
    ends_at: float | None
    lifted_at: float | None
    """When it stopped holding before its date."""
    warnings: tuple[str, ...]
    """What is odd about its limits."""


def throttle(tx: Tx, target: Target, *, limits: Limits, reason: str, ends_at: float | None = None) -> Measure:
    """All that *target* means may use no more than *limits* together, beside every other limit (R124).

    It holds until *ends_at* (Unix seconds), or until it is lifted. Raises ``measure_wrong``, ``api_unknown``,
    ``api_built_in``, ``owner_unknown``, ``key_unknown``, ``addresses_wrong``, ``reason_wrong``.
    """
    if not limits:
        raise ProblemError("measure_wrong", "A throttle has limits: '10 per 60 s'.")
    return _take(tx, "throttle", target, limits=write_limits(limits), reason=reason, ends_at=ends_at)


def block(tx: Tx, target: Target, *, reason: str, ends_at: float | None = None) -> Measure:
    """All that *target* means is refused, ``access_blocked``, until *ends_at* (Unix seconds) or until it is lifted.

    Raises what ``throttle`` raises.
    """
    return _take(tx, "block", target, limits=None, reason=reason, ends_at=ends_at)


def lift(tx: Tx, measure: str) -> Measure:
    """The measure holds no more. Raises ``measure_unknown``."""
    held = require(tx, measure)
    if held.state == "on":
        _rows.change(tx.connection, measure, lifted_at=tx.now)
        tx.change("rules", api=held.api)
        happened = events.MeasureLifted(
            api=held.api, subject=measure, kind=held.kind, target=held.target, whom=held.subject
        )
        tx.record("measures.lift", happened, personal={"reason": held.reason})
    return require(tx, measure)


def require(reader: Reader, measure: str) -> Measure:
    """The measure. Raises ``measure_unknown``. One read."""
    row = _rows.one(reader.connection, measure)
    if row is None:
        raise ProblemError("measure_unknown", f"There is no measure {measure!r}.")
    return _measure(row, reader.now)


def listed(reader: Reader, *, api: str = "", over: bool = False, after: str = "", limit: int = 100) -> list[Measure]:
    """Measures, the newest first, from behind the measure *after* on, at most *limit*.

    Those that hold on *api*, or anywhere; with *over* also those that hold no more. Raises ``measure_unknown`` for an
    *after* that is none.
    """
    before = (math.inf, "")
    if after:
        held = require(reader, after)
        before = (held.set_at, held.measure)
    holding_at = None if over else reader.now
    rows = _rows.page(reader.connection, api=api, holding_at=holding_at, before=before, limit=limit)
    return [_measure(row, reader.now) for row in rows]


def _take(tx: Tx, kind: str, target: Target, *, limits: str | None, reason: str, ends_at: float | None) -> Measure:
    if not 0 < len(reason) <= _REASON_CHARS or not reason.isprintable():
        raise ProblemError("reason_wrong", f"A measure has a reason: 1 to {_REASON_CHARS} characters, on one line.")
    if ends_at is not None and not tx.now < ends_at < _END_OF_TIME_S:
        raise ProblemError("measure_wrong", "A measure ends later than now, and before the year 9999.")
    api, subject = _found(tx, target, throttled=limits is not None)
    _rows.end_by_date(tx.connection, tx.now)
    values = {"api": api, "kind": kind, "target": target.kind, "subject": subject, "limits": limits, "ends_at": ends_at}
    if (same := _rows.alike(tx.connection, **values)) is not None:
        return _measure(same, tx.now)
    measure = draw_id(tx.entropy)
    _rows.add(tx.connection, measure=measure, reason=reason, set_at=tx.now, set_by=str(tx.actor), **values)
    tx.change("rules", api=api)
    happened = events.MeasureTaken(
        api=api,
        subject=measure,
        kind=kind,
        target=target.kind,
        whom=subject,
        limits=limits or "",
        reason=reason,
        ends_at=ends_at,
    )
    known, personal = {"target": target.kind, "limits": limits, "ends_at": ends_at}, {"reason": reason}
    if target.kind == "address":
        personal["address"] = subject
    else:
        known["subject"] = subject
    tx.record(f"measures.{kind}", happened, after=known, personal=personal)
    return require(tx, measure)


def _found(reader: Reader, target: Target, *, throttled: bool) -> tuple[str, str]:
    """The API and the subject that *target* means, as they are stored. Raises what ``throttle`` raises."""
    if target.kind not in TARGETS:
        raise ProblemError("measure_wrong", f"Target {target.kind!r} is none of {', '.join(TARGETS)}.")
    if (target.kind == "api") != (target.subject == ""):
        raise ProblemError(
            "measure_wrong", f"A measure against {target.kind} names it, and one against the API nothing."
        )
    if target.api == BUILT_IN:
        raise ProblemError("api_built_in", f"No measure holds on {BUILT_IN!r}: who was kept out could not lift it.")
    if target.api:
        apis.require(reader, target.api)
    if target.kind == "owner":
        owners.require(reader, target.subject)
    elif target.kind == "key":
        return _api_of_key(reader, target), target.subject
    elif target.kind == "operation":
        _require_operation(reader, target, throttled=throttled)
    elif target.kind == "address":
        try:
            return target.api, str(ip_network(target.subject))
        except ValueError as error:
            raise ProblemError("addresses_wrong", f"{error}.") from error
    return target.api, target.subject


def _api_of_key(reader: Reader, target: Target) -> str:
    """A key is one API's, said or not."""
    held = keys.require(reader, target.subject)
    if held.api == BUILT_IN:
        raise ProblemError("api_built_in", f"Key {held.hint} is one of {BUILT_IN!r}: revoke it.")
    if target.api not in ("", held.api):
        raise ProblemError("measure_wrong", f"Key {held.hint} is one of {held.api}, not of {target.api}.")
    return held.api


def _require_operation(reader: Reader, target: Target, *, throttled: bool) -> None:
    if not target.api:
        raise ProblemError("measure_wrong", "An operation is one of an API's: say which.")
    known = {operation.name: operation for operation in apis.profile_of(reader, target.api).operations}
    if target.subject not in known:
        raise ProblemError("measure_wrong", f"API {target.api!r} has no operation {target.subject!r}.")
    if throttled and known[target.subject].public:
        raise ProblemError("measure_wrong", f"{target.subject} is public, and counted nowhere. It can be blocked.")


def _measure(row: Any, now: float) -> Measure:
    ended = row.ends_at is not None and row.ends_at <= (now if row.lifted_at is None else row.lifted_at)
    return Measure(
        measure=row.measure,
        api=row.api,
        kind=row.kind,
        target=row.target,
        subject=row.subject,
        limits=row.limits or "",
        reason=row.reason,
        state="ended" if ended else "on" if row.lifted_at is None else "lifted",
        set_at=row.set_at,
        set_by=row.set_by,
        ends_at=row.ends_at,
        lifted_at=None if ended else row.lifted_at,
        warnings=() if row.limits is None else warnings(read_limits(row.limits, "measure")),
    )

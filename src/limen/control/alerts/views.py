"""Alerts and their rules as control shows them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Unpack

from limen.control import apis
from limen.control.alerts import _rows
from limen.core.alerting import STAFF, InForce, Setting, in_force
from limen.core.alerts import KINDS
from limen.core.problems import ProblemError
from limen.db.transaction import Reader


@dataclass(frozen=True, slots=True)
class Alert:
    """What a rule found of a key. Moments are Unix seconds."""

    alert: str
    api: str
    key: str
    owner: str
    rule: str
    state: str
    """``firing``, ``acknowledged``, ``muted`` or ``resolved``."""
    severity: str
    """``info``, ``warning`` or ``critical``."""
    title: str
    text: str
    """Why, with the numbers."""
    facts: Mapping[str, Any]
    """The same numbers by name."""
    fired_at: float
    seen_at: float
    """When it was last found."""
    resolved_at: float | None
    acknowledged_at: float | None
    acknowledged_by: str
    muted_until_at: float | None
    """Nothing is told of it, or its like on the same key, until then."""


@dataclass(frozen=True, slots=True)
class AlertRule:
    """What holds of a rule, for an owner and an API."""

    rule: str
    title: str
    enabled: bool
    numbers: Mapping[str, float]
    source: str
    """Who set it last: ``default``, ``profile``, ``staff`` or ``owner``."""


def listed(reader: Reader, *, after: str = "", limit: int = 100, **wanted: Unpack[_rows.Wanted]) -> list[Alert]:
    """Alerts that are not over, the newest first, from behind the alert *after* on, at most *limit*.

    *wanted*: ``owner``, ``api``, ``key``, ``kind``; with ``over`` also those that are. Raises ``alert_unknown`` for an
    *after* that is none.
    """
    before = (math.inf, "")
    if after:
        held = require(reader, after)
        before = (held.fired_at, held.alert)
    return [_alert(row, reader.now) for row in _rows.page(reader.connection, wanted, before=before, limit=limit)]


def require(reader: Reader, alert: str) -> Alert:
    """The alert. Raises ``alert_unknown``."""
    row = _rows.one(reader.connection, alert)
    if row is None:
        raise ProblemError("alert_unknown", f"There is no alert {alert!r}.")
    return _alert(row, reader.now)


def rules(reader: Reader, *, owner: str = STAFF, api: str = "") -> list[AlertRule]:
    """What holds of every rule, for keys of *owner* (empty: of any) on *api* (empty: before any profile).

    Raises ``api_unknown``.
    """
    said = apis.profile_of(reader, api).alerts if api else {}
    held = settings_of(reader, {owner})
    return [_rule(kind, in_force(kind, owner, api, held, said)) for kind in KINDS]


def settings_of(reader: Reader, owners: set[str]) -> list[Setting]:
    """What staff and *owners* set of rules."""
    rows = _rows.settings(reader.connection, owners | {STAFF})
    return [Setting(row.owner, row.api, row.kind, row.enabled, dict(row.numbers)) for row in rows]


def _rule(kind: str, held: InForce) -> AlertRule:
    return AlertRule(kind, KINDS[kind].title, held.enabled, dict(held.numbers), held.source)


def _alert(row: Any, now: float) -> Alert:
    muted = row.muted_until is not None and row.muted_until > now
    state = "muted" if muted else "firing" if row.acknowledged_at is None else "acknowledged"
    return Alert(
        alert=row.alert,
        api=row.api,
        key=row.key,
        owner=row.owner,
        rule=row.kind,
        state="resolved" if row.resolved_at is not None else state,
        severity=row.severity,
        title=KINDS[row.kind].title if row.kind in KINDS else row.kind,
        text=row.text,
        facts=dict(row.facts),
        fired_at=row.fired_at,
        seen_at=row.seen_at,
        resolved_at=row.resolved_at,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        muted_until_at=row.muted_until if muted else None,
    )

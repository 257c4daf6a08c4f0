"""The verbs of alerts. Each is done, audited and told once."""

from __future__ import annotations

import math
from collections.abc import Mapping

from limen.control import apis, owners
from limen.control.alerts import _rows
from limen.control.alerts.views import Alert, AlertRule, require, rules
from limen.core import events_alerts as events
from limen.core.alerting import STAFF
from limen.core.alerts import KINDS
from limen.core.problems import ProblemError
from limen.db.transaction import Tx

_END_OF_TIME_S = 253_370_764_800.0
"""The year 9999, in Unix seconds: no calendar shows what is later."""


def acknowledge(tx: Tx, alert: str) -> Alert:
    """Somebody saw it: it is not told again unless it gets worse. Raises ``alert_unknown``, ``alert_over``."""
    held = _open(tx, alert)
    if held.acknowledged_at is None:
        _rows.change(tx.connection, alert, acknowledged_at=tx.now, acknowledged_by=str(tx.actor))
        happened = events.AlertAcknowledged(api=held.api, subject=alert, owner=held.owner, rule=held.rule)
        tx.record("alerts.acknowledge", happened)
    return require(tx, alert)


def mute(tx: Tx, alert: str, *, until: float | None) -> Alert:
    """Nothing is told of it, nor of its like on the same key, before *until* (Unix seconds); None: it is again.

    Raises ``alert_unknown``, ``alert_over``, ``alert_rule_wrong`` for a moment that is past.
    """
    held = _open(tx, alert)
    if until is not None and not tx.now < until < _END_OF_TIME_S:
        raise ProblemError("alert_rule_wrong", "It is muted until later than now, and before the year 9999.")
    if held.muted_until_at != until:
        _rows.change(tx.connection, alert, muted_until=until)
        happened = events.AlertMuted(api=held.api, subject=alert, owner=held.owner, rule=held.rule, muted_until=until)
        tx.record("alerts.mute", happened, before={"until": held.muted_until_at}, after={"until": until})
    return require(tx, alert)


def set_rule(
    tx: Tx, kind: str, *, owner: str = STAFF, api: str = "", enabled: bool = True, numbers: Mapping[str, float]
) -> AlertRule:
    """The rule is *enabled* or not, with these *numbers*, for keys of *owner* (empty: of all) on *api* (empty: any).

    Numbers that are left out are as staff, or the profile, have them. Raises ``alert_rule_wrong``, ``api_unknown``,
    ``owner_unknown``.
    """
    require_numbers(kind, numbers)
    if owner:
        owners.require(tx, owner)
    if api:
        apis.require(tx, api)
    told = {name: float(number) for name, number in numbers.items()}
    place, wanted = {"owner": owner, "api": api, "kind": kind}, {"enabled": enabled, "numbers": told}
    was = next(
        (
            {"enabled": row.enabled, "numbers": dict(row.numbers)}
            for row in _rows.settings(tx.connection, {owner})
            if (row.api, row.kind) == (api, kind)
        ),
        None,
    )
    if was != wanted:
        _rows.put_setting(tx.connection, {**place, **wanted, "set_at": tx.now, "set_by": str(tx.actor)})
        happened = events.AlertRuleSet(api=api, subject=kind, owner=owner, enabled=enabled, numbers=told)
        tx.record("alerts.set_rule", happened, before=was, after=wanted, owner=owner)
    return next(rule for rule in rules(tx, owner=owner, api=api) if rule.rule == kind)


def require_numbers(kind: str, numbers: Mapping[str, float]) -> None:
    """Raises ``alert_rule_wrong`` for a rule that is none, a number that it does not have, or one out of range."""
    if kind not in KINDS:
        raise ProblemError("alert_rule_wrong", f"Rule {kind!r} is none of {', '.join(KINDS)}.")
    known = KINDS[kind].numbers
    for name, number in numbers.items():
        if name not in known:
            raise ProblemError(
                "alert_rule_wrong", f"Rule {kind} has no number {name!r}; it has {', '.join(known) or 'none'}."
            )
        least, most = known[name].least, known[name].most
        if not math.isfinite(number) or not least <= number <= most:
            raise ProblemError("alert_rule_wrong", f"{name}: found {number:g}, allowed: {least:g} to {most:g}.")


def _open(tx: Tx, alert: str) -> Alert:
    held = require(tx, alert)
    if held.state == "resolved":
        raise ProblemError("alert_over", f"Alert {alert} was resolved.")
    return held

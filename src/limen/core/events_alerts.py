"""What happens to alerts, and to their rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from limen.core.event import Event


@dataclass(frozen=True, slots=True)
class AlertFired(Event):
    """A rule found something of the key *subject*, or it became worse. *facts*: the numbers behind the *text*."""

    name: ClassVar[str] = "alert.fired"
    owner: str
    alert: str
    rule: str
    severity: str
    title: str
    text: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AlertResolved(Event):
    """What was told alone of the key *subject* is over."""

    name: ClassVar[str] = "alert.resolved"
    owner: str
    alert: str
    rule: str
    severity: str
    title: str
    text: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AlertDigest(Event):
    """Several alerts of one rule on keys of one owner, told at once. *subject* is empty."""

    name: ClassVar[str] = "alert.digest"
    owner: str
    rule: str
    severity: str
    title: str
    text: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AlertAcknowledged(Event):
    """Somebody saw the alert *subject*: it is not told again unless it gets worse."""

    name: ClassVar[str] = "alert.acknowledged"
    owner: str
    rule: str


@dataclass(frozen=True, slots=True)
class AlertMuted(Event):
    """Nothing is told of the alert *subject*, or its like on the same key, until *muted_until*; None: it is again."""

    name: ClassVar[str] = "alert.muted"
    owner: str
    rule: str
    muted_until: float | None


@dataclass(frozen=True, slots=True)
class AlertRuleSet(Event):
    """The rule *subject* was set for an owner's keys, or where *owner* is empty by staff for all."""

    name: ClassVar[str] = "alert_rule.set"
    owner: str
    enabled: bool
    numbers: Mapping[str, float]

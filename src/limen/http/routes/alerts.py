"""Alerts: what rules found of keys, what is done about it, and the rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from limen.control import alerts
from limen.control.alerts import Alert, AlertRule, Trials
from limen.core.alerting import STAFF
from limen.core.people import Right
from limen.core.problems import ProblemError
from limen.db.transaction import Reader, Tx
from limen.http.beside import Route
from limen.http.calls import Call, needs
from limen.http.shapes import Body, Moment, Paged, Wanted, page_of, shape

router = APIRouter(route_class=Route, prefix="", tags=["alerts"])

KEY_DAYS = 600
"""Of so many days of keys together a rule is tried in a request: about a second of a core."""
ReadAlerts = Annotated[Call, needs("read:alerts")]
WriteAlerts = Annotated[Call, needs("write:alerts")]

Owner = Annotated[str, Field(max_length=100, description="Of this owner. Empty: one's own; of staff, everybody's.")]
Api = Annotated[str, Field(max_length=32, description="On this API. Empty: on every one.")]
Rule = Annotated[str, Field(max_length=40, description="A rule, as /v1/alert-rules has them.", examples=["expiring"])]
Numbers = Annotated[
    dict[Annotated[str, Field(max_length=40)], float],
    Field(max_length=10, description="Its numbers; those that are left out stay.", examples=[{"days": 14}]),
]


class AlertsWanted(Paged):
    """Which alerts are wanted."""

    owner: Owner = ""
    api: Api = ""
    key: Annotated[str, Field(max_length=12, description="Of this key.")] = ""
    rule: Rule = ""
    over: Annotated[bool, Field(description="Also those that are over.")] = False


class RulesWanted(Wanted):
    """Whose rules are wanted."""

    owner: Owner = ""
    api: Api = ""


class Muting(Body):
    """For how long nothing is told."""

    until: Annotated[Moment | None, Field(description="Nothing is told before. Left out: it is told again.")] = None


class RuleSetting(Body):
    """How a rule is to be."""

    owner: Owner = ""
    api: Api = ""
    enabled: bool = True
    numbers: Numbers = Field(default_factory=dict)


class RuleTrial(Body):
    """What a rule is to be tried on."""

    owner: Owner = ""
    api: Api = ""
    key: Annotated[str, Field(max_length=12, description="On this key. Empty: on all.")] = ""
    since: Moment
    numbers: Numbers = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AlertRules:
    """Every rule, as it holds."""

    owner: str
    api: str
    rules: tuple[AlertRule, ...]


@router.get("/alerts", response_model=page_of(Alert))
def list_alerts(call: ReadAlerts, wanted: Annotated[AlertsWanted, Query()]) -> Response:
    """Alerts that are not over, the newest first."""
    after, owner = call.place("alerts", wanted.after), wanted.owner or call.user or ""

    def found(reader: Reader, count: int) -> list[Alert]:
        call.require_right(reader, owner, Right.SEE)
        which = {"owner": owner, "api": wanted.api, "key": wanted.key, "kind": wanted.rule}
        return alerts.listed(reader, after=after, limit=count, over=wanted.over, **which)

    return call.page("alerts", wanted.limit, found, lambda alert: alert.alert)


@router.get("/alerts/{alert}", response_model=shape(Alert))
def get_alert(call: ReadAlerts, alert: str) -> Response:
    """An alert."""
    return call.ask(lambda reader: _shown(call, reader, alert, Right.SEE))


@router.post("/alerts/{alert}/acknowledge", response_model=shape(Alert))
def acknowledge_alert(call: WriteAlerts, alert: str) -> Response:
    """Say that it was seen: it is not told again unless it gets worse."""
    return call.write(
        lambda tx: alerts.acknowledge(tx, alert),
        may=lambda reader: _shown(call, reader, alert, Right.SEE),
        of=lambda reader: alerts.require(reader, alert),
    )


@router.post("/alerts/{alert}/mute", response_model=shape(Alert))
def mute_alert(call: WriteAlerts, alert: str, muting: Muting) -> Response:
    """Have nothing told of it, nor of its like on the same key, until a moment; without one, have it told again."""
    return call.write(
        lambda tx: alerts.mute(tx, alert, until=muting.until),
        may=lambda reader: _shown(call, reader, alert, Right.EDIT),
        of=lambda reader: alerts.require(reader, alert),
    )


@router.get("/alert-rules", response_model=shape(AlertRules))
def get_alert_rules(call: ReadAlerts, wanted: Annotated[RulesWanted, Query()]) -> Response:
    """Every rule, as it holds for an owner's keys on an API."""
    owner = wanted.owner or call.user or STAFF

    def found(reader: Reader) -> AlertRules:
        call.require_right(reader, owner, Right.SEE)
        return AlertRules(owner, wanted.api, tuple(alerts.rules(reader, owner=owner, api=wanted.api)))

    return call.tell(found)


@router.put("/alert-rules/{rule}", response_model=shape(AlertRule))
def set_alert_rule(call: WriteAlerts, rule: str, new: RuleSetting) -> Response:
    """Set a rule for an owner's keys; staff who name none set it for all."""
    owner = new.owner or call.user or STAFF

    def work(tx: Tx) -> AlertRule:
        return alerts.set_rule(tx, rule, owner=owner, api=new.api, enabled=new.enabled, numbers=new.numbers)

    return call.write(work, may=lambda reader: call.require_right(reader, owner, Right.EDIT))


@router.post("/alert-rules/{rule}/try", response_model=shape(Trials))
def try_alert_rule(call: ReadAlerts, rule: str, wanted: RuleTrial) -> Response:
    """When a rule would have fired since a moment of the last 90 days, by what is kept of each hour.

    Of as many keys as make 600 days together: 20 for a month. `more` says whether there are others.
    """
    owner = wanted.owner or call.user or ""

    def found(reader: Reader) -> Trials:
        call.require_right(reader, owner, Right.SEE)
        whose = {"owner": owner, "api": wanted.api, "key": wanted.key}
        return alerts.try_rule(reader, rule, since=wanted.since, whose=whose, numbers=wanted.numbers, key_days=KEY_DAYS)

    return call.tell(found)


def _shown(call: Call, reader: Reader, alert: str, right: Right) -> Alert:
    """The alert, where the caller has the *right* to it. To a stranger it is as if there were none."""
    found = alerts.require(reader, alert)
    unknown = ProblemError("alert_unknown", f"There is no alert {alert!r}.")
    call.require_right_to(unknown, reader, found.owner, right)
    return found

"""Alerts: rules that look at what keys do, what they find, and who is told."""

from limen.control.alerts.actions import acknowledge, mute, set_rule
from limen.control.alerts.looking import look, settle
from limen.control.alerts.trying import Trials, try_rule
from limen.control.alerts.views import Alert, AlertRule, listed, require, rules

__all__ = [
    "Alert",
    "AlertRule",
    "Trials",
    "acknowledge",
    "listed",
    "look",
    "mute",
    "require",
    "rules",
    "set_rule",
    "settle",
    "try_rule",
]

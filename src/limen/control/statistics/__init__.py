"""Statistics: what keys, owners and APIs were used for, added up, and beside the time before."""

from limen.control.statistics.actions import Asked, Totals, by, series, totals
from limen.control.statistics.metering import Meters, meters
from limen.control.statistics.review import LimitUse, ScopeUse, scopes, window
from limen.control.statistics.rows import export

__all__ = [
    "Asked",
    "LimitUse",
    "Meters",
    "ScopeUse",
    "Totals",
    "by",
    "export",
    "meters",
    "scopes",
    "series",
    "totals",
    "window",
]

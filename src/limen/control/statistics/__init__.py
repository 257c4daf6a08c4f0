"""Statistics: what keys, owners and APIs were used for, added up, and beside the time before."""

from limen.control.statistics.actions import Asked, Totals, by, series, totals
from limen.control.statistics.metering import meters
from limen.control.statistics.review import ScopeUse, scopes
from limen.control.statistics.rows import export
from limen.control.statistics.windows import LimitUse, window, windows

__all__ = [
    "Asked",
    "LimitUse",
    "ScopeUse",
    "Totals",
    "by",
    "export",
    "meters",
    "scopes",
    "series",
    "totals",
    "window",
    "windows",
]

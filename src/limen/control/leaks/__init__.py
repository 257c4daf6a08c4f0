"""Leaks: keys that were found where they do not belong, reported with their whole text; and rules to find them by."""

from limen.control.leaks.actions import Finding, Leak, Reported, among, pending, report
from limen.control.leaks.scanners import FORMATS, Pattern, patterns, written

__all__ = ["FORMATS", "Finding", "Leak", "Pattern", "Reported", "among", "patterns", "pending", "report", "written"]

"""Imports: the keys of another system, brought along as it stored them; they go on working as they are."""

from limen.control.imports.actions import Brought, Report, bring, check
from limen.control.imports.entries import LONGEST_S, Entry, Import, Wrong, read_entry

__all__ = ["LONGEST_S", "Brought", "Entry", "Import", "Report", "Wrong", "bring", "check", "read_entry"]

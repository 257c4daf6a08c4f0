"""The audit: who changed what, when, from where; a chain over its rows, and what is personal in them beside it."""

from limen.control.audit.actions import erase, lay
from limen.control.audit.chain import Break, Verified, Waiting, head, verify, waiting
from limen.control.audit.views import Entry, export, listed, require

__all__ = [
    "Break",
    "Entry",
    "Verified",
    "Waiting",
    "erase",
    "export",
    "head",
    "lay",
    "listed",
    "require",
    "verify",
    "waiting",
]

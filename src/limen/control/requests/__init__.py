"""Requests for keys: asked for with a reason for each scope, decided by staff, revealed once."""

from limen.control.requests.actions import Wish, ask, grant, refuse, reveal, withdraw
from limen.control.requests.views import Request, listed, require

__all__ = [
    "Request",
    "Wish",
    "ask",
    "grant",
    "listed",
    "refuse",
    "require",
    "reveal",
    "withdraw",
]

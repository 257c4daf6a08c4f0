"""The key inspector: which key a text is, and every reason for which a request with it is refused, in plain words."""

from limen.control.inspection.actions import Inspection, Presented, Reason, Wish, inspect
from limen.control.inspection.words import source_of

__all__ = ["Inspection", "Presented", "Reason", "Wish", "inspect", "source_of"]

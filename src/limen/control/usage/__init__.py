"""Usage: what the gates' journals say, kept as readings, outcomes and counts of refusals."""

from limen.control.usage.actions import Reading, listed, mark_of, record, unseal

__all__ = ["Reading", "listed", "mark_of", "record", "unseal"]

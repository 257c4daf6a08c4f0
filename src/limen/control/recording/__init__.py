"""Recording: what the gates' journals say becomes readings, counts and roll-ups, once."""

from limen.control.recording.actions import mark_of, rebuild, record, settle, unseal, waiting
from limen.control.recording.retention import purge

__all__ = ["mark_of", "purge", "rebuild", "record", "settle", "unseal", "waiting"]

"""Recording: what the gates' journals say becomes readings, counts and roll-ups, once."""

from limen.control.recording.actions import mark_of, rebuild, record, settle, unseal, waiting

__all__ = ["mark_of", "rebuild", "record", "settle", "unseal", "waiting"]

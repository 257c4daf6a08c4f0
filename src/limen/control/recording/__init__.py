"""Recording: what the gates' journals say becomes readings, counts and roll-ups, once."""

from limen.control.recording.actions import mark_of, rebuild, record, settle, unseal, waiting, wrong
from limen.control.recording.retention import purge, whole_since

__all__ = ["mark_of", "purge", "rebuild", "record", "settle", "unseal", "waiting", "whole_since", "wrong"]

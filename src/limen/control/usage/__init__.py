"""Usage: what the gates' journals say, kept as readings, outcomes and counts; and what these tell of abuse."""

from limen.control.usage.actions import Reading, listed, mark_of, record, unseal
from limen.control.usage.adoption import VersionCaller, callers_of
from limen.control.usage.signals import Disregard, Refusals, disregards, refusals, refused_keys

__all__ = [
    "Disregard",
    "Reading",
    "Refusals",
    "VersionCaller",
    "callers_of",
    "disregards",
    "listed",
    "mark_of",
    "record",
    "refusals",
    "refused_keys",
    "unseal",
]

"""Usage: what keys were used for, what was refused, and what that tells of abuse."""

from limen.control.usage.actions import Reading, listed
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
    "refusals",
    "refused_keys",
]

"""Usage: what keys were used for, what was refused, and what that tells of abuse."""

from limen.control.usage.actions import Reading, holders, listed
from limen.control.usage.adoption import Adoption, VersionCaller, adoption, callers_of
from limen.control.usage.signals import Disregard, Refusals, disregards, refusals, refused_keys

__all__ = [
    "Adoption",
    "Disregard",
    "Reading",
    "Refusals",
    "VersionCaller",
    "adoption",
    "callers_of",
    "disregards",
    "holders",
    "listed",
    "refusals",
    "refused_keys",
]

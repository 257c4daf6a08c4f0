"""Versions of an API: registered, deprecated, sunset, one way only; and the brownouts before the end."""

from limen.control.versions.actions import deprecate, listed, newest, register, require, sunset
from limen.control.versions.brownouts import announce_brownout, cancel_brownout

__all__ = [
    "announce_brownout",
    "cancel_brownout",
    "deprecate",
    "listed",
    "newest",
    "register",
    "require",
    "sunset",
]

"""Channels: the e-mail addresses and webhook endpoints at which owners, and staff, want to be told what happens."""

from limen.control.channels.actions import Added, NewChannel, add, change, confirm, remove, reseal, rotate
from limen.control.channels.views import Channel, listed, outdated, require

__all__ = [
    "Added",
    "Channel",
    "NewChannel",
    "add",
    "change",
    "confirm",
    "listed",
    "outdated",
    "remove",
    "require",
    "reseal",
    "rotate",
]

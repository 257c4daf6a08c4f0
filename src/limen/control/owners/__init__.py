"""Owners: users and organisations that hold keys, and how they stand with each API."""

from limen.control.owners.actions import (
    NewOwner,
    Owner,
    Standing,
    allow,
    create,
    disallow,
    erase,
    listed,
    require,
    restore,
    set_plan,
    suspend,
)

__all__ = [
    "NewOwner",
    "Owner",
    "Standing",
    "allow",
    "create",
    "disallow",
    "erase",
    "listed",
    "require",
    "restore",
    "set_plan",
    "suspend",
]

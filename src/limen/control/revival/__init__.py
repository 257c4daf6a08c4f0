"""An installation that comes back from a copy: what ended after the copy was made does not come back with it."""

from limen.control.revival.actions import UNCONFIRMED, Confirmed, Revived, confirm, imported, restored, unconfirmed

__all__ = ["UNCONFIRMED", "Confirmed", "Revived", "confirm", "imported", "restored", "unconfirmed"]

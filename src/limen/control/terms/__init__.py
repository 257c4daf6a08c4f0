"""What may change of a key once it is issued: its own limits, and the version that it is pinned to."""

from limen.control.terms.actions import pin, set_limits

__all__ = ["pin", "set_limits"]

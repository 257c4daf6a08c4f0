"""Expiry: keys that ended by their date, marked as ended."""

from limen.control.expiry.actions import mark

__all__ = ["mark"]

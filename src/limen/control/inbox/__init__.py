"""The inbox: what owners, and staff, are told where they look. Nothing has to be set up for it."""

from limen.control.inbox.actions import Letter, mark_read, put, trim
from limen.control.inbox.views import InboxMessage, listed, unread

__all__ = ["InboxMessage", "Letter", "listed", "mark_read", "put", "trim", "unread"]

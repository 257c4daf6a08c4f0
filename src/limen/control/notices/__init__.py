"""Notices: what staff tell many owners at once: a version's dates to whoever calls it, or something else to all."""

from limen.control.notices.actions import Notice, NoticePreview, NoticeWanted, Recipient, listed, preview, require, send

__all__ = ["Notice", "NoticePreview", "NoticeWanted", "Recipient", "listed", "preview", "require", "send"]

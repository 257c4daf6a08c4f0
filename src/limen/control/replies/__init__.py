"""Replies: what was answered to a write with an ``Idempotency-Key``, so that the same write is done once."""

from limen.control.replies.actions import Reply, find, forget_old, keep

__all__ = ["Reply", "find", "forget_old", "keep"]

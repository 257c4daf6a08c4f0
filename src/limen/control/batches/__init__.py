"""Batches: one thing done to many keys, by what they have in common."""

from limen.control.batches.actions import ACTIONS, Batch, Preview, Skipped, Task, preview, run

__all__ = ["ACTIONS", "Batch", "Preview", "Skipped", "Task", "preview", "run"]

"""Copies of a whole installation: backups and archives, made while it runs, and put in its place while nothing does."""

from limen.archive.backup import Backup, Laid, back_up, laid
from limen.archive.export import Exported, export
from limen.archive.load import load
from limen.archive.place import Plan
from limen.archive.restore import Restored, restore
from limen.archive.source import How, Imported

__all__ = [
    "Backup",
    "Exported",
    "How",
    "Imported",
    "Laid",
    "Plan",
    "Restored",
    "back_up",
    "export",
    "laid",
    "load",
    "restore",
]

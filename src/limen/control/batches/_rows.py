"""The SQL of batches."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from limen.db import listing
from limen.db.wanted import Wanted


def count(connection: Connection, wanted: Wanted, states: Collection[str], *, now: float) -> int:
    """How many keys are *wanted* and in one of *states*."""
    return listing.count(connection, wanted, states, now=now)

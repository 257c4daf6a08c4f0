"""Marking keys that ended by their date. They are refused from that moment on in any case: by the date itself."""

from __future__ import annotations

from limen.control.expiry import _rows
from limen.core import events
from limen.db.transaction import Tx


def mark(tx: Tx, limit: int = 500) -> int:
    """Keys that ended by their date say so, are audited, and hold no slot; how many that was, at most *limit*.

    500 take 0.1 s, for as long as other writers wait.
    """
    found = _rows.past(tx.connection, tx.now, limit)
    if found:
        _rows.end(tx.connection, [row.key for row in found], tx.now)
    for row in found:
        tx.change("key", api=row.api, subject=row.locator)
        happened = events.KeyExpired(api=row.api, subject=row.key, owner=row.owner)
        tx.record("keys.expire", happened, before={"state": row.state}, after={"state": "expired"})
    return len(found)

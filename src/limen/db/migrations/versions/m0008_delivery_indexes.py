"""Indexes by which deliveries and events are found by when they were made, however many there are.

Written out, not taken from limen.db.tables: that is the schema of today, this is the schema of this revision.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Three indexes, which older releases need not know of."""
    op.create_index("deliveries_by_time", "deliveries", ["created_at", "delivery"])
    op.create_index("deliveries_by_state", "deliveries", ["state", "created_at", "delivery"])
    op.create_index("outbox_by_age", "outbox", ["at", "id"])

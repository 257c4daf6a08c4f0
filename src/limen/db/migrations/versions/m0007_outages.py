"""What a node says of the outages of what counts limits.

Written out, not taken from limen.db.tables: that is the schema of today, this is the schema of this revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Two columns, which older releases need not know of."""
    op.add_column("nodes", sa.Column("outages", sa.BigInteger(), nullable=False, server_default=sa.text("0")))
    op.add_column("nodes", sa.Column("outage_at", sa.Double()))

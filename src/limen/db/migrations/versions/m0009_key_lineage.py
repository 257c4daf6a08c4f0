"""An index by which the keys are found that took the place of another.

Written out, not taken from limen.db.tables: that is the schema of today, this is the schema of this revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """An index, which older releases need not know of. Of most keys there is no row in it."""
    later = sa.text("lineage <> locator")
    op.create_index("keys_by_lineage", "keys", ["lineage"], sqlite_where=later, postgresql_where=later)

"""Alerts: what was set of their rules, what fires, who was told, and how far the looking is.

Written out, not taken from limen.db.tables: that is the schema of today, this is the schema of this revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Tables of their own, with nothing in them."""
    op.create_table(
        "alert_rules",
        sa.Column("owner", TEXT, primary_key=True),
        sa.Column("api", TEXT, primary_key=True),
        sa.Column("kind", TEXT, primary_key=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("numbers", sa.JSON(), nullable=False),
        sa.Column("set_at", sa.Double(), nullable=False),
        sa.Column("set_by", TEXT, nullable=False),
    )
    _alerts()
    op.create_table(
        "alert_tellings",
        sa.Column("owner", TEXT, primary_key=True),
        sa.Column("kind", TEXT, primary_key=True),
        sa.Column("at", sa.Double(), nullable=False),
    )
    op.create_table(
        "alert_rounds",
        sa.Column("pace", TEXT, primary_key=True),
        sa.Column("span", sa.BigInteger(), nullable=False),
        sa.Column("after", sa.LargeBinary()),
    )


def _alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("alert", TEXT, primary_key=True),
        sa.Column("api", TEXT, nullable=False),
        sa.Column("key", TEXT, sa.ForeignKey("keys.key"), nullable=False),
        sa.Column("locator", sa.LargeBinary(), nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("told_level", sa.Integer(), nullable=False),
        sa.Column("told_alone", sa.Boolean(), nullable=False),
        sa.Column("severity", TEXT, nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("fired_at", sa.Double(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.Column("resolved_at", sa.Double()),
        sa.Column("acknowledged_at", sa.Double()),
        sa.Column("acknowledged_by", TEXT, nullable=False),
        sa.Column("muted_until", sa.Double()),
        sa.CheckConstraint("severity in ('info', 'warning', 'critical')", name="alert_severity"),
    )
    is_open, untold = sa.text("resolved_at is null"), sa.text("told_level < level")
    op.create_index(
        "alerts_open", "alerts", ["locator", "kind"], unique=True, sqlite_where=is_open, postgresql_where=is_open
    )
    op.create_index("alerts_untold", "alerts", ["owner", "kind"], sqlite_where=untold, postgresql_where=untold)
    op.create_index("alerts_by_owner", "alerts", ["owner", "fired_at", "alert"])
    op.create_index("alerts_by_age", "alerts", ["fired_at", "alert"])
    op.create_index("alerts_by_key", "alerts", ["key", "kind", "fired_at"])

"""Delivery: channels, deliveries with their attempts, the inbox and notices; and which events of the outbox wait.

Written out, not taken from limen.db.tables: that is the schema of today, this is the schema of this revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
DUE, WAITING = sa.text("state = 'due'"), sa.text("delivered_at is null")


def upgrade() -> None:
    """What happened before there was anybody to tell is told to nobody."""
    op.create_table(
        "channels",
        sa.Column("channel", TEXT, primary_key=True),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("address", TEXT, nullable=False),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("api", TEXT, nullable=False),
        sa.Column("dialect", TEXT, nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("behind", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("confirmed_at", sa.Double()),
        sa.Column("muted_at", sa.Double()),
        sa.Column("disabled_at", sa.Double()),
        sa.Column("disabled_why", TEXT, nullable=False),
        sa.Column("removed_at", sa.Double()),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("sealed_old", sa.LargeBinary()),
        sa.Column("old_until", sa.Double()),
        sa.Column("pepper", sa.Integer(), sa.ForeignKey("peppers.version")),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.Double()),
    )
    op.create_index("channels_by_owner", "channels", ["owner", "channel"])
    _create_deliveries()
    _create_messages()
    op.execute("update outbox set delivered_at = at where delivered_at is null")
    op.create_index("outbox_waiting", "outbox", ["id"], sqlite_where=WAITING, postgresql_where=WAITING)


def _create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("delivery", TEXT, primary_key=True),
        sa.Column("channel", TEXT, sa.ForeignKey("channels.channel"), nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("event", TEXT, nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("leased_until", sa.Double()),
        sa.Column("first_at", sa.Double()),
        sa.Column("settled_at", sa.Double()),
        sa.Column("result", TEXT, nullable=False),
    )
    op.create_index("deliveries_due", "deliveries", ["due_at", "delivery"], sqlite_where=DUE, postgresql_where=DUE)
    op.create_index("deliveries_once", "deliveries", ["channel", "source"], unique=True)
    op.create_index("deliveries_by_channel", "deliveries", ["channel", "created_at", "delivery"])
    op.create_index("deliveries_by_age", "deliveries", ["settled_at"])
    op.create_table(
        "delivery_attempts",
        sa.Column("delivery", TEXT, sa.ForeignKey("deliveries.delivery"), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("result", TEXT, nullable=False),
        sa.Column("status", sa.Integer()),
        sqlite_with_rowid=False,
    )


def _create_messages() -> None:
    op.create_table(
        "inbox",
        sa.Column("message", TEXT, primary_key=True),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("event", TEXT, nullable=False),
        sa.Column("api", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("importance", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("read_at", sa.Double()),
    )
    op.create_index("inbox_once", "inbox", ["owner", "source"], unique=True)
    op.create_index("inbox_by_owner", "inbox", ["owner", "at", "message"])
    op.create_index("inbox_by_age", "inbox", ["at"])
    op.create_table(
        "notices",
        sa.Column("notice", TEXT, primary_key=True),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("api", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("recipients", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.Double(), nullable=False),
        sa.Column("sent_by", TEXT, nullable=False),
    )
    op.create_index("notices_by_age", "notices", ["sent_at", "notice"])

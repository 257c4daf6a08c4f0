"""Usage: readings say where they came from and what was answered, and are added up by minute, hour and day.

Written out, not taken from limen.db.tables: that is the schema of today, this is the schema of this revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Outcomes become part of their readings; those whose readings are not there yet stay."""
    op.add_column("readings", sa.Column("address", TEXT, nullable=False, server_default=sa.text("''")))
    op.add_column("readings", sa.Column("status", sa.Integer()))
    op.add_column("readings", sa.Column("took_us", sa.BigInteger()))
    op.add_column("outcomes", sa.Column("took_us", sa.BigInteger()))
    same = "outcomes.incarnation = readings.incarnation and outcomes.number = readings.number"
    op.execute(
        f"update readings set status = (select status from outcomes where {same})"  # noqa: S608
        f" where exists (select 1 from outcomes where {same})"
    )
    op.execute(f"delete from outcomes where exists (select 1 from readings where {same})")  # noqa: S608
    for name in ("usage_minutes", "usage_hours", "usage_days"):
        op.create_table(
            name,
            sa.Column("api", TEXT, primary_key=True),
            sa.Column("locator", sa.LargeBinary(), primary_key=True),
            sa.Column("at", sa.BigInteger(), primary_key=True),
            sa.Column("operation", TEXT, primary_key=True),
            sa.Column("version", TEXT, primary_key=True),
            sa.Column("code", TEXT, primary_key=True),
            sa.Column("calls", sa.BigInteger(), nullable=False),
            *(sa.Column(f"s{number}", sa.BigInteger(), nullable=False) for number in range(1, 6)),
            sqlite_with_rowid=False,
        )
        op.create_index(f"{name}_by_age", name, ["at"])
    op.create_table(
        "usage_times",
        sa.Column("api", TEXT, primary_key=True),
        sa.Column("locator", sa.LargeBinary(), primary_key=True),
        sa.Column("at", sa.BigInteger(), primary_key=True),
        sa.Column("operation", TEXT, primary_key=True),
        sa.Column("bucket", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("usage_times_by_age", "usage_times", ["at"])
    op.create_table(
        "usage_addresses",
        sa.Column("locator", sa.LargeBinary(), primary_key=True),
        sa.Column("at", sa.BigInteger(), primary_key=True),
        sa.Column("address", TEXT, primary_key=True),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("usage_addresses_by_age", "usage_addresses", ["at"])
    op.execute("update compatibility set oldest = '0004'")  # what drains reads another form of journal

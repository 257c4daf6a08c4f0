"""The threshold: keys, owners, APIs with their profiles and versions, the change log, the journal's readings, the audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Written out, not taken from limen.db.tables: that is the schema of today, this is the schema of this revision.
SQLITE_TRIGGERS = (
    "create trigger keys_fixed before update on keys for each row when new.key is not old.key or new.locator is not old.locator or new.api is not old.api or new.owner is not old.owner or new.scopes is not old.scopes or new.class is not old.class or new.environment is not old.environment or new.lineage is not old.lineage or new.predecessor is not old.predecessor or new.created_at is not old.created_at begin select raise(abort, 'a key keeps its scopes, owner, class and environment: issue another (C4)'); end",
    "create trigger keys_final before update on keys for each row when (old.state = 'revoked' and new.state is not old.state) or (old.state = 'expired' and new.state not in ('expired', 'revoked')) begin select raise(abort, 'a key does not come back from revoked or expired (C15)'); end",
    "create trigger keys_expiry before update on keys for each row when old.expires_at is not null and (new.expires_at is null or new.expires_at > old.expires_at) begin select raise(abort, 'a key''s expiry is only ever brought forward'); end",
    "create trigger keys_slot before update on keys for each row when old.slot is not null and new.slot is not old.slot and new.state is old.state begin select raise(abort, 'a key leaves its slot only with its state (C1)'); end",
    "create trigger keys_slot_taken before update on keys for each row when new.slot is not null and exists (select 1 from keys where slot = new.slot and key is not old.key) begin select raise(abort, 'the slot is taken (C1)'); end",
    "create trigger keys_new before insert on keys for each row when exists (select 1 from keys where key = new.key or locator = new.locator or slot = new.slot) begin select raise(abort, 'a key is not replaced in its row, nor in its slot (C1, C4)'); end",
    "create trigger keys_stay before delete on keys for each row when true begin select raise(abort, 'a key''s row stays for the audit (C15)'); end",
    "create trigger audit_fixed before update on audit for each row when true begin select raise(abort, 'the audit is only ever appended to'); end",
    "create trigger audit_stay before delete on audit for each row when true begin select raise(abort, 'the audit is only ever appended to'); end",
    "create trigger audit_new before insert on audit for each row when exists (select 1 from audit where id = new.id) begin select raise(abort, 'the audit is only ever appended to'); end",
)


def upgrade() -> None:
    """From nothing to the schema of the first release."""
    _create_tables()
    op.execute("insert into change_head (one, seq) values (1, 0)")
    if op.get_bind().dialect.name == "sqlite":
        for statement in SQLITE_TRIGGERS:
            op.execute(statement)


def _create_tables() -> None:
    op.create_table(
        "apis",
        sa.Column("api", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("read_only", sa.Boolean(), nullable=False),
        sa.Column("allowlist", sa.Boolean(), nullable=False),
        sa.Column("emergency_count", sa.Integer(), nullable=True),
        sa.Column("emergency_window_s", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("api"),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("api", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_by_subject", "audit", ["subject", "id"], unique=False)
    op.create_table(
        "change_head",
        sa.Column("one", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("one"),
    )
    op.create_table(
        "changes",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("api", sa.Text(), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_table(
        "installation",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "journal_marks",
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("segment"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("delivered_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "outcomes",
        sa.Column("incarnation", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("incarnation", "number"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "owners",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("suspended_at", sa.Double(), nullable=True),
        sa.Column("suspended_reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.CheckConstraint("kind in ('user', 'organisation')", name="owner_kind"),
        sa.PrimaryKeyConstraint("owner"),
    )
    op.create_table(
        "peppers",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("version"),
    )
    op.create_table(
        "readings",
        sa.Column("incarnation", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("api", sa.Text(), nullable=False),
        sa.Column("locator", sa.LargeBinary(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("incarnation", "number"),
        sqlite_with_rowid=False,
    )
    op.create_index("readings_by_age", "readings", ["at"], unique=False)
    op.create_index("readings_by_key", "readings", ["locator", "at"], unique=False)
    op.create_table(
        "refusals",
        sa.Column("minute", sa.BigInteger(), nullable=False),
        sa.Column("api", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("block", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("minute", "api", "code", "prefix", "block"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "keys",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("locator", sa.LargeBinary(), nullable=False),
        sa.Column("scheme", sa.Text(), nullable=False),
        sa.Column("pepper", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("api", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("class", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("origins", sa.JSON(), nullable=True),
        sa.Column("addresses", sa.JSON(), nullable=True),
        sa.Column("limit_count", sa.Integer(), nullable=True),
        sa.Column("limit_window_s", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("slot", sa.Text(), nullable=True),
        sa.Column("predecessor", sa.Text(), nullable=True),
        sa.Column("lineage", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("ended_reason", sa.Text(), nullable=True),
        sa.Column("deleted_at", sa.Double(), nullable=True),
        sa.Column("last_used_at", sa.Double(), nullable=True),
        sa.CheckConstraint("slot is null or state = 'active'", name="key_slot"),
        sa.CheckConstraint("state in ('active', 'inactive', 'expired', 'revoked')", name="key_state"),
        sa.ForeignKeyConstraint(
            ["api"],
            ["apis.api"],
        ),
        sa.ForeignKeyConstraint(
            ["owner"],
            ["owners.owner"],
        ),
        sa.ForeignKeyConstraint(
            ["pepper"],
            ["peppers.version"],
        ),
        sa.ForeignKeyConstraint(
            ["predecessor"],
            ["keys.key"],
        ),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("locator"),
        sa.UniqueConstraint("slot"),
    )
    op.create_index("keys_by_age", "keys", ["api", "created_at"], unique=False)
    op.create_index("keys_by_owner", "keys", ["api", "owner", "created_at"], unique=False)
    op.create_table(
        "profiles",
        sa.Column("api", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("applied_at", sa.Double(), nullable=False),
        sa.Column("applied_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["api"],
            ["apis.api"],
        ),
        sa.PrimaryKeyConstraint("api", "revision"),
    )
    op.create_table(
        "standings",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("api", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("allowed", sa.Boolean(), nullable=False),
        sa.Column("limit_count", sa.Integer(), nullable=True),
        sa.Column("limit_window_s", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["api"],
            ["apis.api"],
        ),
        sa.ForeignKeyConstraint(
            ["owner"],
            ["owners.owner"],
        ),
        sa.PrimaryKeyConstraint("owner", "api"),
    )
    op.create_table(
        "versions",
        sa.Column("api", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("deprecated_at", sa.Double(), nullable=True),
        sa.Column("sunset_at", sa.Double(), nullable=True),
        sa.Column("successor", sa.Text(), nullable=True),
        sa.Column("by_staff", sa.Boolean(), nullable=False),
        sa.Column("registered_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["api"],
            ["apis.api"],
        ),
        sa.PrimaryKeyConstraint("api", "version"),
    )

"""The threshold: keys, owners, APIs with profiles and versions, the change log, readings, the audit.

Written out, not taken from limen.db.tables: that is the schema of today, this is the schema of this revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """From nothing to the schema of the first release."""
    _create_installation()
    _create_change_log()
    _create_apis()
    _create_owners()
    _create_keys()
    _create_audit()
    _create_readings()
    if op.get_bind().dialect.name == "sqlite":
        for statement in KEY_TRIGGERS + AUDIT_TRIGGERS:
            op.execute(statement)


def _create_installation() -> None:
    op.create_table(
        "installation",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("folder", TEXT, nullable=False),
        sa.Column("database", TEXT, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
    )
    op.create_table(
        "peppers",
        sa.Column("version", sa.Integer(), primary_key=True),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
    )


def _create_change_log() -> None:
    op.create_table(
        "change_head",
        sa.Column("one", sa.Integer(), primary_key=True),
        sa.Column("seq", sa.BigInteger(), nullable=False),
    )
    op.execute("insert into change_head (one, seq) values (1, 0)")
    op.create_table(
        "changes",
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("api", TEXT, nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
    )


def _create_apis() -> None:
    op.create_table(
        "apis",
        sa.Column("api", TEXT, primary_key=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("read_only", sa.Boolean(), nullable=False),
        sa.Column("allowlist", sa.Boolean(), nullable=False),
        sa.Column("one_active", sa.Boolean(), nullable=False),
        sa.Column("emergency", TEXT),
        sa.Column("created_at", sa.Double(), nullable=False),
    )
    op.create_table(
        "profiles",
        sa.Column("api", TEXT, sa.ForeignKey("apis.api"), primary_key=True),
        sa.Column("revision", sa.Integer(), primary_key=True),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("applied_at", sa.Double(), nullable=False),
        sa.Column("applied_by", TEXT, nullable=False),
    )
    op.create_table(
        "versions",
        sa.Column("api", TEXT, sa.ForeignKey("apis.api"), primary_key=True),
        sa.Column("version", TEXT, primary_key=True),
        sa.Column("deprecated_at", sa.Double()),
        sa.Column("sunset_at", sa.Double()),
        sa.Column("successor", TEXT),
        sa.Column("by_staff", sa.Boolean(), nullable=False),
        sa.Column("registered_at", sa.Double(), nullable=False),
        sa.CheckConstraint(
            "sunset_at is null or (deprecated_at is not null and sunset_at >= deprecated_at)", name="version_dates"
        ),
    )


def _create_owners() -> None:
    op.create_table(
        "owners",
        sa.Column("owner", TEXT, primary_key=True),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("folded", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("suspended_at", sa.Double()),
        sa.Column("suspended_reason", TEXT),
        sa.Column("erased_at", sa.Double()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.CheckConstraint("kind in ('user', 'organisation')", name="owner_kind"),
        sa.CheckConstraint("erased_at is null or suspended_at is not null", name="owner_erased"),
    )
    op.create_index("owners_by_kind", "owners", ["kind", "owner"])
    op.create_index("owners_by_name", "owners", ["folded", "owner"])
    op.create_index(
        "owners_suspended",
        "owners",
        ["owner"],
        sqlite_where=sa.text("suspended_at is not null"),
        postgresql_where=sa.text("suspended_at is not null"),
    )
    op.create_table(
        "standings",
        sa.Column("owner", TEXT, sa.ForeignKey("owners.owner"), primary_key=True),
        sa.Column("api", TEXT, sa.ForeignKey("apis.api"), primary_key=True),
        sa.Column("plan", TEXT, nullable=False),
        sa.Column("allowed", sa.Boolean(), nullable=False),
        sa.Column("limits", TEXT),
    )
    op.create_index("standings_by_plan", "standings", ["api", "plan", "owner"])


def _create_keys() -> None:
    op.create_table(
        "keys",
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("locator", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("scheme", TEXT, nullable=False),
        sa.Column("pepper", sa.Integer(), sa.ForeignKey("peppers.version"), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("api", TEXT, sa.ForeignKey("apis.api"), nullable=False),
        sa.Column("owner", TEXT, sa.ForeignKey("owners.owner"), nullable=False),
        sa.Column("class", TEXT, nullable=False),
        sa.Column("environment", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("folded", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("hint", TEXT, nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("origins", sa.JSON()),
        sa.Column("addresses", sa.JSON()),
        sa.Column("limits", TEXT),
        sa.Column("pinned", TEXT),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("slot", TEXT, unique=True),
        sa.Column("predecessor", TEXT, sa.ForeignKey("keys.key")),
        sa.Column("lineage", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("expires_at", sa.Double()),
        sa.Column("ended_at", sa.Double()),
        sa.Column("ended_reason", TEXT),
        sa.Column("deleted_at", sa.Double()),
        sa.Column("last_used_at", sa.Double()),
        sa.Column("limited_at", sa.Double()),
        sa.Column("leaked_at", sa.Double()),
        sa.Column("weak", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.CheckConstraint("state in ('active', 'inactive', 'expired', 'revoked')", name="key_state"),
        sa.CheckConstraint("slot is null or (state = 'active' and slot = api || ':' || owner)", name="key_slot"),
    )
    op.create_index("keys_by_owner", "keys", ["owner", "api", "state", "created_at", "key"])
    for name, columns, only in KEY_INDEXES:
        op.create_index(name, "keys", columns, sqlite_where=sa.text(only), postgresql_where=sa.text(only))


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", SERIAL, primary_key=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("verb", TEXT, nullable=False),
        sa.Column("api", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("before", sa.JSON()),
        sa.Column("after", sa.JSON()),
        sa.Column("detail", sa.JSON(), nullable=False),
    )
    op.create_index("audit_by_subject", "audit", ["subject", "id"])
    op.create_index("audit_by_actor", "audit", ["actor", "id"])
    op.create_index("audit_by_age", "audit", ["at"])
    op.create_table(
        "outbox",
        sa.Column("id", SERIAL, primary_key=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("event", TEXT, nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("delivered_at", sa.Double()),
    )


def _create_readings() -> None:
    op.create_table(
        "readings",
        sa.Column("incarnation", sa.BigInteger(), primary_key=True),
        sa.Column("number", sa.BigInteger(), primary_key=True),
        sa.Column("at", sa.Double(), primary_key=True),
        sa.Column("api", TEXT, nullable=False),
        sa.Column("locator", sa.LargeBinary(), nullable=False),
        sa.Column("method", TEXT, nullable=False),
        sa.Column("operation", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("code", TEXT, nullable=False),
        sqlite_with_rowid=False,
        postgresql_partition_by="range (at)",
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("create table readings_other partition of readings default")
    op.create_index("readings_by_key", "readings", ["locator", "at"])
    op.create_index("readings_by_age", "readings", ["at"])
    op.create_table(
        "outcomes",
        sa.Column("incarnation", sa.BigInteger(), primary_key=True),
        sa.Column("number", sa.BigInteger(), primary_key=True),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "refusals",
        sa.Column("minute", sa.BigInteger(), primary_key=True),
        sa.Column("api", TEXT, primary_key=True),
        sa.Column("code", TEXT, primary_key=True),
        sa.Column("prefix", TEXT, primary_key=True),
        sa.Column("block", TEXT, primary_key=True),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "journal_marks",
        sa.Column("segment", TEXT, primary_key=True),
        sa.Column("offset", sa.BigInteger(), nullable=False),
    )


KEY_INDEXES = (
    ("keys_by_age", ["api", "created_at", "key"], "deleted_at is null"),
    ("keys_by_kind", ["api", "state", "class", "environment", "created_at", "key"], "deleted_at is null"),
    ("keys_by_maker", ["api", "created_by", "created_at", "key"], "deleted_at is null"),
    ("keys_by_name", ["api", "folded", "created_at", "key"], "deleted_at is null"),
    ("keys_by_hint", ["api", "hint", "created_at", "key"], "deleted_at is null"),
    ("keys_by_use", ["api", "last_used_at", "created_at", "key"], "deleted_at is null"),
    ("keys_by_expiry", ["api", "state", "expires_at", "key"], "expires_at is not null and deleted_at is null"),
    ("keys_weak", ["api", "created_at", "key"], "weak and deleted_at is null"),
    ("keys_leaked", ["api", "created_at", "key"], "leaked_at is not null and deleted_at is null"),
    ("keys_deleted", ["api", "created_at", "key"], "deleted_at is not null"),
)

KEY_TRIGGERS = (
    """
    create trigger keys_fixed before update on keys for each row
    when new.key is not old.key
        or new.rowid is not old.rowid
        or new.locator is not old.locator
        or new.api is not old.api
        or new.owner is not old.owner
        or new.class is not old.class
        or new.environment is not old.environment
        or new.scopes is not old.scopes
        or new.predecessor is not old.predecessor
        or new.lineage is not old.lineage
        or new.created_at is not old.created_at
        or new.created_by is not old.created_by
    begin select raise(abort, 'a key keeps its scopes, owner, class and environment: issue another (C4)'); end
    """,
    """
    create trigger keys_final before update on keys for each row
    when (old.state = 'revoked' and new.state is not old.state)
        or (old.state = 'expired' and new.state not in ('expired', 'revoked'))
    begin select raise(abort, 'a key does not come back from revoked or expired (C15)'); end
    """,
    """
    create trigger keys_expiry before update on keys for each row
    when old.expires_at is not null and (new.expires_at is null or new.expires_at > old.expires_at)
    begin select raise(abort, 'a key''s expiry is only ever brought forward'); end
    """,
    """
    create trigger keys_slot before update on keys for each row
    when old.slot is not null and new.slot is not old.slot and new.state is old.state
    begin select raise(abort, 'a key leaves its slot only with its state (C1)'); end
    """,
    """
    create trigger keys_slot_taken before update on keys for each row
    when new.slot is not null and exists (select 1 from keys where slot = new.slot and key is not old.key)
    begin select raise(abort, 'the slot is taken (C1)'); end
    """,
    """
    create trigger keys_slot_needed before update on keys for each row
    when new.state = 'active' and old.state is not 'active' and new.slot is null
        and exists (select 1 from apis where api = new.api and one_active)
    begin select raise(abort, 'a key of this API is active in its owner''s slot (C1)'); end
    """,
    """
    create trigger keys_new before insert on keys for each row
    when exists (
        select 1 from keys
        where key = new.key or rowid = new.rowid or locator = new.locator or slot = new.slot
    )
    begin select raise(abort, 'a key is not replaced in its row, nor in its slot (C1, C4)'); end
    """,
    """
    create trigger keys_new_slot before insert on keys for each row
    when new.state = 'active' and new.slot is null
        and exists (select 1 from apis where api = new.api and one_active)
    begin select raise(abort, 'a key of this API is active in its owner''s slot (C1)'); end
    """,
    """
    create trigger keys_stay before delete on keys for each row when true
    begin select raise(abort, 'a key''s row stays for the audit (C15)'); end
    """,
)

AUDIT_TRIGGERS = (
    """
    create trigger audit_fixed before update on audit for each row when true
    begin select raise(abort, 'the audit is only ever appended to'); end
    """,
    """
    create trigger audit_stay before delete on audit for each row when true
    begin select raise(abort, 'the audit is only ever appended to'); end
    """,
    """
    create trigger audit_new before insert on audit for each row
    when exists (select 1 from audit where id = new.id)
    begin select raise(abort, 'the audit is only ever appended to'); end
    """,
    """
    create trigger audit_last after insert on audit for each row
    when new.id < 1 or new.id < (select max(id) from audit)
    begin select raise(abort, 'the audit is only ever appended to'); end
    """,
)

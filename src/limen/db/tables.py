"""The schema, on one page. Moments are Unix seconds; ids are Limen's own (12 base62) or the platform's.

SQLite's triggers, below, refuse what no verb of ours does: they hold against a hand at the database too. Alembic's
batch mode drops triggers without a word, so a test compares the schema after every upgrade path with a fresh one.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

metadata = MetaData()

installation = Table(  # one row: which state folder belongs to this database
    "installation",
    metadata,
    Column("id", Text, primary_key=True),
    Column("folder", Text, nullable=False),  # where the folder was made, and for a database at which path:
    Column("database", Text, nullable=False),  # both may be copied or moved together
    Column("created_at", Double, nullable=False),
)

peppers = Table(  # a known answer under each pepper: with the wrong pepper nothing starts
    "peppers",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("answer", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
)

change_head = Table(
    "change_head", metadata, Column("one", Integer, primary_key=True), Column("seq", BigInteger, nullable=False)
)

changes = Table(  # the change log: what gates have to forget
    "changes",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),  # key | owner | rules | profile
    Column("api", Text, nullable=False),  # empty: every API
    Column("subject", LargeBinary, nullable=False),
    Column("at", Double, nullable=False),
)

apis = Table(
    "apis",
    metadata,
    Column("api", Text, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("read_only", Boolean, nullable=False),
    Column("allowlist", Boolean, nullable=False),
    Column("one_active", Boolean, nullable=False),  # whether its profile allows one active key an owner (C1)
    Column("emergency_count", BigInteger),
    Column("emergency_window_s", BigInteger),
    Column("created_at", Double, nullable=False),
)

profiles = Table(
    "profiles",
    metadata,
    Column("api", Text, ForeignKey("apis.api"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("document", JSON, nullable=False),
    Column("applied_at", Double, nullable=False),
    Column("applied_by", Text, nullable=False),
)

versions = Table(
    "versions",
    metadata,
    Column("api", Text, ForeignKey("apis.api"), primary_key=True),
    Column("version", Text, primary_key=True),
    Column("deprecated_at", Double),
    Column("sunset_at", Double),
    Column("successor", Text),
    Column("by_staff", Boolean, nullable=False),  # registered or dated by staff, not by a profile
    Column("registered_at", Double, nullable=False),
    CheckConstraint(
        "sunset_at is null or (deprecated_at is not null and sunset_at >= deprecated_at)", name="version_dates"
    ),
)

owners = Table(
    "owners",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("suspended_at", Double),
    Column("suspended_reason", Text),
    Column("created_at", Double, nullable=False),
    CheckConstraint("kind in ('user', 'organisation')", name="owner_kind"),
)

standings = Table(  # an owner's plan, place on the allow-list and own limit on one API
    "standings",
    metadata,
    Column("owner", Text, ForeignKey("owners.owner"), primary_key=True),
    Column("api", Text, ForeignKey("apis.api"), primary_key=True),
    Column("plan", Text, nullable=False),
    Column("allowed", Boolean, nullable=False),
    Column("limit_count", BigInteger),
    Column("limit_window_s", BigInteger),
)

keys = Table(
    "keys",
    metadata,
    Column("key", Text, primary_key=True),  # the public id in the key's text
    Column("locator", LargeBinary, nullable=False, unique=True),  # what finds the row from a key's text
    Column("scheme", Text, nullable=False),  # how the digest is made: b2 is keyed BLAKE2b-256
    Column("pepper", Integer, ForeignKey("peppers.version"), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("api", Text, ForeignKey("apis.api"), nullable=False),
    Column("owner", Text, ForeignKey("owners.owner"), nullable=False),
    Column("class", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("hint", Text, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("origins", JSON),
    Column("addresses", JSON),
    Column("limit_count", BigInteger),
    Column("limit_window_s", BigInteger),
    Column("state", Text, nullable=False),
    Column("slot", Text, unique=True),  # api:owner while the key is active and the profile allows one
    Column("predecessor", Text, ForeignKey("keys.key")),
    Column("lineage", LargeBinary, nullable=False),  # the locator of the first key of the chain
    Column("created_at", Double, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", Double),
    Column("ended_at", Double),
    Column("ended_reason", Text),
    Column("deleted_at", Double),
    Column("last_used_at", Double),
    CheckConstraint("state in ('active', 'inactive', 'expired', 'revoked')", name="key_state"),
    CheckConstraint("slot is null or (state = 'active' and slot = api || ':' || owner)", name="key_slot"),
    Index("keys_by_owner", "owner", "api", "created_at"),
    Index("keys_by_age", "api", "created_at"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
    Column("verb", Text, nullable=False),
    Column("api", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    Index("audit_by_subject", "subject", "id"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Double, nullable=False),
    Column("event", Text, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("delivered_at", Double),
)

readings = Table(  # one recorded decision on a known key
    "readings",
    metadata,
    Column("incarnation", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("at", Double, nullable=False),
    Column("api", Text, nullable=False),
    Column("locator", LargeBinary, nullable=False),
    Column("method", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("code", Text, nullable=False),
    Index("readings_by_key", "locator", "at"),
    Index("readings_by_age", "at"),
    sqlite_with_rowid=False,
)

outcomes = Table(  # the status with which the API answered what a reading admitted
    "outcomes",
    metadata,
    Column("incarnation", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("status", Integer, nullable=False),
    Column("at", Double, nullable=False),
    sqlite_with_rowid=False,
)

refusals = Table(  # refusals without a known key, counted
    "refusals",
    metadata,
    Column("minute", BigInteger, primary_key=True),
    Column("api", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("prefix", Text, primary_key=True),
    Column("block", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

journal_marks = Table(  # up to where each journal segment is in the readings
    "journal_marks",
    metadata,
    Column("segment", Text, primary_key=True),
    Column("offset", BigInteger, nullable=False),
)


def _refuse(name: str, event: str, *, when: str, because: str) -> str:
    return f"create trigger {name} before {event} for each row when {when} begin select raise(abort, '{because}'); end"


_ONE_ACTIVE = "exists (select 1 from apis where api = new.api and one_active)"

# `or replace` makes room by deleting rows without asking the trigger that guards them. So whatever a statement could
# collide with is looked at before it, the rowid that SQLite gives to every row included.
SQLITE_TRIGGERS = (
    _refuse(
        "keys_fixed",
        "update on keys",
        when="""new.key is not old.key
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
            or new.created_by is not old.created_by""",
        because="a key keeps its scopes, owner, class and environment: issue another (C4)",
    ),
    _refuse(
        "keys_final",
        "update on keys",
        when="""(old.state = 'revoked' and new.state is not old.state)
            or (old.state = 'expired' and new.state not in ('expired', 'revoked'))""",
        because="a key does not come back from revoked or expired (C15)",
    ),
    _refuse(
        "keys_expiry",
        "update on keys",
        when="old.expires_at is not null and (new.expires_at is null or new.expires_at > old.expires_at)",
        because="a key''s expiry is only ever brought forward",
    ),
    _refuse(
        "keys_slot",
        "update on keys",
        when="old.slot is not null and new.slot is not old.slot and new.state is old.state",
        because="a key leaves its slot only with its state (C1)",
    ),
    _refuse(
        "keys_slot_taken",
        "update on keys",
        when="new.slot is not null and exists (select 1 from keys where slot = new.slot and key is not old.key)",
        because="the slot is taken (C1)",
    ),
    _refuse(
        "keys_slot_needed",
        "update on keys",
        when=f"new.state = 'active' and old.state is not 'active' and new.slot is null and {_ONE_ACTIVE}",
        because="a key of this API is active in its owner''s slot (C1)",
    ),
    _refuse(
        "keys_new",
        "insert on keys",
        when="""exists (
                select 1 from keys
                where key = new.key or rowid = new.rowid or locator = new.locator or slot = new.slot
            )""",
        because="a key is not replaced in its row, nor in its slot (C1, C4)",
    ),
    _refuse(
        "keys_new_slot",
        "insert on keys",
        when=f"new.state = 'active' and new.slot is null and {_ONE_ACTIVE}",
        because="a key of this API is active in its owner''s slot (C1)",
    ),
    _refuse("keys_stay", "delete on keys", when="true", because="a key''s row stays for the audit (C15)"),
    _refuse("audit_fixed", "update on audit", when="true", because="the audit is only ever appended to"),
    _refuse("audit_stay", "delete on audit", when="true", because="the audit is only ever appended to"),
    _refuse(
        "audit_new",
        "insert on audit",
        when="exists (select 1 from audit where id = new.id)",
        because="the audit is only ever appended to",
    ),
)


def create_triggers(connection: Connection) -> None:
    """Lay the triggers. Part of every migration that touches their tables, and of a fresh schema."""
    if connection.dialect.name == "sqlite":
        for statement in SQLITE_TRIGGERS:
            connection.execute(text(statement))

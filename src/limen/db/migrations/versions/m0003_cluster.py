"""Cluster: processes that hold leases, windows that they share, and on PostgreSQL the triggers.

Written out, not taken from limen.db.tables: that is the schema of today, this is the schema of this revision.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """From one host to many."""
    op.create_table(
        "nodes",
        sa.Column("node", TEXT, primary_key=True),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("process", sa.Integer(), nullable=False),
        sa.Column("apis", TEXT, nullable=False),
        sa.Column("lease_s", sa.Double(), nullable=False),
        sa.Column("applied", sa.BigInteger(), nullable=False),
        sa.Column("registered_at", sa.Double(), nullable=False),
        sa.Column("renewed_at", sa.Double(), nullable=False),
        sa.Column("dead_at", sa.Double()),
    )
    op.create_table(
        "compatibility",
        sa.Column("one", sa.Integer(), primary_key=True),
        sa.Column("oldest", TEXT, nullable=False),
    )
    op.execute("insert into compatibility (one, oldest) values (1, '0003')")
    _windows()
    if op.get_bind().dialect.name == "postgresql":
        for statement in _triggers():
            op.get_bind().exec_driver_sql(statement)


def _windows() -> None:
    """What limits are counted by where processes of several hosts share them."""
    op.create_table(
        "windows",
        sa.Column("api", TEXT, primary_key=True),
        sa.Column("windows", TEXT, primary_key=True),
        sa.Column("whose", sa.LargeBinary(), primary_key=True),
        sa.Column("ends_at", sa.Double(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("opened", sa.BigInteger(), nullable=False),
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "window_clock",
        sa.Column("version", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("base", sa.BigInteger(), nullable=False),
        sa.Column("shift", sa.Double(), nullable=False),
        sa.Column("seen", sa.Double(), nullable=False),
    )
    op.execute("insert into window_clock (version, base, shift, seen) values (1, 1, 0, 0)")
    op.create_table("window_eras", sa.Column("api", TEXT, primary_key=True), sa.Column("era", TEXT, nullable=False))
    if op.get_bind().dialect.name == "postgresql":
        counted = Path(__file__).with_name("m0003_windows.sql").read_text("utf-8")
        op.get_bind().exec_driver_sql(counted)


_FIXED = (
    "key",
    "locator",
    "api",
    "owner",
    "class",
    "environment",
    "predecessor",
    "lineage",
    "created_at",
    "created_by",
)
_APPENDED = "the audit is only ever appended to"

POSTGRESQL_RULES = (  # name, event, condition, reason. No statement of PostgreSQL's replaces a row unseen.
    (
        "keys_fixed",
        "update on keys",
        " or ".join(
            (
                *(f"new.{name} is distinct from old.{name}" for name in _FIXED),
                "new.scopes::text is distinct from old.scopes::text",
            )
        ),
        "a key keeps its scopes, owner, class and environment: issue another (C4)",
    ),
    (
        "keys_final",
        "update on keys",
        """(old.state = 'revoked' and new.state is distinct from old.state)
            or (old.state = 'expired' and new.state not in ('expired', 'revoked'))""",
        "a key does not come back from revoked or expired (C15)",
    ),
    (
        "keys_expiry",
        "update on keys",
        "old.expires_at is not null and (new.expires_at is null or new.expires_at > old.expires_at)",
        "a key''s expiry is only ever brought forward",
    ),
    (
        "keys_slot",
        "update on keys",
        "old.slot is not null and new.slot is distinct from old.slot and new.state is not distinct from old.state",
        "a key leaves its slot only with its state (C1)",
    ),
    (
        "keys_slot_needed",
        "insert or update on keys",
        """new.state = 'active' and new.slot is null and (tg_op = 'INSERT' or old.state is distinct from 'active')
            and exists (select 1 from apis where api = new.api and one_active)""",
        "a key of this API is active in its owner''s slot (C1)",
    ),
    ("keys_stay", "delete on keys", "true", "a key''s row stays for the audit (C15)"),
    ("audit_fixed", "update on audit", "true", _APPENDED),
    ("audit_stay", "delete on audit", "true", _APPENDED),
    ("audit_last", "insert on audit", "new.id < 1 or new.id <= (select coalesce(max(id), 0) from audit)", _APPENDED),
    ("audit_links_fixed", "update on audit_links", "true", _APPENDED),
    ("audit_links_stay", "delete on audit_links", "true", _APPENDED),
    (
        "audit_links_new",
        "insert on audit_links",
        """new.position is distinct from 1 + (select coalesce(max(position), 0) from audit_links)
            or new.id <= (select coalesce(max(id), 0) from audit_links)""",
        _APPENDED,
    ),
    (
        "audit_personal_fixed",
        "update on audit_personal",
        "true",
        "what is personal in the audit is erased, never changed",
    ),
)

POSTGRESQL_KEPT = ("keys", "audit", "audit_links")
"""Tables that no statement empties as a whole."""


def _triggers() -> Iterator[str]:
    """The statements that lay PostgreSQL's triggers: a function each."""
    for name, event, when, because in POSTGRESQL_RULES:
        yield f"""create function limen_{name}() returns trigger language plpgsql as $$ begin
            if {when} then raise exception '{because}' using errcode = 'check_violation'; end if;
            return coalesce(new, old);
        end $$"""
        yield f"create trigger {name} before {event} for each row execute function limen_{name}()"
    yield f"""create function limen_kept() returns trigger language plpgsql as $$ begin
        raise exception '{_APPENDED}' using errcode = 'check_violation';
    end $$"""
    for name in POSTGRESQL_KEPT:
        yield f"create trigger {name}_kept before truncate on {name} for each statement execute function limen_kept()"

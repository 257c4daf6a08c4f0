"""Control: members, requests, measures, brownouts, run-time settings, and the audit's chain.

Written out, not taken from limen.db.tables: that is the schema of today, this is the schema of this revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """From the threshold to what the management API needs."""
    _create_people()
    _create_requests()
    _create_protection()
    _create_secrets()
    _create_audit_chain()
    _create_tombstone_head()
    if op.get_bind().dialect.name == "sqlite":
        for statement in CHAIN_TRIGGERS:
            op.execute(statement)


def _create_people() -> None:
    op.create_table(
        "members",
        sa.Column("organisation", TEXT, sa.ForeignKey("owners.owner"), primary_key=True),
        sa.Column("member", TEXT, sa.ForeignKey("owners.owner"), primary_key=True),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("joined_at", sa.Double(), nullable=False),
        sa.CheckConstraint("role in ('owner', 'admin', 'editor', 'viewer')", name="member_role"),
    )
    op.create_index("members_by_member", "members", ["member", "organisation"])
    op.create_table(
        "invitations",
        sa.Column("invitation", TEXT, primary_key=True),
        sa.Column("organisation", TEXT, sa.ForeignKey("owners.owner"), nullable=False),
        sa.Column("email", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("message", TEXT, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("invited_by", TEXT, nullable=False),
        sa.Column("invited_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.Column("accepted_by", TEXT, sa.ForeignKey("owners.owner")),
        sa.CheckConstraint("state in ('open', 'accepted', 'withdrawn')", name="invitation_state"),
    )
    op.create_index("invitations_by_organisation", "invitations", ["organisation", "invited_at"])


def _create_requests() -> None:
    op.create_table(
        "key_requests",
        sa.Column("request", TEXT, primary_key=True),
        sa.Column("api", TEXT, sa.ForeignKey("apis.api"), nullable=False),
        sa.Column("owner", TEXT, sa.ForeignKey("owners.owner"), nullable=False),
        sa.Column("wish", sa.JSON(), nullable=False),
        sa.Column("use_case", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("asked_by", TEXT, nullable=False),
        sa.Column("asked_at", sa.Double(), nullable=False),
        sa.Column("granted", sa.JSON()),
        sa.Column("decided_by", TEXT),
        sa.Column("decided_at", sa.Double()),
        sa.Column("reason", TEXT),
        sa.Column("lapses_at", sa.Double()),
        sa.Column("key", TEXT, sa.ForeignKey("keys.key")),
        sa.CheckConstraint("state in ('open', 'granted', 'refused', 'withdrawn', 'revealed')", name="request_state"),
    )
    op.create_index("requests_by_state", "key_requests", ["state", "asked_at"])
    op.create_index("requests_by_owner", "key_requests", ["owner", "asked_at"])
    op.create_index("requests_by_age", "key_requests", ["asked_at"])
    op.create_table(
        "replies",
        sa.Column("caller", TEXT, primary_key=True),
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
    )
    op.create_index("replies_by_age", "replies", ["at"])
    op.create_table(
        "run_settings",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("set_at", sa.Double(), nullable=False),
        sa.Column("set_by", TEXT, nullable=False),
    )


def _create_protection() -> None:
    op.create_table(
        "measures",
        sa.Column("measure", TEXT, primary_key=True),
        sa.Column("api", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("target", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("limits", TEXT),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("set_at", sa.Double(), nullable=False),
        sa.Column("set_by", TEXT, nullable=False),
        sa.Column("ends_at", sa.Double()),
        sa.Column("lifted_at", sa.Double()),
        sa.CheckConstraint("kind in ('throttle', 'block')", name="measure_kind"),
        sa.CheckConstraint("target in ('api', 'owner', 'key', 'address', 'operation')", name="measure_target"),
        sa.CheckConstraint("(kind = 'throttle') = (limits is not null)", name="measure_limits"),
    )
    op.create_index("measures_by_api", "measures", ["api", "set_at"])
    op.create_table(
        "brownouts",
        sa.Column("brownout", TEXT, primary_key=True),
        sa.Column("api", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("starts_at", sa.Double(), nullable=False),
        sa.Column("ends_at", sa.Double(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("announced_at", sa.Double(), nullable=False),
        sa.Column("cancelled_at", sa.Double()),
        sa.CheckConstraint("ends_at > starts_at", name="brownout_span"),
        sa.CheckConstraint("status in (410, 503)", name="brownout_status"),
    )
    op.create_index("brownouts_by_version", "brownouts", ["api", "version", "starts_at"])
    op.create_table(
        "disregards",
        sa.Column("locator", sa.LargeBinary(), primary_key=True),
        sa.Column("hour", sa.BigInteger(), primary_key=True),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )


def _create_secrets() -> None:
    op.create_table(
        "pepper_secrets",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
    )


def _create_audit_chain() -> None:
    op.create_table(
        "audit_personal",
        sa.Column("id", SERIAL, sa.ForeignKey("audit.id"), primary_key=True),
        sa.Column("field", TEXT, primary_key=True),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit_links",
        sa.Column("position", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("id", SERIAL, sa.ForeignKey("audit.id"), nullable=False, unique=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
    )


def _create_tombstone_head() -> None:
    op.create_table(
        "tombstone_head",
        sa.Column("one", sa.Integer(), primary_key=True),
        sa.Column("series", TEXT, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
    )
    op.execute("insert into tombstone_head (one, series, number) values (1, '', 0)")


CHAIN_TRIGGERS = (
    """
    create trigger audit_links_fixed before update on audit_links for each row when true
    begin select raise(abort, 'the audit is only ever appended to'); end
    """,
    """
    create trigger audit_links_stay before delete on audit_links for each row when true
    begin select raise(abort, 'the audit is only ever appended to'); end
    """,
    """
    create trigger audit_links_new before insert on audit_links for each row
    when new.position is not 1 + (select coalesce(max(position), 0) from audit_links)
        or new.id <= (select coalesce(max(id), 0) from audit_links)
        or typeof(new.digest) is not 'blob'
    begin select raise(abort, 'the audit is only ever appended to'); end
    """,
    """
    create trigger audit_personal_fixed before update on audit_personal for each row when true
    begin select raise(abort, 'what is personal in the audit is erased, never changed'); end
    """,
    """
    create trigger audit_personal_new before insert on audit_personal for each row
    when exists (select 1 from audit_personal where id = new.id and field = new.field)
    begin select raise(abort, 'what is personal in the audit is erased, never changed'); end
    """,
)

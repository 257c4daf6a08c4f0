"""The schema, on one page. Moments are Unix seconds; ids are Limen's own (12 base62) or the platform's.

Limits are text, as ``core.limits`` writes and reads them: ``100 per 60 s, 5000 per 86400 s``.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    false,
    text,
)

from limen.db.alert_tables import alert_rounds, alert_rules, alert_tellings, alerts
from limen.db.columns import Serial, Text, metadata, only
from limen.db.delivery_tables import channels, deliveries, delivery_attempts, inbox, notices
from limen.db.usage_tables import (
    disregards,
    journal_marks,
    outcomes,
    readings,
    refusals,
    usage_addresses,
    usage_days,
    usage_hours,
    usage_minutes,
    usage_times,
)
from limen.db.walks import INDEXES, OWNER
from limen.db.window_tables import window_clock, window_eras, windows

__all__ = [  # those of usage, windows, delivery and alerts are pages of their own
    "alert_rounds", "alert_rules", "alert_tellings", "alerts",
    "apis", "audit", "audit_links", "audit_personal", "brownouts", "change_head", "changes", "channels",
    "compatibility", "deliveries", "delivery_attempts", "disregards", "inbox", "installation", "invitations",
    "journal_marks", "key_requests", "keys", "measures", "members", "metadata", "nodes", "notices", "outbox",
    "outcomes", "owners", "pepper_secrets", "peppers", "profiles", "readings", "refusals", "replies", "run_settings",
    "standings", "tombstone_head", "usage_addresses", "usage_days", "usage_hours", "usage_minutes", "usage_times",
    "versions", "window_clock", "window_eras", "windows",
]  # fmt: skip

installation = Table(  # one row: which state folder belongs to this database
    "installation",
    metadata,
    Column("id", Text, primary_key=True),
    Column("folder", Text, nullable=False),  # where the folder was made, and for a database at which path:
    Column("database", Text, nullable=False),  # both may be copied or moved together
    Column("created_at", Double, nullable=False),
)

compatibility = Table(  # one row: during a rolling upgrade, two releases work on one database
    "compatibility",
    metadata,
    Column("one", Integer, primary_key=True),
    Column("oldest", Text, nullable=False),  # the revision of the oldest release that may work on this schema
)

peppers = Table(  # a known answer under each pepper: with the wrong pepper nothing starts
    "peppers",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("answer", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
)

pepper_secrets = Table(  # a known answer of each secret beside the peppers
    "pepper_secrets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("answer", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
)

change_head = Table(
    "change_head", metadata, Column("one", Integer, primary_key=True), Column("seq", BigInteger, nullable=False)
)

tombstone_head = Table(  # which line of the tombstones was written last: a copy of the database says what it misses
    "tombstone_head",
    metadata,
    Column("one", Integer, primary_key=True),
    Column("series", Text, nullable=False),  # empty: none has been
    Column("number", BigInteger, nullable=False),
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

nodes = Table(  # on PostgreSQL: the processes with gates, and what each has applied
    "nodes",
    metadata,
    Column("node", Text, primary_key=True),  # one process from its registration on; after its death it is another
    Column("host", Text, nullable=False),
    Column("process", Integer, nullable=False),
    Column("apis", Text, nullable=False),
    Column("lease_s", Double, nullable=False),
    Column("applied", BigInteger, nullable=False),  # the change up to which all of its gates are right
    Column("registered_at", Double, nullable=False),
    Column("renewed_at", Double, nullable=False),
    Column("dead_at", Double),  # whoever changed something waited for it in vain
    Column("outages", BigInteger, nullable=False, server_default=text("0")),  # how often what counts did not answer it
    Column("outage_at", Double),  # since when it has not
)

apis = Table(
    "apis",
    metadata,
    Column("api", Text, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("read_only", Boolean, nullable=False),
    Column("allowlist", Boolean, nullable=False),
    Column("one_active", Boolean, nullable=False),  # whether its profile allows one active key an owner (C1)
    Column("emergency", Text),  # limits on the API as a whole
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
    Column("folded", Text, nullable=False, server_default=text("''")),  # the name, as it is searched by
    Column("suspended_at", Double),
    Column("suspended_reason", Text),
    Column("erased_at", Double),  # who it was is forgotten; it is suspended from then on
    Column("created_at", Double, nullable=False),
    CheckConstraint("kind in ('user', 'organisation')", name="owner_kind"),
    CheckConstraint("erased_at is null or suspended_at is not null", name="owner_erased"),
    Index("owners_by_kind", "kind", "owner"),
    Index("owners_by_name", "folded", "owner"),
    Index("owners_suspended", "owner", **only("suspended_at is not null")),
)

standings = Table(  # an owner's plan, place on the allow-list and own limit on one API
    "standings",
    metadata,
    Column("owner", Text, ForeignKey("owners.owner"), primary_key=True),
    Column("api", Text, ForeignKey("apis.api"), primary_key=True),
    Column("plan", Text, nullable=False),
    Column("allowed", Boolean, nullable=False),
    Column("limits", Text),  # the owner's own allowance, before its plan's
    Index("standings_by_plan", "api", "plan", "owner"),
)

members = Table(  # users that act for an organisation
    "members",
    metadata,
    Column("organisation", Text, ForeignKey("owners.owner"), primary_key=True),
    Column("member", Text, ForeignKey("owners.owner"), primary_key=True),
    Column("role", Text, nullable=False),
    Column("joined_at", Double, nullable=False),
    CheckConstraint("role in ('owner', 'admin', 'editor', 'viewer')", name="member_role"),
    Index("members_by_member", "member", "organisation"),
)

invitations = Table(
    "invitations",
    metadata,
    Column("invitation", Text, primary_key=True),
    Column("organisation", Text, ForeignKey("owners.owner"), nullable=False),
    Column("email", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),  # of the token that accepts it
    Column("invited_by", Text, nullable=False),
    Column("invited_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("state", Text, nullable=False),
    Column("ended_at", Double),
    Column("accepted_by", Text, ForeignKey("owners.owner")),
    CheckConstraint("state in ('open', 'accepted', 'withdrawn')", name="invitation_state"),
    Index("invitations_by_organisation", "organisation", "invited_at"),
)

keys = Table(
    "keys",
    metadata,
    Column("key", Text, primary_key=True),  # the public id in the key's text
    Column("locator", LargeBinary, nullable=False, unique=True),  # what finds the row from a key's text
    Column("scheme", Text, nullable=False),  # how the digest is made of the text: core.keys reads it
    Column("pepper", Integer, ForeignKey("peppers.version"), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("api", Text, ForeignKey("apis.api"), nullable=False),
    Column("owner", Text, ForeignKey("owners.owner"), nullable=False),
    Column("class", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("folded", Text, nullable=False, server_default=text("''")),  # the name, as it is searched by
    Column("hint", Text, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("origins", JSON),
    Column("addresses", JSON),
    Column("limits", Text),  # the key's own allowance, before its owner's
    Column("pinned", Text),  # the version that a request without one is for
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
    Column("limited_at", Double),  # refused for its limit since then, and not admitted since
    Column("leaked_at", Double),  # when it was first reported as leaked
    Column("weak", Boolean, nullable=False, server_default=false()),  # imported, and easier to guess than ours
    CheckConstraint("state in ('active', 'inactive', 'expired', 'revoked')", name="key_state"),
    CheckConstraint("slot is null or (state = 'active' and slot = api || ':' || owner)", name="key_slot"),
    Index("keys_by_owner", *OWNER.by, *OWNER.order),
    Index("keys_by_lineage", "lineage", **only("lineage <> locator")),  # of keys that took the place of another
    *(Index(walk.index, *walk.by, *walk.order, **only(walk.only)) for walk in INDEXES),
)

key_requests = Table(  # keys that were asked for, and what staff decided
    "key_requests",
    metadata,
    Column("request", Text, primary_key=True),
    Column("api", Text, ForeignKey("apis.api"), nullable=False),
    Column("owner", Text, ForeignKey("owners.owner"), nullable=False),
    Column("wish", JSON, nullable=False),  # class, environment, name, restrictions; scopes with a reason for each
    Column("use_case", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", Double, nullable=False),
    Column("granted", JSON),  # the scopes that staff granted: all that were asked for, or fewer
    Column("decided_by", Text),
    Column("decided_at", Double),
    Column("reason", Text),
    Column("lapses_at", Double),  # until when a granted key may be revealed
    Column("key", Text, ForeignKey("keys.key")),
    CheckConstraint("state in ('open', 'granted', 'refused', 'withdrawn', 'revealed')", name="request_state"),
    Index("requests_by_state", "state", "asked_at"),
    Index("requests_by_owner", "owner", "asked_at"),
    Index("requests_by_age", "asked_at"),
)

measures = Table(  # what staff did at run time to protect an API: throttles and blocks
    "measures",
    metadata,
    Column("measure", Text, primary_key=True),
    Column("api", Text, nullable=False),  # empty: every API
    Column("kind", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column(
        "subject", Text, nullable=False
    ),  # an owner, a key's id, an address range or an operation; empty for the API
    Column("limits", Text),
    Column("reason", Text, nullable=False),
    Column("set_at", Double, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("ends_at", Double),
    Column("lifted_at", Double),
    CheckConstraint("kind in ('throttle', 'block')", name="measure_kind"),
    CheckConstraint("target in ('api', 'owner', 'key', 'address', 'operation')", name="measure_target"),
    CheckConstraint("(kind = 'throttle') = (limits is not null)", name="measure_limits"),
    Index("measures_by_api", "api", "set_at"),
)

brownouts = Table(  # announced minutes in which a deprecated version does not work
    "brownouts",
    metadata,
    Column("brownout", Text, primary_key=True),
    Column("api", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("starts_at", Double, nullable=False),
    Column("ends_at", Double, nullable=False),
    Column("status", Integer, nullable=False),
    Column("announced_at", Double, nullable=False),
    Column("cancelled_at", Double),
    CheckConstraint("ends_at > starts_at", name="brownout_span"),
    CheckConstraint("status in (410, 503)", name="brownout_status"),
    Index("brownouts_by_version", "api", "version", "starts_at"),
)

run_settings = Table(  # settings that staff change while the installation runs
    "run_settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", JSON, nullable=False),
    Column("set_at", Double, nullable=False),
    Column("set_by", Text, nullable=False),
)

replies = Table(  # what was answered to a write that carried an Idempotency-Key
    "replies",
    metadata,
    Column("caller", Text, primary_key=True),
    Column("name", Text, primary_key=True),  # the caller's Idempotency-Key
    Column("fingerprint", LargeBinary, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", JSON, nullable=False),  # without the text of a key
    Column("at", Double, nullable=False),
    Index("replies_by_age", "at"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
    Column("verb", Text, nullable=False),
    Column("api", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("before", JSON(none_as_null=True)),
    Column("after", JSON(none_as_null=True)),
    Column("detail", JSON, nullable=False),  # of what is personal a salted digest
    Index("audit_by_subject", "subject", "id"),
    Index("audit_by_actor", "actor", "id"),
    Index("audit_by_age", "at"),
)

audit_personal = Table(  # what is personal in the audit: erasing it leaves the chain whole (R73)
    "audit_personal",
    metadata,
    Column("id", Serial, ForeignKey("audit.id"), primary_key=True),
    Column("field", Text, primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

audit_links = Table(  # the chain over the audit's rows, laid by the worker in its own order
    "audit_links",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Serial, ForeignKey("audit.id"), nullable=False, unique=True),
    Column("digest", LargeBinary, nullable=False),
    Column("at", Double, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("at", Double, nullable=False),
    Column("event", Text, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("delivered_at", Double),  # when it was handed on, to whoever wants it
    Index("outbox_waiting", "id", **only("delivered_at is null")),
    Index("outbox_by_age", "at", "id"),
)

"""The part of the schema that warns: what was set of rules, what fires, who was told, and how far the looking is."""

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
)

from limen.db.columns import Text, metadata, only

alert_rules = Table(  # what staff, and owners for their keys, set otherwise than the profile has it
    "alert_rules",
    metadata,
    Column("owner", Text, primary_key=True),  # empty: staff, for all
    Column("api", Text, primary_key=True),  # empty: every API
    Column("kind", Text, primary_key=True),
    Column("enabled", Boolean, nullable=False),
    Column("numbers", JSON, nullable=False),
    Column("set_at", Double, nullable=False),
    Column("set_by", Text, nullable=False),
)

alerts = Table(  # what a rule found of a key, from when it fired until it no longer does, and afterwards
    "alerts",
    metadata,
    Column("alert", Text, primary_key=True),
    Column("api", Text, nullable=False),
    Column("key", Text, ForeignKey("keys.key"), nullable=False),
    Column("locator", LargeBinary, nullable=False),
    Column("owner", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("level", Integer, nullable=False),
    Column("told_level", Integer, nullable=False),  # 0: nobody was told yet
    Column("told_alone", Boolean, nullable=False),  # not in a digest, so that its end is told too
    Column("severity", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("fired_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),  # when it was last found
    Column("resolved_at", Double),
    Column("acknowledged_at", Double),
    Column("acknowledged_by", Text, nullable=False),
    Column("muted_until", Double),
    CheckConstraint("severity in ('info', 'warning', 'critical')", name="alert_severity"),
    Index("alerts_open", "locator", "kind", unique=True, **only("resolved_at is null")),
    Index("alerts_untold", "owner", "kind", **only("told_level < level")),
    Index("alerts_by_owner", "owner", "fired_at", "alert"),
    Index("alerts_by_age", "fired_at", "alert"),
    Index("alerts_by_key", "key", "kind", "fired_at"),
)

alert_tellings = Table(  # when an owner was last told of a rule's alerts
    "alert_tellings",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("at", Double, nullable=False),
)

alert_rounds = Table(  # how far the looking is: one row a pace
    "alert_rounds",
    metadata,
    Column("pace", Text, primary_key=True),
    Column("span", BigInteger, nullable=False),  # the minute, hour or day that is looked at
    Column("after", LargeBinary),  # the last key that was looked at; null: all were
)

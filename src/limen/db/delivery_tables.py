"""The part of the schema by which people are told: who wants to be, what is on its way to them, and what came of it."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Double, ForeignKey, Index, Integer, LargeBinary, Table

from limen.db.columns import Text, metadata, only

channels = Table(  # a way to somebody: an e-mail address, or a webhook's endpoint
    "channels",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("owner", Text, nullable=False),  # empty: staff
    Column("kind", Text, nullable=False),  # email | webhook
    Column("address", Text, nullable=False),  # empty once it is removed
    Column("host", Text, nullable=False),  # of a webhook; empty: none
    Column("api", Text, nullable=False),  # empty: every API
    Column("dialect", Text, nullable=False),  # standard | profile: that of the API
    Column("events", JSON, nullable=False),  # which are wanted: names, or 'key.*'; none: those that are told by default
    Column("behind", BigInteger, nullable=False),  # the event in the outbox behind which it begins
    Column("created_at", Double, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("confirmed_at", Double),
    Column("muted_at", Double),
    Column("disabled_at", Double),
    Column("disabled_why", Text, nullable=False),  # hand | gone | failures; empty: it is not
    Column("removed_at", Double),
    Column("sealed", LargeBinary),  # a webhook's secret, encrypted under a key from the pepper
    Column("sealed_old", LargeBinary),  # the one before
    Column("old_until", Double),
    Column("pepper", Integer, ForeignKey("peppers.version")),  # under which both are sealed
    Column("failures", Integer, nullable=False),  # attempts that failed in a row
    Column("failing_since", Double),
    Index("channels_by_owner", "owner", "channel"),
)

deliveries = Table(  # one event on its way to one channel
    "deliveries",
    metadata,
    Column("delivery", Text, primary_key=True),
    Column("channel", Text, ForeignKey("channels.channel"), nullable=False),
    Column("source", Text, nullable=False),  # outbox:NUMBER | notice:ID | test:ID | confirm:ID
    Column("event", Text, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("at", Double, nullable=False),  # when it happened
    Column("created_at", Double, nullable=False),
    Column("state", Text, nullable=False),  # due | done | dead | dropped
    Column("attempts", Integer, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("leased_until", Double),  # somebody is at it, or was and died
    Column("first_at", Double),
    Column("settled_at", Double),
    Column("result", Text, nullable=False),  # of the last attempt; empty: none was made
    Index("deliveries_once", "channel", "source", unique=True),
    Index("deliveries_due", "due_at", "delivery", **only("state = 'due'")),
    Index("deliveries_by_channel", "channel", "created_at", "delivery"),
    Index("deliveries_by_age", "settled_at"),
    Index("deliveries_by_time", "created_at", "delivery"),
    Index("deliveries_by_state", "state", "created_at", "delivery"),
)

delivery_attempts = Table(  # what came of each try
    "delivery_attempts",
    metadata,
    Column("delivery", Text, ForeignKey("deliveries.delivery"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("result", Text, nullable=False),  # ok | timeout | unreachable | tls | http | blocked | dns | mail
    Column("status", Integer),
    sqlite_with_rowid=False,
)

inbox = Table(  # what owners, and staff, are told where they look
    "inbox",
    metadata,
    Column("message", Text, primary_key=True),
    Column("owner", Text, nullable=False),  # empty: staff
    Column("source", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("event", Text, nullable=False),
    Column("api", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("importance", Text, nullable=False),  # info | warning | critical
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("read_at", Double),
    Index("inbox_once", "owner", "source", unique=True),
    Index("inbox_by_owner", "owner", "at", "message"),
    Index("inbox_by_age", "at"),
)

notices = Table(  # what staff told many owners at once
    "notices",
    metadata,
    Column("notice", Text, primary_key=True),
    Column("kind", Text, nullable=False),  # version | policy
    Column("api", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("since", Double, nullable=False),
    Column("recipients", Integer, nullable=False),
    Column("sent_at", Double, nullable=False),
    Column("sent_by", Text, nullable=False),
    Index("notices_by_age", "sent_at", "notice"),
)

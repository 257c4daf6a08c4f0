"""The part of the schema that is as large as an API's traffic: what became of the journals."""

from __future__ import annotations

from sqlalchemy import DDL, BigInteger, Column, Double, Index, Integer, LargeBinary, Table, event, text

from limen.db.columns import Text, metadata

readings = Table(  # one recorded decision on a known key
    "readings",
    metadata,
    Column("incarnation", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("at", Double, primary_key=True),
    Column("api", Text, nullable=False),
    Column("locator", LargeBinary, nullable=False),
    Column("method", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("address", Text, nullable=False, server_default=text("''")),  # empty: not known
    Column("status", Integer),  # what the API answered, where that is known
    Column("took_us", BigInteger),  # and how long it took, in microseconds
    Index("readings_by_key", "locator", "at"),
    Index("readings_by_age", "at"),
    sqlite_with_rowid=False,
    postgresql_partition_by="range (at)",  # by day: limen.db.partitions
)

# For days that have no partition yet. SQLAlchemy has no types for DDL.
_OTHER = DDL("create table readings_other partition of readings default")  # type: ignore[no-untyped-call]
event.listen(readings, "after_create", _OTHER.execute_if(dialect="postgresql"))

outcomes = Table(  # what the API answered, told before the reading was recorded: until it is
    "outcomes",
    metadata,
    Column("incarnation", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("status", Integer, nullable=False),
    Column("at", Double, nullable=False),
    Column("took_us", BigInteger),
    sqlite_with_rowid=False,
)


def _rolled_up(name: str) -> Table:
    """Readings added up. The locator is empty for the API as a whole; *at* is the Unix second where a span begins."""
    return Table(
        name,
        metadata,
        Column("api", Text, primary_key=True),
        Column("locator", LargeBinary, primary_key=True),
        Column("at", BigInteger, primary_key=True),
        Column("operation", Text, primary_key=True),
        Column("version", Text, primary_key=True),
        Column("code", Text, primary_key=True),
        Column("calls", BigInteger, nullable=False),
        *(Column(f"s{number}", BigInteger, nullable=False) for number in range(1, 6)),  # answered with 1xx to 5xx
        Index(f"{name}_by_age", "at"),
        sqlite_with_rowid=False,
    )


usage_minutes = _rolled_up("usage_minutes")
usage_hours = _rolled_up("usage_hours")
usage_days = _rolled_up("usage_days")

usage_times = Table(  # how long answers took, by hour and bucket (core.rollup)
    "usage_times",
    metadata,
    Column("api", Text, primary_key=True),
    Column("locator", LargeBinary, primary_key=True),
    Column("at", BigInteger, primary_key=True),
    Column("operation", Text, primary_key=True),
    Column("bucket", Integer, primary_key=True),
    Column("calls", BigInteger, nullable=False),
    Index("usage_times_by_age", "at"),
    sqlite_with_rowid=False,
)

usage_addresses = Table(  # where a key was used from, by hour: an IPv4 address, 64 bits of an IPv6 one
    "usage_addresses",
    metadata,
    Column("locator", LargeBinary, primary_key=True),
    Column("at", BigInteger, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("calls", BigInteger, nullable=False),
    Index("usage_addresses_by_age", "at"),
    sqlite_with_rowid=False,
)

refusals = Table(  # refusals without a known key, counted; and what shadow limits would have refused
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

disregards = Table(  # calls that came although the caller had been told when to come again (R103)
    "disregards",
    metadata,
    Column("locator", LargeBinary, primary_key=True),
    Column("hour", BigInteger, primary_key=True),  # Unix hours
    Column("count", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

journal_marks = Table(  # up to where each journal segment is in the readings
    "journal_marks",
    metadata,
    Column("segment", Text, primary_key=True),
    Column("offset", BigInteger, nullable=False),
)

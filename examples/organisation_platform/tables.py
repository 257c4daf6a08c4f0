"""The schema, on one page. Every list that the API serves has an index in the order of the list.

An organisation is two rows here, one an environment: its live self and its test double. Every other row belongs to one
of the two, and nothing refers from one to the other. So a statement that says whose rows it is about has said, in the
same word, whether it is about live data or test data.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Computed,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_ms(moment: datetime) -> int:
    """An aware datetime as whole milliseconds since 1970; what is finer is cut off."""
    return (moment - _EPOCH) // _MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """The moment, in UTC, that ``to_ms`` made *milliseconds* of."""
    return _EPOCH + milliseconds * _MILLISECOND


class Instant(TypeDecorator[datetime]):
    """A moment in UTC, kept as whole milliseconds since 1970: small, ordered, exactly what the API shows."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - SQLAlchemy passes it
        """An aware datetime to milliseconds."""
        return None if value is None else to_ms(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - as above
        """Milliseconds to an aware datetime in UTC."""
        return None if value is None else from_ms(value)


Words = Text().with_variant(Text(collation="C"), "postgresql")
"""Text in the order of its characters' numbers, which is SQLite's order, in every database."""

metadata = MetaData()

organisations = Table(
    "organisations",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("id", Words, nullable=False),
    Column("environment", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("slug", Words, nullable=False),
    Column("time_zone", Words, nullable=False),
    Column("currency_code", Words, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("id", "environment"),
)


def _owner() -> Column[int]:
    return Column("organisation", ForeignKey(organisations.c.number), nullable=False)


members = Table(
    "members",
    metadata,
    Column("id", Words, primary_key=True),
    _owner(),
    Column("email", Words, nullable=False),
    Column("name", Words),
    Column("role", Words, nullable=False),
    Column("status", Words, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("joined_at", Instant),
    Column("last_active_at", Instant),
    UniqueConstraint("organisation", "email"),
)

experiences = Table(
    "experiences",
    metadata,
    Column("id", Words, primary_key=True),
    _owner(),
    Column("name", Words, nullable=False),
    Column("slug", Words, nullable=False),
    Column("open_at", Instant),
    Column("close_at", Instant),
    Column("time_zone", Words),
    Column("i18n", JSON(none_as_null=True)),
    Column("theme", JSON(none_as_null=True)),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("created_by", Words, nullable=False),
    Column("updated_by", Words, nullable=False),
    Column("name_key", Words, Computed("lower(name)", persisted=True), nullable=False),
    UniqueConstraint("organisation", "slug"),
)


def _part(name: str, *columns: Column[str]) -> Table:
    """A table of what an experience consists of: its rows come and go with it."""
    return Table(
        name,
        metadata,
        Column("id", Words, primary_key=True),
        Column("experience_id", ForeignKey(experiences.c.id, ondelete="CASCADE"), nullable=False),
        Column("position", Integer, nullable=False),
        Column("name", Words, nullable=False),
        *columns,
        UniqueConstraint("experience_id", "position"),
    )


sequences = _part("sequences")
distributions = _part("distributions", Column("type", Words, nullable=False))

consumers = Table(
    "consumers",
    metadata,
    Column("id", Words, primary_key=True),
    _owner(),
    Column("email", Words),
    Column("phone", Words),
    Column("full_name", Words),
    Column("metadata", JSON(none_as_null=True)),
    Column("external_id", Words),
    Column("total_orders", BigInteger, nullable=False, default=0),
    Column("total_order_value", BigInteger, nullable=False, default=0),
    Column("last_order_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    # What lists are sorted by where a value may be missing: never null, so that a cursor can stand on it.
    Column("email_key", Words, Computed("coalesce(email, '')", persisted=True), nullable=False),
    Column("name_key", Words, Computed("coalesce(lower(full_name), '')", persisted=True), nullable=False),
    Column("last_order_key", BigInteger, Computed("coalesce(last_order_at, 0)", persisted=True), nullable=False),
    UniqueConstraint("organisation", "email"),
    UniqueConstraint("organisation", "phone"),
    UniqueConstraint("organisation", "external_id"),
)

events = Table(  # what analytics count; they outlive the experience that they tell of
    "events",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    _owner(),
    Column("name", Words, nullable=False),
    Column("at", Instant, nullable=False),
    Column("experience_id", Words, nullable=False),
    Column("country", Words, nullable=False),
    Column("device", Words, nullable=False),
    Column("amount", BigInteger),
    Column("quantity", Integer),
    Column("wait_seconds", Integer),
)

_SORTED = {
    members: ("created_at",),
    experiences: ("created_at", "updated_at", "name_key"),
    consumers: ("created_at", "email_key", "name_key", "last_order_key", "total_orders", "total_order_value"),
}
for _table, _keys in _SORTED.items():
    for _key in _keys:
        Index(f"ix_{_table.name}_{_key}", _table.c.organisation, _table.c[_key], _table.c.id)

Index("ix_events_measured", events.c.organisation, events.c.name, events.c.at)

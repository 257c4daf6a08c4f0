"""The schema, on one page. Every list that the API serves has an index in the order of the list.

A chat has two rows in ``chat_sides``, one for each person in it: what one of them sees of the other, how much of it is
unread, whether it is muted. A person's chats are the rows with that person's uuid, and no query reads anyone else's.
A creator's audience is the same: the rows of ``fans`` with that creator's uuid, one for everybody who ever followed,
subscribed or paid.

Money is in whole cents. What is counted or summed up here for a list's sake (``unread_count``, ``spent_gross``,
``agency_uuid`` and others) is written with the row that it follows from, in the same transaction.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    and_,
    literal_column,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = EPOCH
"""When the newest message of a chat was sent in which nothing was said: a NULL has no place in an order that is the
same in SQLite and in PostgreSQL."""
_MILLISECOND = timedelta(milliseconds=1)


class Instant(TypeDecorator[datetime]):
    """A moment in UTC, kept as whole milliseconds since 1970: small, ordered, exactly what the API shows."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - SQLAlchemy passes it
        """An aware datetime to milliseconds; what is finer is cut off."""
        return None if value is None else (value - EPOCH) // _MILLISECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - as above
        """Milliseconds to an aware datetime in UTC."""
        return None if value is None else EPOCH + value * _MILLISECOND


metadata = MetaData()

users = Table(
    "users",
    metadata,
    Column("uuid", String(36), primary_key=True),
    Column("handle", String(40), nullable=False, unique=True),
    Column("email", String(200), nullable=False, unique=True),
    Column("display_name", String(80), nullable=False),
    Column("bio", Text, nullable=False),
    Column("avatar_url", String(200)),
    Column("banner_url", String(200)),
    Column("is_contactable", Boolean, nullable=False),
    Column("is_online", Boolean, nullable=False),  # never of somebody who hides it
    Column("last_seen_at", Instant),  # null: hidden
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant),
)

creators = Table(  # a user with a row here is a creator
    "creators",
    metadata,
    Column("user_uuid", ForeignKey(users.c.uuid), primary_key=True),
    Column("likes_count", Integer, nullable=False),
    Column("followers_count", Integer, nullable=False),
    Column("subscribers_count", Integer, nullable=False),
    Column("image_count", Integer, nullable=False),
    Column("video_count", Integer, nullable=False),
    Column("audio_count", Integer, nullable=False),
    Column("post_count", Integer, nullable=False),
    Column("pay_to_view_post_count", Integer, nullable=False),
)

unread_notifications = Table(
    "unread_notifications",
    metadata,
    Column("user_uuid", ForeignKey(users.c.uuid), primary_key=True),
    Column("kind", String(20), primary_key=True),
    Column("count", Integer, nullable=False),
)

agencies = Table(
    "agencies",
    metadata,
    Column("uuid", String(36), primary_key=True),
    Column("name", String(80), nullable=False),
)

agency_members = Table(  # a user works for one agency at most
    "agency_members",
    metadata,
    Column("user_uuid", ForeignKey(users.c.uuid), primary_key=True),
    Column("agency_uuid", ForeignKey(agencies.c.uuid), nullable=False),
    Column("is_admin", Boolean, nullable=False),  # reaches every creator of the agency
    Column("nickname", String(30)),
    Column("joined_at", Instant, nullable=False),
)

agency_creators = Table(  # a creator is with one agency at most
    "agency_creators",
    metadata,
    Column("creator_uuid", ForeignKey(creators.c.user_uuid), primary_key=True),
    Column("agency_uuid", ForeignKey(agencies.c.uuid), nullable=False),
    Column("added_at", Instant, nullable=False),
)

creator_access = Table(  # which creators a member who is no admin reaches, and as what
    "creator_access",
    metadata,
    Column("member_uuid", ForeignKey(agency_members.c.user_uuid), primary_key=True),
    Column("creator_uuid", ForeignKey(agency_creators.c.creator_uuid), primary_key=True),
    Column("role", String(10), nullable=False),  # ADMIN or CHATTER
)

chats = Table(
    "chats",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("created_at", Instant, nullable=False),
)

messages = Table(
    "messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("chat_id", ForeignKey(chats.c.id), nullable=False),
    Column("sender_uuid", ForeignKey(users.c.uuid), nullable=False),
    Column("sent_by_uuid", ForeignKey(users.c.uuid)),  # the agency's member who wrote it in the sender's place
    Column("text", Text),
    Column("type", String(40), nullable=False),
    Column("price", Integer),  # what the other one pays to read it; null: nothing
    Column("purchased_at", Instant),
    Column("sent_at", Instant, nullable=False),
    Column("is_read", Boolean, nullable=False),  # by the one who did not send it
)

chat_sides = Table(
    "chat_sides",
    metadata,
    Column("user_uuid", ForeignKey(users.c.uuid), primary_key=True),
    Column("peer_uuid", ForeignKey(users.c.uuid), primary_key=True),
    Column("chat_id", ForeignKey(chats.c.id), nullable=False),
    Column("last_message_id", ForeignKey(messages.c.id)),
    Column("last_message_at", Instant, nullable=False, default=NEVER),
    Column("unread_count", Integer, nullable=False, default=0),
    Column("awaits_answer", Boolean, nullable=False, default=False),  # the newest message is the peer's
    Column("is_muted", Boolean, nullable=False, default=False),
    Column("nickname", String(30)),  # what this user calls the peer
    Column("peer_is_online", Boolean, nullable=False, default=False),  # as of users, for the order of the list
    Column("agency_uuid", ForeignKey(agencies.c.uuid)),  # the agency that the user is with, as a creator
)

fans = Table(  # everybody who ever followed, subscribed to or paid a creator, as it stands now
    "fans",
    metadata,
    Column("creator_uuid", ForeignKey(creators.c.user_uuid), primary_key=True),
    Column("fan_uuid", ForeignKey(users.c.uuid), primary_key=True),
    Column("followed_at", Instant),  # null: does not follow
    Column("is_subscribed", Boolean, nullable=False),
    Column("subscribed_at", Instant),  # when the running or the last subscription began; null: there was none
    Column("expires_at", Instant),  # until when it is paid
    Column("auto_renews", Boolean, nullable=False),
    Column("is_trial", Boolean, nullable=False),
    Column("spent_gross", Integer, nullable=False),
    Column("spent_net", Integer, nullable=False),
    Column("tipped_gross", Integer, nullable=False),
    Column("max_payment_gross", Integer, nullable=False),
    Column("messages_bought", Integer, nullable=False),
    Column("last_purchase_at", Instant),
    Column("is_top_spender", Boolean, nullable=False),
    Column("agency_uuid", ForeignKey(agencies.c.uuid)),  # the agency that the creator is with
)

subscriptions = Table(  # every run of a subscription, the ended ones too
    "subscriptions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("creator_uuid", ForeignKey(creators.c.user_uuid), nullable=False),
    Column("fan_uuid", ForeignKey(users.c.uuid), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),  # null: it runs
    Column("price", Integer, nullable=False),
)

earnings = Table(  # one row a transaction
    "earnings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("creator_uuid", ForeignKey(creators.c.user_uuid), nullable=False),
    Column("fan_uuid", ForeignKey(users.c.uuid)),  # null: it came from nobody in particular
    Column("at", Instant, nullable=False),
    Column("source", String(20), nullable=False),
    Column("gross", Integer, nullable=False),
    Column("net", Integer, nullable=False),
    Column("currency", String(3)),
    Column("message_uuid", String(36)),
    Column("post_uuid", String(36)),
)

# The conditions of partial indexes. Queries use these very objects: SQLite recognises an index by its own words, which
# is also why no parameter is in them.
unread_messages = messages.c.is_read.is_(False)
has_unread = chat_sides.c.unread_count > literal_column("0")
with_agency = chat_sides.c.agency_uuid.is_not(None)
is_follower = and_(fans.c.followed_at.is_not(None), fans.c.is_subscribed.is_(False))
is_subscriber = fans.c.is_subscribed.is_(True)
is_spender = fans.c.spent_gross > literal_column("0")
is_agency_subscriber = and_(fans.c.is_subscribed.is_(True), fans.c.agency_uuid.is_not(None))
has_ended = subscriptions.c.ended_at.is_not(None)


def _index(name: str, *columns: Column[object], where: ColumnElement[bool] | None = None, unique: bool = False) -> None:
    """An index, over the rows *where* only; in the same words for both databases."""
    Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


_side, _fan, _run, _earned = chat_sides.c, fans.c, subscriptions.c, earnings.c

_index("ix_messages_newest", messages.c.chat_id, messages.c.sent_at, messages.c.id)
_index("ix_messages_unread", messages.c.chat_id, messages.c.sender_uuid, where=unread_messages)

_index("ix_chat_sides_recent", _side.user_uuid, _side.last_message_at, _side.peer_uuid)
_index("ix_chat_sides_unread", _side.user_uuid, _side.last_message_at, _side.peer_uuid, where=has_unread)
_index("ix_chat_sides_online", _side.user_uuid, _side.peer_is_online, _side.last_message_at, _side.peer_uuid)
_index("ix_chat_sides_unanswered", _side.user_uuid, _side.awaits_answer, _side.last_message_at, _side.peer_uuid)
_index(
    "ix_chat_sides_agency",
    _side.agency_uuid,
    _side.last_message_at,
    _side.user_uuid,
    _side.peer_uuid,
    where=with_agency,
)
_index("ix_chat_sides_chat", _side.chat_id, _side.user_uuid, unique=True)
_index("ix_chat_sides_last_message", _side.last_message_id)

_index("ix_fans_followers", _fan.creator_uuid, _fan.followed_at, _fan.fan_uuid, where=is_follower)
_index("ix_fans_subscribers", _fan.creator_uuid, _fan.subscribed_at, _fan.fan_uuid, where=is_subscriber)
_index("ix_fans_spenders", _fan.creator_uuid, _fan.spent_gross, _fan.fan_uuid, where=is_spender)
_index(
    "ix_fans_agency", _fan.agency_uuid, _fan.subscribed_at, _fan.creator_uuid, _fan.fan_uuid, where=is_agency_subscriber
)
_index("ix_fans_fan", _fan.fan_uuid, _fan.creator_uuid)

_index("ix_subscriptions_started", _run.creator_uuid, _run.started_at)
_index("ix_subscriptions_ended", _run.creator_uuid, _run.ended_at, where=has_ended)

_summed = (_earned.source, _earned.gross, _earned.net)  # in the index too, so that sums read nothing else
_index("ix_earnings_newest", _earned.creator_uuid, _earned.at, _earned.id, *_summed)
_index("ix_earnings_fan", _earned.creator_uuid, _earned.fan_uuid, _earned.at)

_index("ix_agency_members_agency", agency_members.c.agency_uuid, agency_members.c.joined_at, agency_members.c.user_uuid)
_index(
    "ix_agency_creators_agency",
    agency_creators.c.agency_uuid,
    agency_creators.c.added_at,
    agency_creators.c.creator_uuid,
)
_index("ix_creator_access_creator", creator_access.c.creator_uuid, creator_access.c.member_uuid)

"""The schema, on one page. Every list that the API serves has an index in the order of the list.

A chat has two rows in ``chat_sides``, one for each person in it: what one of them sees of the other, how much of it is
unread, whether it is muted. A person's chats are the rows with that person's uuid, and no query reads anyone else's.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    literal_column,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Instant(TypeDecorator[datetime]):
    """A moment in UTC, kept as whole milliseconds since 1970: small, ordered, exactly what the API shows."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """An aware datetime to milliseconds; what is finer is cut off."""
        return None if value is None else (value - _EPOCH) // _MILLISECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Milliseconds to an aware datetime in UTC."""
        return None if value is None else _EPOCH + value * _MILLISECOND


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
    Column("text", Text),
    Column("type", String(40), nullable=False),
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
    Column("last_message_at", Instant),
    Column("unread_count", Integer, nullable=False, default=0),
    Column("is_muted", Boolean, nullable=False, default=False),
    Column("is_top_spender", Boolean, nullable=False, default=False),  # the peer, to this user
    Column("nickname", String(30)),  # what this user calls the peer
)

unread_messages = messages.c.is_read.is_(False)
has_unread = chat_sides.c.unread_count > literal_column("0")
"""Two conditions as their partial indexes state them: with a parameter in them, SQLite could not use the index."""

Index("ix_messages_newest", messages.c.chat_id, messages.c.sent_at, messages.c.id)
Index("ix_messages_unread", messages.c.chat_id, messages.c.sender_uuid, sqlite_where=unread_messages)

_BY_ACTIVITY = (chat_sides.c.user_uuid, chat_sides.c.last_message_at, chat_sides.c.peer_uuid)
Index("ix_chat_sides_recent", *_BY_ACTIVITY)
Index("ix_chat_sides_unread", *_BY_ACTIVITY, sqlite_where=has_unread)
Index("ix_chat_sides_chat", chat_sides.c.chat_id, chat_sides.c.user_uuid, unique=True)
Index("ix_chat_sides_last_message", chat_sides.c.last_message_id)

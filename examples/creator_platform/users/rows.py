"""The SQL of users."""

from sqlalchemy import Connection, RowMapping, select

from examples.creator_platform.tables import chat_sides, creators, fans, users

_COUNTS = [column for column in creators.c if column is not creators.c.user_uuid]

PERSON = [
    *users.c["uuid", "handle", "display_name", "avatar_url"],
    users.c.created_at.label("registered_at"),
    chat_sides.c.nickname,
    fans.c.is_top_spender,
]
"""What one user sees of another: of the person, of the user's side of their chat, of the person as the user's fan."""


def find_account(conn: Connection, user_uuid: str) -> RowMapping | None:
    """The user's row with the counts of a creator, which are null for others; None where there is no such user."""
    statement = (
        select(users, creators.c.user_uuid.is_not(None).label("is_creator"), *_COUNTS)
        .select_from(users.outerjoin(creators))
        .where(users.c.uuid == user_uuid)
    )
    return conn.execute(statement).mappings().one_or_none()


def is_contactable(conn: Connection, user_uuid: str) -> bool | None:
    """Whether the user may be written to; None where there is no such user."""
    return conn.execute(select(users.c.is_contactable).where(users.c.uuid == user_uuid)).scalar_one_or_none()


def is_creator(conn: Connection, user_uuid: str) -> bool:
    """Whether the user is a creator."""
    return conn.execute(select(creators.c.user_uuid).where(creators.c.user_uuid == user_uuid)).first() is not None

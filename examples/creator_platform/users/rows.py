"""The SQL of users."""

from sqlalchemy import Connection, RowMapping, select

from examples.creator_platform.tables import creators, users

_COUNTS = [column for column in creators.c if column is not creators.c.user_uuid]


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

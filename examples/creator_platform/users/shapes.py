"""Users on the wire."""

from typing import Any

from sqlalchemy import RowMapping

from examples.creator_platform.wire import Moment, Shape


class UserMini(Shape):
    """Another person, as the caller sees them, in short."""

    uuid: str
    handle: str
    display_name: str
    nickname: str | None
    is_top_spender: bool


class User(UserMini):
    """Another person, as the caller sees them."""

    avatar_url: str | None
    registered_at: Moment


class FanCounts(Shape):
    """Who follows a creator."""

    followers_count: int
    subscribers_count: int


class ContentCounts(Shape):
    """What a creator has published."""

    image_count: int
    video_count: int
    audio_count: int
    post_count: int
    pay_to_view_post_count: int


class _Account(Shape):
    uuid: str
    email: str
    handle: str
    bio: str
    display_name: str
    is_creator: bool
    created_at: Moment
    updated_at: Moment | None
    avatar_url: str | None
    banner_url: str | None
    likes_count: int | None


class CurrentUser(_Account):
    """The caller's own account. The counts are null for users who are no creators."""

    fan_counts: FanCounts | None
    content_counts: ContentCounts | None


class FlatCurrentUser(_Account):
    """The caller's own account as version 2025-01-15 shows it: with the fan counts beside everything else."""

    followers_count: int | None
    subscribers_count: int | None
    content_counts: ContentCounts | None


def current_user(row: RowMapping) -> CurrentUser:
    """The account in *row*, which ``rows.find_account`` read."""
    fans = FanCounts.model_validate(dict(row)) if row["is_creator"] else None
    return CurrentUser(**_plain(row), fan_counts=fans, content_counts=_content(row))


def flat_current_user(row: RowMapping) -> FlatCurrentUser:
    """The account in *row* with flat counts."""
    counts = {name: row[name] for name in FanCounts.model_fields}
    return FlatCurrentUser(**_plain(row), **counts, content_counts=_content(row))


def person(row: RowMapping) -> User:
    """The person in *row*, which holds ``rows.PERSON``."""
    return User(**_seen(row), avatar_url=row["avatar_url"], registered_at=row["registered_at"])


def person_in_short(row: RowMapping) -> UserMini:
    """The person in *row*, which holds ``rows.PERSON``."""
    return UserMini(**_seen(row))


def _seen(row: RowMapping) -> dict[str, Any]:
    plain = {name: row[name] for name in ("uuid", "handle", "display_name", "nickname")}
    return plain | {"is_top_spender": bool(row["is_top_spender"])}  # null: has never been a fan


def _plain(row: RowMapping) -> dict[str, Any]:
    return {name: row[name] for name in _Account.model_fields}


def _content(row: RowMapping) -> ContentCounts | None:
    return ContentCounts.model_validate(dict(row)) if row["is_creator"] else None

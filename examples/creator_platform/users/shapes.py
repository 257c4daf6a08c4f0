"""Users on the wire."""

from typing import Any

from sqlalchemy import RowMapping

from examples.creator_platform.wire import Moment, Shape


class User(Shape):
    """Another person, as the caller sees them."""

    uuid: str
    handle: str
    display_name: str
    nickname: str | None
    is_top_spender: bool
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


class CurrentUser(Shape):
    """The caller's own account. The counts are null for users who are no creators."""

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
    fan_counts: FanCounts | None
    content_counts: ContentCounts | None


def current_user(row: RowMapping) -> CurrentUser:
    """The account in *row*, which ``rows.find_account`` read."""
    plain: dict[str, Any] = {name: row[name] for name in CurrentUser.model_fields if name in row}
    fans, content = None, None
    if row["is_creator"]:
        fans, content = FanCounts.model_validate(dict(row)), ContentCounts.model_validate(dict(row))
    return CurrentUser(**plain, fan_counts=fans, content_counts=content)

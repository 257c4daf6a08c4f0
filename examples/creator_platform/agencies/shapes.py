"""Agencies on the wire. Money is in whole cents."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, field_validator
from sqlalchemy import RowMapping

from examples.creator_platform.chats.shapes import NICKNAME_CHARS, Chat, chat
from examples.creator_platform.dates import MomentIn, Range, later_than_start
from examples.creator_platform.users.shapes import User, person
from examples.creator_platform.wire import Body, Moment, Paging, Shape, Text

MAX_CREATORS = 50
MAX_HISTORY = timedelta(days=365)


class Role(StrEnum):
    """What a member does for a creator."""

    ADMIN = "ADMIN"
    CHATTER = "CHATTER"


class AgencyCreator(User):
    """A creator of the caller's agency, and what the caller does for them."""

    role: Role | None


class CreatorAccess(Shape):
    """A creator whom a member reaches."""

    uuid: str
    role: Role


class TeamMember(Shape):
    """Somebody who works for the agency. An admin reaches every creator, and is given none by name."""

    uuid: str
    is_admin: bool
    nickname: str | None
    email: str
    display_name: str
    creator_access: list[CreatorAccess]


class TeamMemberChange(Body):
    """What a member is to reach, and to be called."""

    creator_uuids: Annotated[list[UUID], Field(max_length=500)] | None = Field(
        description="The creators whom the member is to reach from now on; null: as it is"
    )
    nickname: Annotated[Text, Field(max_length=NICKNAME_CHARS)] | None = Field(
        default=None, description="What the agency calls the member; empty or null: nothing any more"
    )


class AgencyChat(Chat):
    """A chat of one of the agency's creators, as that creator sees it."""

    creator_uuid: str


class AgencySubscriber(User):
    """Who subscribes to one of the agency's creators."""

    creator_uuid: str
    subscribed_at: Moment
    expires_at: Moment | None


class CreatorDayEarnings(Shape):
    """What a creator earned in a day, by the clock of the range's start."""

    creator_uuid: str
    date: Moment
    gross: int
    net: int
    currency: str


class CreatorDay(Shape):
    """A creator's subscribers on one day. *total*: by how much they became more since the range began."""

    creator_uuid: str
    date: Moment
    total: int
    new_subscribers_count: int
    cancelled_subscribers_count: int


def _uuids(text: str) -> str:
    parts = text.split(",")
    if len(parts) > MAX_CREATORS:
        raise ValueError(f"must be at most {MAX_CREATORS} uuids, with commas between them")
    try:
        return ",".join(sorted({str(UUID(part)) for part in parts}))
    except ValueError:
        raise ValueError("must be uuids, with commas between them") from None


class ChosenCreators(Paging):
    """Of which of the agency's creators a list is asked for."""

    creator_uuids: Annotated[str, Field(max_length=2_000), AfterValidator(_uuids)] | None = Field(
        default=None, description=f"At most {MAX_CREATORS}, with commas between them; without it, all"
    )

    @property
    def creators(self) -> list[str] | None:
        """The creators that are asked for; None for all."""
        return None if self.creator_uuids is None else self.creator_uuids.split(",")


class DaysQuery(Range):
    """Days of a range of which both ends are given: counted in the offset of its start, whose time does not count."""

    model_config = Paging.model_config

    start_date: MomentIn = Field(description="The first day")
    end_date: MomentIn = Field(description=f"The first day no longer in the range; at most {MAX_HISTORY.days} later")

    @field_validator("end_date")
    @classmethod
    def _not_too_long(cls, end: MomentIn, info: object) -> MomentIn:
        start = getattr(info, "data", {}).get("start_date")
        later_than_start(end, info)  # type: ignore[arg-type]  # pydantic hands a ValidationInfo
        if start is not None and end - start > MAX_HISTORY:
            raise ValueError(f"must be at most {MAX_HISTORY.days} days after startDate")
        return end


class EarningsQuery(ChosenCreators, DaysQuery):
    """Which days of which creators' earnings are asked for."""


class HistoryQuery(Paging, DaysQuery):
    """Which days of the creators' subscribers are asked for."""


def agency_creator(row: RowMapping) -> AgencyCreator:
    """The creator in *row*, which ``rows.list_creators`` read."""
    return AgencyCreator(**person(row).model_dump(), role=row["role"])


def agency_chat(row: RowMapping) -> AgencyChat:
    """The chat in *row*, which ``rows.list_chats`` read."""
    return AgencyChat(**dict(chat(row)), creator_uuid=row["user_uuid"])


def agency_subscriber(row: RowMapping) -> AgencySubscriber:
    """The subscriber in *row*, which ``rows.list_subscribers`` read."""
    plain = {name: row[name] for name in ("creator_uuid", "subscribed_at", "expires_at")}
    return AgencySubscriber(**person(row).model_dump(), **plain)

"""Consumers on the wire."""

from typing import Annotated, Literal, Self

from fastapi import Path
from pydantic import Field, model_validator
from sqlalchemy import RowMapping

from examples.organisation_platform.pages import DEFAULT_SIZE, MAX_SIZE, Paging
from examples.organisation_platform.wire import (
    Body,
    Email,
    ExternalId,
    Instant,
    Line,
    Moment,
    Name,
    Passage,
    Phone,
    Query,
    Shape,
    Term,
)

MAX_BATCH = 500
_MAX_WHOLE = 2**53 - 1  # whole numbers up to here are the same in every client

ConsumerId = Annotated[str, Path(alias="id", max_length=64, description="The consumer")]

Whole = Annotated[int, Field(ge=-_MAX_WHOLE, le=_MAX_WHOLE)]
Metadata = Annotated[dict[Name, Passage | bool | Whole | None], Field(max_length=50, examples=[{"tier": "gold"}])]


class ConsumerListQuery(Paging):
    """Which of the organisation's consumers are asked for, and in which order."""

    search: Term | None = Field(default=None, description="Part of the name, the e-mail address or the phone number")
    created_after: Instant | None = Field(default=None, description="Made at this moment or later")
    created_before: Instant | None = Field(default=None, description="Made before this moment")
    sort_by: Literal["createdAt", "email", "fullName", "lastOrderAt", "totalOrderValue", "totalOrders"] = "createdAt"


class ConsumerSearchQuery(Query):
    """Whom to look for: exactly one of the four."""

    q: Term | None = Field(default=None, description="How the name or the e-mail address begins")
    email: Email | None = None
    phone: Phone | None = None
    external_id: ExternalId | None = None
    first: int = Field(default=DEFAULT_SIZE, ge=1, le=MAX_SIZE)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(each is not None for each in (self.q, self.email, self.phone, self.external_id)) != 1:
            raise ValueError("Give exactly one of q, email, phone and externalId")
        return self


class NewConsumer(Body):
    """What is known of a consumer. Of an organisation's consumers no two have one address, number or external id."""

    email: Email | None = None
    phone: Phone | None = None
    full_name: Line | None = None
    metadata: Metadata | None = None
    external_id: ExternalId | None = None


class ConsumerChange(NewConsumer):
    """What is to be different. What is left out stays as it is; null takes a value away."""


class ListedChange(ConsumerChange):
    """What is to be different of one consumer among others."""

    id: Line


class NewConsumers(Body):
    """Consumers to be made: all of them, or none."""

    consumers: list[NewConsumer] = Field(min_length=1, max_length=MAX_BATCH)


class ConsumerChanges(Body):
    """Consumers to be changed: all of them, or none. Each is named once."""

    consumers: list[ListedChange] = Field(min_length=1, max_length=MAX_BATCH)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({each.id for each in self.consumers}) != len(self.consumers):
            raise ValueError("Name each consumer once")
        return self


class Consumer(Shape):
    """One consumer. What was ordered is counted by the platform; values are in minor units."""

    id: str
    email: str | None
    phone: str | None
    full_name: str | None
    metadata: dict[str, str | bool | int | None] | None
    external_id: str | None
    total_orders: int
    total_order_value: int
    last_order_at: Moment | None
    created_at: Moment
    updated_at: Moment


class Consumers(Shape):
    """Consumers that are no page of a list."""

    data: list[Consumer]


def consumer(row: RowMapping) -> Consumer:
    """The consumer in *row*."""
    return Consumer.model_validate({name: row[name] for name in Consumer.model_fields})

"""What all answers and lists have in common on the wire: camelCase, moments, pages."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar
from uuid import UUID

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

MAX_PAGE_SIZE = 50
_MAX_PAGE = 2**31 - 1  # the offset of any page stays within what SQLite can count

T = TypeVar("T")


def iso_ms(moment: datetime) -> str:
    """A moment as the API shows it: ISO 8601, UTC, with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[
    datetime,
    PlainSerializer(iso_ms, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2025-11-06T10:32:48.100Z"]}),
]

Text = Annotated[str, Field(pattern=r"^[^\u0000]*$")]
"""What people write: every character but the one that no database keeps."""

PeerUuid = Annotated[UUID, Path(alias="userUuid", description="The other person in the chat")]


class Shape(BaseModel):
    """A JSON object: snake_case in Python, camelCase on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, frozen=True)


class Body(Shape):
    """A request's body. A field that we do not know is refused: ignoring it would do something else than was asked."""

    model_config = ConfigDict(extra="forbid")


class Paging(Shape):
    """Which part of a list is asked for. Unknown query parameters are refused, as in a body."""

    model_config = ConfigDict(extra="forbid")

    page: int = Field(default=1, ge=1, le=_MAX_PAGE)
    size: int = Field(default=15, ge=1, le=MAX_PAGE_SIZE)

    @property
    def offset(self) -> int:
        """How many rows lie before the page."""
        return (self.page - 1) * self.size

    @property
    def limit(self) -> int:
        """How many rows to read: one more than are shown, which tells whether another page follows."""
        return self.size + 1


class Pagination(Shape):
    """Where a page stands in its list."""

    page: int
    size: int = Field(description="How many records this page holds")
    has_more: bool


class Page(Shape, Generic[T]):
    """One page of a list."""

    data: list[T]
    pagination: Pagination


def page_of(items: Sequence[T], paging: Paging) -> Page[T]:
    """The page made of *items*, which were read with ``paging.limit``."""
    shown = list(items[: paging.size])
    has_more = len(items) > paging.size
    return Page(data=shown, pagination=Pagination(page=paging.page, size=len(shown), has_more=has_more))

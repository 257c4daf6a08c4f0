"""Experiences on the wire."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path
from pydantic import Field, StringConstraints
from sqlalchemy import RowMapping

from examples.organisation_platform.pages import Paging
from examples.organisation_platform.wire import Body, Instant, Line, Moment, Name, Passage, Query, Shape, Slug, TimeZone

Status = Literal["draft", "scheduled", "active", "completed"]
Parts = Literal["sequences", "distributions", "sequences,distributions", "distributions,sequences"]
"""What an experience may be shown with; a list in one parameter, with a comma."""

ExperienceId = Annotated[str, Path(alias="id", max_length=64, description="The experience")]

Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")]
Texts = Annotated[dict[Name, Passage], Field(max_length=50)]
Translations = Annotated[
    dict[Language, Texts],
    Field(
        max_length=20,
        examples=[{"de": {"title": "Vorverkauf"}}],
        json_schema_extra={"additionalProperties": False},  # no keys but those of the pattern
    ),
]
Theme = Annotated[Texts, Field(examples=[{"primaryColor": "#7a1fa2"}])]


class IncludeQuery(Query):
    """What the experience is shown with."""

    include: Parts | None = None


class ExperienceListQuery(Paging, IncludeQuery):
    """Which of the organisation's experiences are asked for, and in which order."""

    sort_by: Literal["createdAt", "updatedAt", "name"] = "createdAt"


class Details(Body):
    """What an experience may have beside its name."""

    open_at: Instant | None = None
    close_at: Instant | None = None
    time_zone: TimeZone | None = None
    i18n: Translations | None = Field(default=None, alias="i18n")
    theme: Theme | None = None


class NewExperience(Details):
    """An experience to be made. Without a slug it gets one that is made of its name."""

    name: Line
    slug: Slug | None = None


class ExperienceChange(Details):
    """What is to be different. What is left out stays as it is; null takes a value away."""

    name: Line = Field(default_factory=str)
    slug: Slug = Field(default_factory=str)


class Copy(Body):
    """What a copy is called: without a name, as the original with "Copy of" before it."""

    name: Line | None = None


class SequenceItem(Shape):
    """A way through an experience."""

    id: str
    name: str


class DistributionItem(Shape):
    """How an experience hands out what it has."""

    id: str
    name: str
    type: Literal["queue", "draw", "auction"]


class Experience(Shape):
    """One experience. ``sequences`` and ``distributions`` are there where they were asked for."""

    id: str
    name: str
    slug: str
    open_at: Moment | None
    close_at: Moment | None
    time_zone: str | None
    i18n: dict[str, dict[str, str]] | None = Field(alias="i18n")
    theme: dict[str, str] | None
    status: Status
    created_at: Moment
    updated_at: Moment
    created_by: str = Field(description="The member, or the key, that made it")
    updated_by: str
    sequences: list[SequenceItem] | None = None
    distributions: list[DistributionItem] | None = None


def status_of(row: RowMapping, now: datetime) -> Status:
    """Where the experience stands at *now*: it opens and closes by its dates, and without one it is a draft."""
    if row["open_at"] is None:
        return "draft"
    if now < row["open_at"]:
        return "scheduled"
    return "active" if row["close_at"] is None or now < row["close_at"] else "completed"


def experience(row: RowMapping, now: datetime, parts: Mapping[str, Sequence[RowMapping]]) -> Experience:
    """The experience in *row*, with those of its *parts* that were read, by their names on the wire."""
    plain = {name: row[name] for name in Experience.model_fields if name in row}
    shown = {name: [dict(each) for each in found] for name, found in parts.items()}
    return Experience.model_validate(plain | shown | {"status": status_of(row, now)})

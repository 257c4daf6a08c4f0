"""Organisations on the wire. The platform spells them with a z."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints
from sqlalchemy import RowMapping

from examples.organisation_platform.wire import Body, Line, Moment, Shape, TimeZone

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class OrganizationChange(Body):
    """What is to be different. What is left out stays as it is."""

    name: Line = Field(default_factory=str)
    time_zone: TimeZone = Field(default_factory=str)
    currency_code: Currency = Field(default_factory=str)


class Organization(Shape):
    """The caller's organisation, as it is in the environment of the caller's key."""

    id: str
    environment: Literal["live", "test"]
    name: str
    slug: str
    plan: str = Field(description="The plan by which its keys are limited; empty for none")
    time_zone: str
    currency_code: str
    created_at: Moment
    updated_at: Moment


def organization(row: RowMapping, plan: str) -> Organization:
    """The organisation in *row*. Its plan is Limen's to know."""
    plain = {name: row[name] for name in Organization.model_fields if name in row}
    return Organization.model_validate(plain | {"plan": plan})

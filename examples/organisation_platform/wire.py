"""What all bodies have in common on the wire: camelCase, moments, text, the names of things."""

import re
from datetime import UTC, datetime
from secrets import randbits
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from examples.organisation_platform.tables import to_ms

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_FIRST_YEAR, _LAST_YEAR = 1971, 9998
_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_CHARS = 26
MAX_LINE = 120


def new_id(kind: str, now: datetime, chance: int | None = None) -> str:
    """A new id, as ``exp_01k9…``: what was made later comes later. *chance*: 80 bits; default, drawn."""
    value = to_ms(now) << 80 | (randbits(80) if chance is None else chance)
    digits = (_CROCKFORD[value >> 5 * place & 31] for place in reversed(range(_ID_CHARS)))
    return f"{kind}_{''.join(digits)}"


def iso_ms(moment: datetime) -> str:
    """A moment as the API shows it: ISO 8601, UTC, with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _instant(value: object) -> datetime:
    """An RFC 3339 date and time with its offset, in UTC. Raises ValueError: that it is none, or out of range."""
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise ValueError("Should be a date and time with an offset, as 2025-11-06T10:32:48Z")
    moment = datetime.fromisoformat(value.upper())
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError(f"Should be in the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return moment.astimezone(UTC)


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, LookupError) as error:
        raise ValueError("Should be the name of a time zone, as Europe/Vienna") from error
    return name


_MOMENT = WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2025-11-06T10:32:48.100Z"]})
Moment = Annotated[datetime, PlainSerializer(iso_ms, return_type=str), _MOMENT]
"""A moment in an answer."""

Instant = Annotated[datetime, BeforeValidator(_instant, json_schema_input_type=str), _MOMENT]
"""A moment in a request: any offset comes in, UTC is kept."""

_NO_NUL = r"^[^\u0000]*$"  # PostgreSQL keeps no NUL in text
Line = Annotated[str, StringConstraints(min_length=1, max_length=MAX_LINE, pattern=_NO_NUL)]
"""A name, or another short text."""

Passage = Annotated[str, StringConstraints(max_length=500, pattern=_NO_NUL)]
"""A text that may be empty or a little longer."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=40)]
"""What a value is called, in an object whose names the client chooses."""

Term = Annotated[str, StringConstraints(min_length=2, max_length=100, pattern=_NO_NUL)]
"""What is searched for."""

Slug = Annotated[str, StringConstraints(max_length=80, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
"""A name as it stands in an address."""

_EMAIL = r"^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-zA-Z0-9-]{1,63}(\.[a-zA-Z0-9-]{1,63}){1,3}$"
Email = Annotated[str, StringConstraints(pattern=_EMAIL, to_lower=True)]
"""An e-mail address, kept in small letters: two that differ in nothing else are one."""

Phone = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]
"""A telephone number (E.164)."""

ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=_NO_NUL)]
"""An id in the organisation's own system."""

_ZONE = StringConstraints(max_length=60, pattern=r"^[A-Za-z][A-Za-z0-9_+/-]*$")
TimeZone = Annotated[str, _ZONE, AfterValidator(_known_zone), Field(examples=["Europe/Vienna"])]
"""The name of a time zone (IANA)."""


class Shape(BaseModel):
    """A JSON object: snake_case in Python, camelCase on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, frozen=True)


class Body(Shape):
    """A request's body. A field that we do not know is refused: ignoring it would do something else than was asked."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Query(Shape):
    """A request's query. As in a body, what we do not know is refused."""

    model_config = ConfigDict(extra="forbid")

"""The shapes of what is sent and shown: bodies as they are read, and control's dataclasses as JSON shows them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, create_model, model_validator
from pydantic_core import PydanticCustomError

from limen.core.limits import Limits, read_limits
from limen.core.plain import is_moment

UNDOCUMENTED = "undocumented"
"""The type of the mistake that a body has a member that nobody documented."""

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_LAST_S = 253_370_764_800.0  # the year 9999, in Unix seconds: no later moment is shown
_LIMITS_CHARS = 400
_DATE_TIME = {"type": "string", "format": "date-time"}


class Body(BaseModel):
    """A body: nothing in it that is not documented, and nothing that is made to fit."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _require_documented(cls, given: Any) -> Any:
        """One mistake, however many undocumented members there are: each would cost as much as a good one."""
        if isinstance(given, dict) and not given.keys() <= cls.model_fields.keys():
            raise PydanticCustomError(UNDOCUMENTED, "documented members alone")
        return given


class Wanted(BaseModel):
    """What a query names: nothing that is not documented."""

    model_config = ConfigDict(extra="forbid")


class Paged(Wanted):
    """What a query for a page of a list names."""

    limit: Annotated[int, Field(ge=1, le=200, description="How many are shown at most.")] = 50
    after: Annotated[str, Field(max_length=1_000, description="The 'next' of the page before.")] = ""


def _moment(value: Any) -> float:
    """A moment in Unix seconds. Raises ValueError."""
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        try:
            found = datetime.fromisoformat(value).timestamp()
        except (ValueError, OverflowError):
            found = -1.0
        if 0 <= found < _LAST_S:
            return found
    raise ValueError("an instant with its offset, as 2026-06-26T12:00:00Z, from 1970 to 9998")


Moment = Annotated[float, BeforeValidator(_moment), WithJsonSchema(_DATE_TIME)]
"""A moment that is sent: an ISO 8601 instant; Unix seconds once it is read."""

Line = Annotated[str, Field(max_length=1_000, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""Text on one line."""

Name = Annotated[str, Field(max_length=100, description="1 to 100 characters on one line.")]
"""What people call a thing. Verbs look at it more closely."""


def limits_of(name: str) -> Any:
    """The type of limits that are sent as text; once they are read, ``Limits`` of this *name*."""

    def read(value: Any) -> Limits:
        try:
            if not isinstance(value, str) or len(value) > _LIMITS_CHARS:
                raise ValueError("not text, or too much of it")
            return read_limits(value, name) if value else ()
        except ValueError:  # which may repeat what was sent
            raise ValueError(
                "text, as '100 per 60 s, 5000 per 1 d', of one length one, each 1 s to 11574 d long; empty for none"
            ) from None

    said = "As '100 per 60 s, 5000 per 1 d' (units: s, min, h, d); empty for none."
    written = {"type": "string", "maxLength": _LIMITS_CHARS, "description": said, "examples": ["100 per 60 s"]}
    return Annotated[Any, BeforeValidator(read), WithJsonSchema(written)]


_SHOWN_MOMENT = Annotated[str, WithJsonSchema(_DATE_TIME)]


@cache
def shape(of: type, *once: str) -> type[BaseModel]:
    """How the dataclass *of* is shown, for the OpenAPI document: the same names; moments are ISO 8601 instants.

    *once*: members that are shown once, and are null in the replay of the same answer.
    """
    hints = get_type_hints(of)
    members: dict[str, Any] = {each.name: (_shown(hints[each.name], each.name), ...) for each in fields(of)}
    for name in once:
        said = "Shown in this answer alone; null where it is replayed for an Idempotency-Key."
        members[name] = (Annotated[members[name][0] | None, Field(description=said)], ...)
    said = (of.__doc__ or "").partition("\n")[0]
    return create_model(of.__name__, __config__=ConfigDict(extra="forbid"), __doc__=said, **members)


def _shown(hint: Any, name: str) -> Any:
    """The type with which a member *name* that is a *hint* is shown."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return Union[tuple(each if each is NoneType else _shown(each, name) for each in inner)]  # noqa: UP007
    if hint is float and is_moment(name):
        return _SHOWN_MOMENT
    if isinstance(hint, type) and is_dataclass(hint):
        return shape(hint)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return dict[str, Any]
    if isinstance(origin, type) and issubclass(origin, Collection):
        return _list(_shown(inner[0], ""))
    return hint


def _list(of: Any) -> Any:
    return list[of]


@cache
def page_of(of: type) -> type[BaseModel]:
    """How a page of a list of *of* is shown."""
    onward = Annotated[str | None, Field(description="Where the list goes on, as 'after' takes it; null: it ends.")]
    members: dict[str, Any] = {"items": (_list(shape(of)), ...), "next": (onward, ...)}
    return create_model(f"{of.__name__}Page", __config__=ConfigDict(extra="forbid"), **members)

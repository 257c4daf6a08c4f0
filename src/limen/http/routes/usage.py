"""What keys were used for, and what was refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from limen.control import usage
from limen.control.usage import Disregard, Reading, Refusals
from limen.core.people import Right
from limen.core.problems import ProblemError
from limen.core.profile import BUILT_IN
from limen.db.transaction import Reader
from limen.http.beside import Route
from limen.http.calls import Call, needs
from limen.http.routes.keys import theirs
from limen.http.shapes import Moment, Paged, Wanted, page_of

router = APIRouter(route_class=Route, tags=["usage"])
ReadUsage = Annotated[Call, needs("read:usage")]
ReadAudit = Annotated[Call, needs("read:audit")]
Since = Annotated[Moment | None, Field(description="From this moment on.")]


class ReadingsWanted(Paged):
    """Which readings are wanted. A member that names neither key nor owner is shown its own."""

    key: Annotated[str, Field(max_length=100, description="Of this key.")] = ""
    owner: Annotated[str, Field(max_length=100, description="Of all keys of this owner.")] = ""
    api: Annotated[str, Field(max_length=32, description="Of this API.")] = ""
    code: Annotated[str, Field(max_length=64, description="With this code: 'ok', or that of a refusal.")] = ""
    since: Since = None


class SignalsWanted(Wanted):
    """Of what the most frequent are wanted."""

    limit: Annotated[int, Field(ge=1, le=200, description="How many are shown at most.")] = 50
    api: Annotated[str, Field(max_length=32, description="Of this API.")] = ""
    since: Since = None


class RefusalsWanted(SignalsWanted):
    """Which refusals are wanted."""

    of: Annotated[Literal["strangers", "keys"], Field(description="Without a known key, or with one.")] = "strangers"


@router.get("/readings", response_model=page_of(Reading))
def list_readings(call: ReadUsage, wanted: Annotated[ReadingsWanted, Query()]) -> Response:
    """What keys were used for, the newest first: every decision, and the status that was answered where it is known.

    A decision is shown about a second after it was made. A page may be short, and still have a next.
    """
    after = call.place("readings", wanted.after)
    asked: dict[str, Any] = wanted.model_dump(exclude={"limit", "after", "since"})
    if call.user is not None and not wanted.key:
        asked["owner"] = wanted.owner or call.user

    def found(reader: Reader) -> tuple[list[Reading], str]:
        if wanted.key:
            held = theirs(call, reader, wanted.key, Right.SEE)
            if wanted.owner not in ("", held.owner):
                raise ProblemError("key_unknown", f"There is no key {wanted.key!r} of {wanted.owner!r}.")
        elif asked["owner"]:
            call.require_right(reader, asked["owner"], Right.SEE)
        page = usage.listed(reader, since=wanted.since or 0.0, after=after, limit=wanted.limit + 1, **asked)
        onward = page[wanted.limit - 1].reading if len(page) > wanted.limit else ""
        hidden = BUILT_IN if call.user is not None and not wanted.key else ""  # an owner may be one of staff too
        return [reading for reading in page[: wanted.limit] if reading.api != hidden], onward

    return call.part("readings", found)


@router.get("/refusals", response_model=page_of(Refusals))
def list_refusals(call: ReadAudit, wanted: Annotated[RefusalsWanted, Query()]) -> Response:
    """What was refused, added up, the most first: of strangers by their block of addresses, of known keys by key."""
    call.require_staff()
    question = usage.refusals if wanted.of == "strangers" else usage.refused_keys

    def found(reader: Reader) -> dict[str, object]:
        items = question(reader, since=wanted.since or 0.0, api=wanted.api, limit=wanted.limit)
        return {"items": items, "next": None}

    return call.ask(found)


@router.get("/disregards", response_model=page_of(Disregard))
def list_disregards(call: ReadAudit, wanted: Annotated[SignalsWanted, Query()]) -> Response:
    """Keys that went on calling although they had been told when to come again, by hour, the newest first."""
    call.require_staff()

    def found(reader: Reader) -> dict[str, object]:
        items = usage.disregards(reader, since=wanted.since or 0.0, api=wanted.api, limit=wanted.limit)
        return {"items": items, "next": None}

    return call.ask(found)

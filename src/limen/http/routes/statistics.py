"""What keys, owners and APIs were used for, added up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse
from pydantic import Field, create_model

from limen.control import statistics
from limen.control.statistics import Asked, LimitUse, ScopeUse, Totals
from limen.core.people import Right
from limen.core.problems import ProblemError
from limen.core.profile import BUILT_IN
from limen.core.statistics import Part, Point
from limen.db.transaction import Reader
from limen.http.beside import Route
from limen.http.calls import Call, needs
from limen.http.routes.keys import theirs
from limen.http.shapes import Moment, Wanted, shape

router = APIRouter(route_class=Route, prefix="/usage", tags=["usage"])
ReadUsage = Annotated[Call, needs("read:usage")]
KeyWanted = Annotated[str, Field(max_length=100, description="Of this key.")]
Since = Annotated[Moment | None, Field(description="From this moment on; default: 24 hours before 'until'.")]
Until = Annotated[Moment | None, Field(description="Up to this moment; default: now.")]
_MEDIA = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl", "parquet": "application/vnd.apache.parquet"}


class TimeWanted(Wanted):
    """Of what time."""

    since: Since = None
    until: Until = None


class UsageWanted(TimeWanted):
    """Whose calls: of one key, of all keys of an owner, or of whole APIs. A member that names none is shown its own."""

    key: KeyWanted = ""
    owner: Annotated[str, Field(max_length=100, description="Of all keys of this owner.")] = ""
    api: Annotated[str, Field(max_length=32, description="Of this API; default: of every one but Limen's own.")] = ""
    operation: Annotated[str, Field(max_length=128, description="Of this operation.")] = ""
    version: Annotated[str, Field(max_length=64, description="Of this version.")] = ""
    code: Annotated[str, Field(max_length=64, description="With this code: 'ok', or that of a refusal.")] = ""


class SeriesWanted(UsageWanted):
    """How fine a series is."""

    granularity: Annotated[
        Literal["", "minute", "hour", "day", "month"], Field(description="Default: one that suits a chart.")
    ] = ""


class PartsWanted(UsageWanted):
    """By what."""

    of: Annotated[Literal["code", "operation", "version", "status"], Field(description="By what.")] = "code"
    limit: Annotated[int, Field(ge=1, le=200, description="How many are shown at most.")] = 50


class TopWanted(UsageWanted):
    """Of what the most."""

    of: Annotated[Literal["key", "owner"], Field(description="By key, or by owner.")] = "key"
    order: Annotated[Literal["calls", "refused", "errors"], Field(description="With the most of these.")] = "calls"
    limit: Annotated[int, Field(ge=1, le=200, description="How many are shown at most.")] = 10


class ScopesWanted(TimeWanted):
    """Of which key."""

    key: Annotated[str, Field(min_length=1, max_length=100, description="Of this key.")]


class WindowWanted(Wanted):
    """Of which key."""

    key: Annotated[str, Field(min_length=1, max_length=100, description="Of this key.")]


class ExportWanted(UsageWanted):
    """How fine, and in which format."""

    granularity: Annotated[Literal["minute", "hour", "day"], Field(description="By what spans.")] = "hour"
    format: Annotated[Literal["csv", "jsonl", "parquet"], Field(description="Written how.")] = "csv"


def _items(of: type) -> Any:
    items: Any = list[shape(of)]  # type: ignore[misc]  # a type that is made at run time
    return create_model(f"{of.__name__}List", items=(items, ...))


@router.get("/totals", response_model=shape(Totals))
def get_usage_totals(call: ReadUsage, wanted: Annotated[UsageWanted, Query()]) -> Response:
    """What there was in all: decisions, what the API answered, how long that took; beside the time before.

    Rates are over what was admitted and answered with a status that is known. The time is rounded to whole minutes,
    hours or days, as the answer says.
    """
    return call.ask(_asking(call, wanted, statistics.totals))


@router.get("/series", response_model=_items(Point))
def get_usage_series(call: ReadUsage, wanted: Annotated[SeriesWanted, Query()]) -> Response:
    """The same by minute, hour, day or month (UTC), without gaps; at most 1,500 points."""
    question = _asking(call, wanted, lambda reader, asked: statistics.series(reader, asked, wanted.granularity))
    return call.ask(lambda reader: {"items": question(reader)})


@router.get("/by", response_model=_items(Part))
def get_usage_parts(call: ReadUsage, wanted: Annotated[PartsWanted, Query()]) -> Response:
    """By code, operation, version, or class of the status that the API answered; the most first."""
    question = _asking(call, wanted, lambda reader, asked: statistics.by(reader, asked, wanted.of, limit=wanted.limit))
    return call.ask(lambda reader: {"items": question(reader)})


@router.get("/top", response_model=_items(Part))
def get_usage_top(call: ReadUsage, wanted: Annotated[TopWanted, Query()]) -> Response:
    """The keys, or the owners, with the most calls, refusals, or errors that the API answered."""

    def found(reader: Reader, asked: Asked) -> object:
        return {"items": statistics.by(reader, asked, wanted.of, order=wanted.order, limit=wanted.limit)}

    return call.ask(_asking(call, wanted, found))


@router.get("/scopes", response_model=_items(ScopeUse))
def get_usage_scopes(call: ReadUsage, wanted: Annotated[ScopesWanted, Query()]) -> Response:
    """The scopes of a key, and for which operations they were needed: without those that were not, it had sufficed."""

    def found(reader: Reader) -> object:
        theirs(call, reader, wanted.key, Right.SEE)
        return {"items": statistics.scopes(reader, Asked(**wanted.model_dump()))}

    return call.ask(found)


@router.get("/window", response_model=_items(LimitUse))
def get_usage_window(call: ReadUsage, wanted: Annotated[WindowWanted, Query()]) -> Response:
    """The limits of a key, and what can be used of them by now at most: an estimate, about a second late."""

    def found(reader: Reader) -> object:
        theirs(call, reader, wanted.key, Right.SEE)
        return {"items": statistics.window(reader, Asked(key=wanted.key))}

    return call.ask(found)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {media.partition(";")[0]: {} for media in _MEDIA.values()},
            "description": "A line or row for each key, span, operation, version and code.",
        }
    },
)
def export_usage(call: ReadUsage, wanted: Annotated[ExportWanted, Query()]) -> Response:
    """Export what was used, key by key, in the order of its moments; whole spans. Of texts none is a formula."""

    def ask(question: Callable[[Reader], Any]) -> Any:
        with call.app.reading() as reader:
            call.require_good(reader)  # every time: the export of a key that ended meanwhile ends too
            _who(call, reader, wanted)
            return question(reader)

    with call.app.reading() as reader:
        asked = _who(call, reader, wanted)
    parts = statistics.export(ask, asked, granularity=wanted.granularity, form=wanted.format)
    named = {"Content-Disposition": f'attachment; filename="usage.{wanted.format}"'}
    return StreamingResponse(parts, media_type=_MEDIA[wanted.format], headers=named)


def _asking(call: Call, wanted: UsageWanted, question: Callable[[Reader, Asked], object]) -> Callable[[Reader], object]:
    return lambda reader: question(reader, _who(call, reader, wanted))


def _who(call: Call, reader: Reader, wanted: UsageWanted) -> Asked:
    """What is asked for, if the caller may see it: staff may; a member that names nothing asks for its own."""
    asked: dict[str, Any] = {name: getattr(wanted, name) for name in Asked.__dataclass_fields__}
    if wanted.key:
        theirs(call, reader, wanted.key, Right.SEE)
    elif call.user is not None:
        if wanted.api == BUILT_IN:  # an owner may be one of staff too
            raise ProblemError("api_unknown", f"There is no API {wanted.api!r}.")
        asked["owner"] = wanted.owner or call.user
        call.require_right(reader, asked["owner"], Right.SEE)
    return Asked(**asked)

"""Measures: what staff do at run time to protect an API."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from limen.control import measures
from limen.control.measures import Measure, Target
from limen.core.problems import ProblemError
from limen.db.transaction import Reader, Tx
from limen.http.beside import Route
from limen.http.calls import Call, needs
from limen.http.shapes import Body, Line, Moment, Paged, limits_of, page_of, shape

router = APIRouter(route_class=Route, prefix="/measures", tags=["measures"])
Protect = Annotated[Call, needs("protect")]


class MeasuresWanted(Paged):
    """Which measures are wanted."""

    api: Annotated[str, Field(max_length=32, description="That hold on this API.")] = ""
    over: Annotated[bool, Field(description="Also those that hold no more.")] = False


class NewMeasure(Body):
    """A measure to be taken."""

    kind: Annotated[Literal["throttle", "block"], Field(description="A throttle has limits, a block has none.")]
    target: Literal["api", "owner", "key", "address", "operation"]
    subject: Annotated[
        str,
        Field(max_length=200, description="An owner, a key's id, an address range, an operation; of an API: empty."),
    ] = ""
    api: Annotated[str, Field(max_length=32, description="On this API; empty: on every one but Limen's own.")] = ""
    limits: limits_of("measure") = Field("", validate_default=True)  # type: ignore[valid-type]
    reason: Line
    ends_at: Moment | None = None


@router.get("", response_model=page_of(Measure))
def list_measures(call: Protect, wanted: Annotated[MeasuresWanted, Query()]) -> Response:
    """Measures that hold, the newest first."""
    call.require_staff()
    after = call.place("measures", wanted.after)

    def found(reader: Reader, count: int) -> list[Measure]:
        return measures.listed(reader, api=wanted.api, over=wanted.over, after=after, limit=count)

    return call.page("measures", wanted.limit, found, lambda measure: measure.measure)


@router.post("", status_code=201, response_model=shape(Measure))
def take_measure(call: Protect, new: NewMeasure) -> Response:
    """Throttle or block an owner, a key, an address range, an operation or an API, at once in every process."""
    call.require_staff()
    target = Target(new.target, new.subject, new.api)

    def work(tx: Tx) -> Measure:
        if new.kind == "throttle":
            return measures.throttle(tx, target, limits=new.limits, reason=new.reason, ends_at=new.ends_at)
        if new.limits:
            raise ProblemError("measure_wrong", "A block refuses everything: it has no limits.")
        return measures.block(tx, target, reason=new.reason, ends_at=new.ends_at)

    return call.write(work, status=201)


@router.get("/{measure}", response_model=shape(Measure))
def get_measure(call: Protect, measure: str) -> Response:
    """A measure."""
    call.require_staff()
    return call.ask(lambda reader: measures.require(reader, measure))


@router.post("/{measure}/lift", response_model=shape(Measure))
def lift_measure(call: Protect, measure: str) -> Response:
    """Lift a measure: it holds no more."""
    call.require_staff()
    return call.write(lambda tx: measures.lift(tx, measure), of=lambda reader: measures.require(reader, measure))

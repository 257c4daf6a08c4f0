"""Deliveries: what was sent where, what came of it, and again."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from limen.control import delivery as deliveries
from limen.control.delivery import Delivery
from limen.core.messages import STAFF
from limen.core.people import Right
from limen.core.problems import ProblemError
from limen.db.transaction import Reader
from limen.http.beside import Route
from limen.http.calls import Call, needs
from limen.http.routes.channels import ReadChannels, channel_shown
from limen.http.shapes import Paged, page_of, shape

router = APIRouter(route_class=Route, prefix="/deliveries", tags=["channels"])
WriteChannels = Annotated[Call, needs("write:channels")]


class DeliveriesWanted(Paged):
    """Which deliveries are wanted."""

    channel: Annotated[str, Field(max_length=12, description="To this channel.")] = ""
    owner: Annotated[
        str, Field(max_length=100, description="Of this owner. Empty: one's own; of staff, anybody's.")
    ] = ""
    state: Annotated[Literal["", "due", "done", "dead", "dropped"], Field(description="In this state.")] = ""


@router.get("", response_model=page_of(Delivery))
def list_deliveries(call: ReadChannels, wanted: Annotated[DeliveriesWanted, Query()]) -> Response:
    """Deliveries, the newest first, without their attempts."""
    after, owner = call.place("deliveries", wanted.after), wanted.owner or call.user

    def found(reader: Reader, count: int) -> list[Delivery]:
        if wanted.channel:
            of: str | None = channel_shown(call, reader, wanted.channel, Right.SEE).owner
        else:
            call.require_right(reader, owner or STAFF, Right.SEE)
            of = owner
        return deliveries.listed(reader, channel=wanted.channel, owner=of, state=wanted.state, after=after, limit=count)

    return call.page("deliveries", wanted.limit, found, lambda each: each.delivery)


@router.get("/{delivery}", response_model=shape(Delivery))
def get_delivery(call: ReadChannels, delivery: str) -> Response:
    """A delivery, with what came of each attempt."""
    return call.ask(lambda reader: _shown(call, reader, delivery, Right.SEE))


@router.post("/{delivery}/retry", response_model=shape(Delivery))
def retry_delivery(call: WriteChannels, delivery: str) -> Response:
    """Try a delivery again now, whatever became of it. Its id stays what it was."""
    return call.write(
        lambda tx: deliveries.retry(tx, delivery),
        may=lambda reader: _shown(call, reader, delivery, Right.EDIT),
        of=lambda reader: _shown(call, reader, delivery, Right.SEE),
    )


def _shown(call: Call, reader: Reader, delivery: str, right: Right) -> Delivery:
    found = deliveries.shown(reader, delivery)
    unknown = ProblemError("delivery_unknown", f"There is no delivery {delivery!r}.")
    call.require_right_to(unknown, reader, found.owner, right)
    return found

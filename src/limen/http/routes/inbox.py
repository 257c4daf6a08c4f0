"""The inbox: what owners, and staff, are told where they look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from limen.control import inbox
from limen.control.inbox import InboxMessage
from limen.core.messages import STAFF
from limen.core.people import Right
from limen.db.transaction import Reader, Tx
from limen.http.beside import Route
from limen.http.routes.channels import ReadChannels
from limen.http.shapes import Body, Moment, Paged, page_of, shape

router = APIRouter(route_class=Route, prefix="/inbox", tags=["channels"])
Owner = Annotated[str, Field(max_length=100, description="Of this owner. Empty: one's own; of staff, the staff's.")]


class InboxWanted(Paged):
    """Which messages are wanted."""

    owner: Owner = ""
    unread: Annotated[bool, Field(description="Only those that were not read.")] = False


class ReadWanted(Body):
    """What was read."""

    owner: Owner = ""
    message: Annotated[str, Field(max_length=12, description="This message. Empty: all, up to a moment.")] = ""
    until: Annotated[Moment | None, Field(description="All up to this moment. Left out: now.")] = None


@dataclass(frozen=True, slots=True)
class MarkedRead:
    """How many messages were not read, and now are; and how many are left."""

    count: int
    unread: int


@router.get("", response_model=page_of(InboxMessage))
def list_inbox(call: ReadChannels, wanted: Annotated[InboxWanted, Query()]) -> Response:
    """Messages, the newest first."""
    after, owner = call.place("inbox", wanted.after), wanted.owner or call.user or STAFF

    def found(reader: Reader, count: int) -> list[InboxMessage]:
        call.require_right(reader, owner, Right.SEE)
        return inbox.listed(reader, owner, unread_only=wanted.unread, after=after, limit=count)

    return call.page("inbox", wanted.limit, found, lambda message: message.message)


@router.post("/read", response_model=shape(MarkedRead))
def mark_read(call: ReadChannels, wanted: ReadWanted) -> Response:
    """Mark a message as read, or all of them up to a moment."""
    owner = wanted.owner or call.user or STAFF

    def work(tx: Tx) -> MarkedRead:
        count = inbox.mark_read(tx, owner, wanted.message, until=wanted.until)
        return MarkedRead(count, inbox.unread(tx, owner))

    return call.write(work, may=lambda reader: call.require_right(reader, owner, Right.SEE))

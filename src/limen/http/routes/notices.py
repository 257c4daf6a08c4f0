"""Notices: what staff tell many owners at once."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from limen.control import notices
from limen.control.notices import Notice, NoticePreview, NoticeWanted
from limen.db.transaction import Reader
from limen.http.beside import Route
from limen.http.calls import Call, needs
from limen.http.shapes import Body, Paged, page_of, shape

router = APIRouter(route_class=Route, prefix="/notices", tags=["notices"])
SendNotices = Annotated[Call, needs("send:notices")]


class NewNotice(Body):
    """A notice to be sent."""

    kind: Annotated[
        Literal["version", "policy"],
        Field(description="A version's dates, to whoever called it; or something else, to whoever holds a key."),
    ]
    api: Annotated[str, Field(max_length=32)] = ""
    version: Annotated[str, Field(max_length=32, examples=["2025-06-26"])] = ""
    days: Annotated[int, Field(ge=1, le=400, description="Who called the version in the last days.")] = 30
    title: Annotated[str, Field(max_length=200)] = ""
    text: Annotated[str, Field(max_length=4_000, description="Of a version: below its dates.")] = ""
    notice: Annotated[str, Field(max_length=100, description="An id of your own: the same one is sent once.")] = ""

    def wanted(self) -> NoticeWanted:
        """The same, without its id."""
        return NoticeWanted(self.kind, self.api, self.version, self.days, self.title, self.text)


@router.get("", response_model=page_of(Notice))
def list_notices(call: SendNotices, wanted: Annotated[Paged, Query()]) -> Response:
    """Notices that were sent, the newest first."""
    call.require_staff()
    after = call.place("notices", wanted.after)

    def found(reader: Reader, count: int) -> list[Notice]:
        return notices.listed(reader, after=after, limit=count)

    return call.page("notices", wanted.limit, found, lambda notice: notice.notice)


@router.post("/preview", response_model=shape(NoticePreview))
def preview_notice(call: SendNotices, new: NewNotice) -> Response:
    """What would be sent to whom. Nothing is."""
    call.require_staff()
    return call.tell(lambda reader: notices.preview(reader, new.wanted()))


@router.post("", status_code=201, response_model=shape(Notice))
def send_notice(call: SendNotices, new: NewNotice) -> Response:
    """Send a notice to the inbox of everybody whom it is for, and to their channels; once for each id."""
    call.require_staff()
    return call.write(lambda tx: notices.send(tx, new.wanted(), notice=new.notice), status=201)


@router.get("/{notice}", response_model=shape(Notice))
def get_notice(call: SendNotices, notice: str) -> Response:
    """A notice that was sent."""
    call.require_staff()
    return call.ask(lambda reader: notices.require(reader, notice))

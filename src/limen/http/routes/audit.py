"""The audit: who changed what, when, from where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse
from pydantic import Field

from limen.control import audit
from limen.control.audit import Entry
from limen.core.audit import Head
from limen.core.problems import ProblemError
from limen.db.transaction import Reader
from limen.http.beside import Route
from limen.http.calls import Call, needs
from limen.http.shapes import Moment, Paged, Wanted, page_of, shape

router = APIRouter(route_class=Route, prefix="/audit", tags=["audit"])
ReadAudit = Annotated[Call, needs("read:audit")]
_STRETCH = 1_000


class EntriesWanted(Paged):
    """Which entries are wanted, each by the whole of what is named."""

    actor: Annotated[str, Field(max_length=200, description="Made by them: 'staff:…', 'member:…'.")] = ""
    verb: Annotated[str, Field(max_length=64)] = ""
    api: Annotated[str, Field(max_length=32)] = ""
    subject: Annotated[str, Field(max_length=200, description="Of this key, owner, version.")] = ""
    since: Moment | None = None
    until: Moment | None = None


class ExportWanted(Wanted):
    """From where on the audit is exported."""

    after: Annotated[int, Field(ge=0, lt=2**63, description="Behind the entry with this id.")] = 0
    personal: Annotated[bool, Field(description="With what is personal: such a file is to be erased in time.")] = False


@router.get("", response_model=page_of(Entry))
def list_entries(call: ReadAudit, wanted: Annotated[EntriesWanted, Query()]) -> Response:
    """Entries of the audit, the newest first."""
    call.require_staff()
    place = call.place("audit", wanted.after)
    asked: dict[str, Any] = wanted.model_dump(exclude={"limit", "after"}, exclude_none=True)

    def found(reader: Reader, count: int) -> list[Entry]:
        return audit.listed(reader, after=place or None, limit=count, **asked)

    return call.page("audit", wanted.limit, found, lambda entry: entry.id)


@router.get("/head", response_model=shape(Head))
def get_audit_head(call: ReadAudit) -> Response:
    """The end of the chain over the audit's rows. Kept elsewhere, it tells a chain that was rewritten as a whole."""
    call.require_staff()
    return call.ask(audit.head)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/jsonl": {}}, "description": "A line of JSON for each entry."}},
)
def export_audit(call: ReadAudit, wanted: Annotated[ExportWanted, Query()]) -> Response:
    """Export the audit from an entry on, in the order in which it was written: a line of JSON each."""
    call.require_staff()
    return StreamingResponse(_lines(call, wanted), media_type="application/jsonl")


def _lines(call: Call, wanted: ExportWanted) -> Iterator[str]:
    """The lines, a stretch at a time: no read transaction stays open for as long as a slow caller reads."""

    def stretch(after: int) -> list[str]:
        with call.app.reading() as reader:
            call.require_good(reader)  # every time: the export of a key that ended meanwhile ends too
            return list(islice(audit.export(reader, after=after, personal=wanted.personal), _STRETCH))

    def onward(lines: list[str]) -> Iterator[str]:
        while lines:
            yield "".join(f"{line}\n" for line in lines)
            lines = stretch(json.loads(lines[-1])["row"]["id"])

    return onward(stretch(wanted.after))


@router.get("/{entry}", response_model=shape(Entry))
def get_entry(call: ReadAudit, entry: str) -> Response:
    """An entry of the audit."""
    call.require_staff()
    if not (entry.isascii() and entry.isdigit() and len(entry) <= 18):
        raise ProblemError("not_found", "Entries of the audit are counted from 1.")
    return call.ask(lambda reader: audit.require(reader, int(entry)))

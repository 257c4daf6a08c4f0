"""The processes of a cluster that decide."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import Response

from limen.db import leases
from limen.db.leases import Node
from limen.db.transaction import Reader
from limen.http.beside import Route
from limen.http.calls import Call, needs
from limen.http.shapes import page_of

router = APIRouter(route_class=Route, prefix="/nodes", tags=["nodes"])
ReadNodes = Annotated[Call, needs("read:nodes")]


@router.get("", response_model=page_of(Node))
def list_nodes(call: ReadNodes) -> Response:
    """The processes that decide, those that are alive first, and what each has applied. On one host there are none."""
    call.require_staff()

    def found(reader: Reader) -> dict[str, object]:
        return {"items": leases.listed(reader), "next": None}

    return call.ask(found)

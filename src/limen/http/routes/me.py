"""Who calls, and what can be called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from limen.http.beside import Route
from limen.http.callers import Staff
from limen.http.calls import Call, Open, needs
from limen.http.etags import is_known
from limen.http.shapes import shape

router = APIRouter(route_class=Route, tags=["the caller"])
AnyKey = Annotated[Call, needs()]


@dataclass(frozen=True, slots=True)
class Me:
    """Who calls. *kind* is ``staff`` or ``member``; *owner* holds the key, or is the user who is acted for."""

    kind: str
    owner: str
    key: str
    scopes: tuple[str, ...]
    """With everything that the granted scopes imply."""


@router.get("/me", response_model=shape(Me))
def get_caller(call: AnyKey) -> Response:
    """Who calls, and with which scopes."""
    who = call.who
    kind, owner = ("staff", who.owner) if isinstance(who, Staff) else ("member", who.user)
    return call.ask(lambda _: Me(kind, owner, who.key, tuple(sorted(who.scopes))))


@router.get("/openapi.json", response_model=dict[str, Any])
async def get_openapi(request: Request, call: Open) -> Response:
    """This document. No key is needed to read it."""
    made = request.app.state.document
    known = call.arrival.if_none_match and is_known(call.arrival.if_none_match, made.etag)
    return Response(
        b"" if known else made.body, 304 if known else 200, {"ETag": made.etag}, None if known else "application/json"
    )

"""Requests for keys: asked for with a reason for each scope, decided by staff, revealed once."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi import Body as Sent
from fastapi.responses import Response
from pydantic import Field

from limen.control import members, requests
from limen.control.keys import Issued
from limen.control.requests import Request, Wish
from limen.core.people import Right
from limen.core.problems import ProblemError
from limen.core.profile import BUILT_IN
from limen.db.transaction import Reader, Tx
from limen.http.beside import Route
from limen.http.calls import Call, needs
from limen.http.shapes import Body, Moment, Name, Paged, page_of, shape

router = APIRouter(route_class=Route, prefix="/requests", tags=["requests"])
ReadRequests = Annotated[Call, needs("read:requests")]
WriteRequests = Annotated[Call, needs("write:requests")]
Decide = Annotated[Call, needs("decide:requests")]
Text = Annotated[str, Field(max_length=2_000)]


class RequestsWanted(Paged):
    """Which requests are wanted. A member that names no owner is shown its own."""

    api: Annotated[str, Field(max_length=32, description="For a key of this API.")] = ""
    owner: Annotated[str, Field(max_length=100, description="Of this owner.")] = ""
    state: Annotated[
        Literal["", "open", "granted", "refused", "withdrawn", "revealed", "lapsed"],
        Field(description="In this state."),
    ] = ""


class NewRequest(Body):
    """A key that is asked for. What is left out is as the API's profile says."""

    api: Annotated[str, Field(max_length=32)]
    owner: Annotated[str, Field(max_length=100)]
    name: Name
    scopes: Annotated[dict[str, Text], Field(max_length=200, description="Each scope, and why it is needed.")]
    use_case: Text
    key_class: Annotated[str, Field(max_length=32)] = "secret"
    environment: Annotated[str, Field(max_length=32)] = "live"
    expires_at: Moment | None = None
    origins: Annotated[list[str], Field(max_length=100)] | None = None
    addresses: Annotated[list[str], Field(max_length=100)] | None = None


class Grant(Body):
    """What of a request is granted."""

    scopes: Annotated[list[str], Field(max_length=200, description="Left out: all that were asked for.")] | None = None
    reason: Text = ""


class Refusal(Body):
    """Why there will be no key."""

    reason: Text


@router.get("", response_model=page_of(Request))
def list_requests(call: ReadRequests, wanted: Annotated[RequestsWanted, Query()]) -> Response:
    """Requests for keys, the newest first."""
    after = call.place("requests", wanted.after)
    asked: dict[str, Any] = wanted.model_dump(exclude={"limit", "after"})
    asked["owner"] = wanted.owner or call.user or ""

    def found(reader: Reader, count: int) -> list[Request]:
        if call.user is not None:
            call.require_right(reader, asked["owner"], Right.SEE)
        return requests.listed(reader, after=after, limit=count, **asked)

    return call.page("requests", wanted.limit, found, lambda request: request.request)


@router.post("", status_code=201, response_model=shape(Request))
def ask_for_key(call: WriteRequests, new: NewRequest) -> Response:
    """Ask for a key: staff decide, and may grant fewer scopes. Least privilege: ask for no more than is needed."""
    if new.api == BUILT_IN:
        raise ProblemError("api_built_in", f"Keys of {BUILT_IN!r} are issued by staff; nobody asks for them here.")
    wish = Wish(
        new.api,
        new.owner,
        new.name,
        scopes=new.scopes,
        use_case=new.use_case,
        key_class=new.key_class,
        environment=new.environment,
        expires_at=new.expires_at,
        origins=None if new.origins is None else tuple(new.origins),
        addresses=None if new.addresses is None else tuple(new.addresses),
    )
    return call.write(
        lambda tx: requests.ask(tx, wish),
        may=lambda reader: call.require_right(reader, new.owner, Right.USE_KEYS),
        status=201,
    )


@router.get("/{request}", response_model=shape(Request))
def get_request(call: ReadRequests, request: str) -> Response:
    """A request for a key."""
    return call.ask(lambda reader: _theirs(call, reader, request))


@router.post("/{request}/grant", response_model=shape(Request))
def grant_request(call: Decide, request: str, grant: Annotated[Grant, Sent()] = Grant()) -> Response:  # noqa: B008
    """Grant a request, with all of its scopes or with these. Its owner may then reveal the key, once."""
    call.require_staff()

    def work(tx: Tx) -> Request:
        return requests.grant(tx, request, scopes=grant.scopes, reason=grant.reason)

    return call.write(work, of=lambda reader: _theirs(call, reader, request))


@router.post("/{request}/refuse", response_model=shape(Request))
def refuse_request(call: Decide, request: str, refusal: Refusal) -> Response:
    """Refuse a request, for a reason."""
    call.require_staff()
    return call.write(
        lambda tx: requests.refuse(tx, request, reason=refusal.reason), of=lambda reader: _theirs(call, reader, request)
    )


@router.post("/{request}/withdraw", response_model=shape(Request))
def withdraw_request(call: WriteRequests, request: str) -> Response:
    """Take a request back, undecided or granted, as long as no key was made."""
    return call.write(
        lambda tx: requests.withdraw(tx, request),
        may=lambda reader: _theirs(call, reader, request, Right.USE_KEYS),
        of=lambda reader: _theirs(call, reader, request),
    )


@router.post("/{request}/reveal", status_code=201, response_model=shape(Issued, "text"))
def reveal_request(call: WriteRequests, request: str) -> Response:
    """Make the key that was granted. Its `text` is shown in this answer alone; a replay of it says null.

    For staff, who issue so for anybody, it takes the scope write:keys too.
    """
    if call.user is None:
        call.require_scope("write:keys")
    return call.write(
        lambda tx: requests.reveal(tx, request),
        may=lambda reader: _theirs(call, reader, request, Right.USE_KEYS),
        status=201,
        once=("text",),
        of=lambda reader: _theirs(call, reader, request),
    )


def _theirs(call: Call, reader: Reader, request: str, right: Right = Right.SEE) -> Request:
    """The request, if the caller has this *right* to it.

    Raises ``request_unknown`` for another's, and ``role_too_low``.
    """
    found = requests.require(reader, request)
    if call.user is not None:
        if members.role_of(reader, call.user, found.owner) is None:
            raise ProblemError("request_unknown", f"There is no request {request!r}.")
        call.require_right(reader, found.owner, right)
    return found

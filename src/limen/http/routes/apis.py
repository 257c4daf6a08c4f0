"""APIs: what they are like, their profiles, and the switches that staff set on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from fastapi.responses import Response
from pydantic import Field

from limen.control import apis
from limen.control.apis import Api, Revision
from limen.core.limits import write_limits
from limen.core.problems import ProblemError
from limen.core.profile import BUILT_IN
from limen.core.profile_reader import read_profile
from limen.db.transaction import Reader, Tx
from limen.http.beside import Route
from limen.http.calls import Call, needs
from limen.http.shapes import Body as Sent
from limen.http.shapes import Paged, Wanted, limits_of, page_of, shape

router = APIRouter(route_class=Route, prefix="/apis", tags=["APIs"])
ReadApis = Annotated[Call, needs("read:apis")]
WriteApis = Annotated[Call, needs("write:apis")]
Protect = Annotated[Call, needs("protect")]
Document = Annotated[dict[str, Any], Body(description="A profile, as its file says it (docs/reference/profile.md).")]


class ApisWanted(Paged):
    """Which APIs are wanted."""

    built_in: Annotated[bool, Field(description="Also Limen's own. Staff alone see it.")] = False


class NewApi(Sent):
    """An API to be made."""

    api: Annotated[str, Field(description="Its name: 1 to 32 of a-z, 0-9 and -, from a letter on.", max_length=100)]
    profile: Annotated[dict[str, Any], Field(description="Its profile, as a file says it.")]


class Switched(Sent):
    """The switches to be set; what is left out stays as it is."""

    read_only: Annotated[bool | None, Field(description="While true, every write is refused.")] = None
    allowlist: Annotated[bool | None, Field(description="While true, only owners on the list are admitted.")] = None
    emergency: limits_of("emergency") | None = None  # type: ignore[valid-type]


class Applied(Wanted):
    """How a profile is applied."""

    overwrite: Annotated[bool, Field(description="Also where it sets otherwise what staff set on versions.")] = False


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope of an API."""

    scope: str
    description: str
    implies: tuple[str, ...]
    extension: bool
    """Not in the platform's own documents."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of an API: what it is called by, and what it asks of a key."""

    operation: str
    method: str
    path: str
    scopes: tuple[str, ...]
    public: bool
    write: bool
    limits: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan of an API. Without limits it is custom: the owner's own hold."""

    plan: str
    title: str
    limits: str
    granular_scopes: bool
    """Whether a key's scopes may be named."""


@router.get("", response_model=page_of(Api))
def list_apis(call: ReadApis, wanted: Annotated[ApisWanted, Query()]) -> Response:
    """APIs, in the order of their names."""
    if wanted.built_in:
        call.require_staff()
    after = call.place("apis", wanted.after)

    def found(reader: Reader, count: int) -> list[Api]:
        return [each for each in apis.listed(reader, built_in=wanted.built_in) if each.api > after][:count]

    return call.page("apis", wanted.limit, found, lambda api: api.api)


@router.post("", status_code=201, response_model=shape(Api))
def create_api(call: WriteApis, new: NewApi) -> Response:
    """Make an API with the first revision of its profile. Restart the gate's listener for it to decide."""
    call.require_staff()
    return call.write(lambda tx: apis.create(tx, new.api, read_profile(new.profile)), status=201)


@router.get("/{api}", response_model=shape(Api))
def get_api(call: ReadApis, api: str) -> Response:
    """An API: its profile's revision, and its switches."""
    return call.ask(lambda reader: _visible(call, reader, api))


@router.patch("/{api}", response_model=shape(Api))
def switch_api(call: Protect, api: str, switched: Switched) -> Response:
    """Set switches. They hold until they are set otherwise, whatever profile is applied, and at once in every process.

    `emergency` is a limit on the API as a whole, over all its callers.
    """
    call.require_staff()
    values: dict[str, Any] = {
        name: getattr(switched, name) for name in switched.model_fields_set if getattr(switched, name) is not None
    }

    def work(tx: Tx) -> Api:
        for name, value in values.items():
            apis.switch(tx, api, name, value)
        return apis.require(tx, api)

    return call.write(work, of=lambda reader: apis.require(reader, api))


@router.get("/{api}/profile", response_model=dict[str, Any])
def get_profile(call: ReadApis, api: str) -> Response:
    """The profile in force, as it was applied. For staff alone: to members its scopes and operations are shown."""
    call.require_staff()
    return call.ask(lambda reader: apis.document_of(reader, api))


@router.put("/{api}/profile", response_model=shape(Api))
def apply_profile(call: WriteApis, api: str, profile: Document, applied: Annotated[Applied, Query()]) -> Response:
    """Apply a profile: the API goes by it from now on, in every process. Unchanged, nothing happens."""
    call.require_staff()
    return call.write(
        lambda tx: apis.apply_profile(tx, api, read_profile(profile), overwrite=applied.overwrite),
        of=lambda reader: apis.document_of(reader, api),
    )


@router.get("/{api}/revisions", response_model=page_of(Revision))
def list_revisions(call: ReadApis, api: str, wanted: Annotated[Paged, Query()]) -> Response:
    """The revisions of an API's profile, the newest first."""
    call.require_staff()
    place = call.place("revisions", wanted.after)

    def found(reader: Reader, count: int) -> list[Revision]:
        return apis.revisions(reader, api, before=place or None, limit=count)

    return call.page("revisions", wanted.limit, found, lambda revision: revision.revision)


@router.get("/{api}/revisions/{revision}", response_model=dict[str, Any])
def get_revision(call: ReadApis, api: str, revision: str) -> Response:
    """A revision of an API's profile, as it was applied."""
    call.require_staff()
    if not (revision.isascii() and revision.isdigit() and 0 < int(revision[:9]) == int(revision)):
        raise ProblemError("not_found", "Revisions are counted from 1.")
    return call.ask(lambda reader: apis.document_of(reader, api, int(revision)))


@router.get("/{api}/scopes", response_model=page_of(Scope))
def list_scopes(call: ReadApis, api: str) -> Response:
    """An API's scopes, in the order of its profile. One page."""

    def found(reader: Reader) -> Mapping[str, Any]:
        catalogue = _profile(call, reader, api).catalogue
        known = catalogue.scopes.values()
        return _all(
            Scope(each.name, each.description, catalogue.ordered(each.implies), each.extension) for each in known
        )

    return call.ask(found)


@router.get("/{api}/operations", response_model=page_of(Operation))
def list_operations(call: ReadApis, api: str) -> Response:
    """An API's operations, in the order of its profile. One page."""

    def found(reader: Reader) -> Mapping[str, Any]:
        profile = _profile(call, reader, api)
        return _all(
            Operation(
                operation=each.name,
                method=each.method,
                path=each.path,
                scopes=profile.catalogue.ordered(each.scopes),
                public=each.public,
                write=each.write,
                limits=write_limits(each.limits),
            )
            for each in profile.operations
        )

    return call.ask(found)


@router.get("/{api}/plans", response_model=page_of(Plan))
def list_plans(call: ReadApis, api: str) -> Response:
    """An API's plans, in the order of its profile. One page."""

    def found(reader: Reader) -> Mapping[str, Any]:
        plans = _profile(call, reader, api).plans.values()
        return _all(Plan(each.name, each.title, write_limits(each.limits), each.granular_scopes) for each in plans)

    return call.ask(found)


def _all(items: Any) -> Mapping[str, Any]:
    return {"items": list(items), "next": None}


def _visible(call: Call, reader: Reader, api: str) -> Api:
    """The API, if the caller may see it: Limen's own is the staff's."""
    found = apis.require(reader, api)
    if api == BUILT_IN and call.user is not None:
        raise ProblemError("api_unknown", f"There is no API {api!r}.")
    return found


def _profile(call: Call, reader: Reader, api: str) -> Any:
    _visible(call, reader, api)
    return apis.profile_of(reader, api)

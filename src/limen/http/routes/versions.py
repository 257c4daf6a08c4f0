"""Versions of an API: registered, deprecated, sunset, one way only; and the brownouts before the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from limen.control import usage, versions
from limen.control.usage import Adoption, VersionCaller
from limen.core.people import Right
from limen.core.problems import ProblemError
from limen.core.profile import BUILT_IN
from limen.core.versions import Brownout, Version
from limen.db.transaction import Reader, Tx
from limen.http.beside import Route
from limen.http.calls import Call, needs
from limen.http.shapes import Body, Moment, Wanted, page_of, shape

router = APIRouter(route_class=Route, prefix="/apis/{api}", tags=["versions"])
ReadApis = Annotated[Call, needs("read:apis")]
ReadUsage = Annotated[Call, needs("read:usage")]
WriteApis = Annotated[Call, needs("write:apis")]
WEEK_S = 7 * 86_400
VersionName = Annotated[str, Field(max_length=100, description="A version's name.")]


class NewVersion(Body):
    """A version to be registered."""

    version: VersionName


class Ending(Body):
    """From when on a version is deprecated, or stops working; and the version to move to."""

    at: Annotated[Moment, Field(description="The moment, now or later.")]
    successor: VersionName | None = None


class CallersWanted(Wanted):
    """Of which time the callers are wanted, and how many at most."""

    limit: Annotated[int, Field(ge=1, le=200, description="How many are shown at most.")] = 50
    since: Annotated[Moment | None, Field(description="From this moment on. Default: the last seven days.")] = None


class AdoptionWanted(Wanted):
    """Whose calls are wanted, over how many days, and how many of the callers at most."""

    owner: Annotated[str, Field(max_length=100, description="Of this owner alone. Default: of all.")] = ""
    days: Annotated[int, Field(ge=1, le=366, description="How many days are shown.")] = 90
    limit: Annotated[int, Field(ge=1, le=1_000, description="How many callers are shown at most.")] = 100


class NewBrownout(Body):
    """A time in which a version is not to work."""

    starts_at: Moment
    ends_at: Moment
    status: Annotated[int, Field(description="What every request is answered: 410 or 503.")] = 410


@dataclass(frozen=True, slots=True)
class ShownVersion:
    """A version. *stage* is ``active``, ``deprecated`` or ``sunset`` at the moment of the question."""

    version: str
    stage: str
    deprecated_at: float | None
    sunset_at: float | None
    successor: str | None
    brownouts: tuple[Brownout, ...]


@router.get("/versions", response_model=page_of(ShownVersion))
def list_versions(call: ReadApis, api: str) -> Response:
    """An API's versions with their brownouts, in the order of their names. One page."""

    def found(reader: Reader) -> dict[str, object]:
        _require_visible(call, api)
        return {"items": [_shown(each, reader.now) for each in versions.listed(reader, api)], "next": None}

    return call.ask(found)


@router.post("/versions", status_code=201, response_model=shape(ShownVersion))
def register_version(call: WriteApis, api: str, new: NewVersion) -> Response:
    """Register a version. It is active."""
    call.require_staff()
    return call.write(lambda tx: _shown(versions.register(tx, api, new.version), tx.now), status=201)


@router.get("/versions/{version}", response_model=shape(ShownVersion))
def get_version(call: ReadApis, api: str, version: str) -> Response:
    """A version, its dates and its brownouts."""
    return call.ask(lambda reader: _found(call, reader, api, version))


@router.get("/versions/{version}/callers", response_model=page_of(VersionCaller))
def list_callers(call: ReadUsage, api: str, version: str, wanted: Annotated[CallersWanted, Query()]) -> Response:
    """The keys that still call a version, the busiest first. One page."""
    call.require_staff()

    def found(reader: Reader) -> dict[str, object]:
        versions.require(reader, api, version)
        since = reader.now - WEEK_S if wanted.since is None else wanted.since
        return {"items": usage.callers_of(reader, api, version, since=since, limit=wanted.limit), "next": None}

    return call.ask(found)


@router.get("/versions/{version}/adoption", response_model=shape(Adoption))
def get_adoption(call: ReadUsage, api: str, version: str, wanted: Annotated[AdoptionWanted, Query()]) -> Response:
    """How a version is left: its calls by day, who still calls it, and whom its sunset will meet.

    Staff see everybody; a member names one of its owners, and sees that one.
    """

    def found(reader: Reader) -> Adoption:
        _require_visible(call, api)
        if call.user is not None:
            if not wanted.owner:
                raise ProblemError("request_malformed", "owner: name the owner whose calls you ask for.")
            call.require_right(reader, wanted.owner, Right.SEE)
        return usage.adoption(reader, api, version, owner=wanted.owner, days=wanted.days, limit=wanted.limit)

    return call.ask(found)


@router.post("/versions/{version}/deprecate", response_model=shape(ShownVersion))
def deprecate_version(call: WriteApis, api: str, version: str, ending: Ending) -> Response:
    """Deprecate a version from a moment on. Once it has come, that stays."""
    call.require_staff()

    def work(tx: Tx) -> ShownVersion:
        return _shown(versions.deprecate(tx, api, version, at=ending.at, successor=ending.successor), tx.now)

    return call.write(work, of=lambda reader: _found(call, reader, api, version))


@router.post("/versions/{version}/sunset", response_model=shape(ShownVersion))
def sunset_version(call: WriteApis, api: str, version: str, ending: Ending) -> Response:
    """End a version at a moment. Once it has come, every request for the version is refused, for good."""
    call.require_staff()

    def work(tx: Tx) -> ShownVersion:
        return _shown(versions.sunset(tx, api, version, at=ending.at, successor=ending.successor), tx.now)

    return call.write(work, of=lambda reader: _found(call, reader, api, version))


@router.post("/versions/{version}/brownouts", status_code=201, response_model=shape(ShownVersion))
def announce_brownout(call: WriteApis, api: str, version: str, new: NewBrownout) -> Response:
    """Announce minutes in which a deprecated version does not work, so that its callers notice before it ends."""
    call.require_staff()

    def work(tx: Tx) -> ShownVersion:
        made = versions.announce_brownout(
            tx, api, version, starts_at=new.starts_at, ends_at=new.ends_at, status=new.status
        )
        return _shown(made, tx.now)

    return call.write(work, status=201, of=lambda reader: _found(call, reader, api, version))


@router.delete("/brownouts/{brownout}", response_model=shape(ShownVersion))
def cancel_brownout(call: WriteApis, api: str, brownout: str) -> Response:
    """Cancel a brownout, also one that has begun. What has ended stays. The answer is the version that it was of."""
    call.require_staff()
    return call.write(lambda tx: _shown(versions.cancel_brownout(tx, api, brownout), tx.now))


def _require_visible(call: Call, api: str) -> None:
    if api == BUILT_IN and call.user is not None:
        raise ProblemError("api_unknown", f"There is no API {api!r}.")


def _found(call: Call, reader: Reader, api: str, version: str) -> ShownVersion:
    _require_visible(call, api)
    return _shown(versions.require(reader, api, version), reader.now)


def _shown(version: Version, now: float) -> ShownVersion:
    return ShownVersion(
        version=version.name,
        stage=version.stage(now).name.lower(),
        deprecated_at=version.deprecated_at,
        sunset_at=version.sunset_at,
        successor=version.successor,
        brownouts=version.brownouts,
    )

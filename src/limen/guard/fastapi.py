"""FastAPI's side of the guard: routes declare their scopes, and the start fails where routes and profile differ.

``requires`` decides nothing: the Guard has decided before a route is found. What it declares goes into the OpenAPI
document, and is held against the profile when the application starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.requests import HTTPConnection
from fastapi.routing import APIRoute, APIWebSocketRoute, iter_route_contexts

from limen.core.problems import ProblemError
from limen.core.routes import Operation
from limen.core.versions import well_formed
from limen.guard.asgi import Guard
from limen.guard.caller import Caller, caller_of

if TYPE_CHECKING:
    from limen.app import App
    from limen.core.rules import Rules
    from limen.settings import Settings

__all__ = ["Caller", "protect", "requires"]


class _Required:
    """A route's scopes, and the caller for its handler."""

    def __init__(self, scopes: tuple[str, ...]) -> None:
        self.scopes = scopes

    async def __call__(self, connection: HTTPConnection) -> Caller:
        caller = caller_of(connection.scope)
        if caller is None:
            raise RuntimeError("a route that requires a caller is a public operation of the profile")
        return caller


def requires(*scopes: str) -> _Required:
    """A dependency that declares that its route needs all of *scopes*, and hands it the ``Caller``."""
    return _Required(scopes)


def protect(
    app: FastAPI,
    *,
    api: str,
    environment: str | None = "live",
    whole: bool = True,
    settings: Settings | None = None,
    opened: App | None = None,
) -> None:
    """Put the Guard of *api* before *app*. The start fails where *app*'s routes and the profile differ (R50).

    *whole*: *app* serves every operation of the profile; false for one of several applications behind one API.
    *environment*, *opened*: as of ``Guard``.
    *app*'s OpenAPI document then states each route's scopes as its security requirement, and, once the application has
    started, where the key and the version travel.
    """
    carried: dict[str, str] = {"type": "http", "scheme": "bearer"}
    version: dict[str, Any] = {}

    def check(rules: Rules) -> None:
        if differences := list(_differences(app, rules, whole=whole)):
            raise ProblemError(
                "profile_conflict", f"Routes and profile of {api!r} differ: " + "; ".join(differences) + "."
            )
        first = rules.profile.carriers[0]
        if first.kind != "bearer":
            carried.clear()
            carried.update({"type": "apiKey", "in": first.kind, "name": first.name})
        version.update(_version(rules))

    app.add_middleware(Guard, api=api, environment=environment, settings=settings, check=check, opened=opened)
    _document(app, carried, version)


def _routes(app: FastAPI) -> Iterator[tuple[str, Any, tuple[str, ...] | None]]:
    for context in iter_route_contexts(app.routes):  # with the routes of included routers
        if isinstance(context.original_route, APIRoute):
            for method in sorted((context.methods or set()) - {"HEAD"}):
                yield method, context, _declared(context.dependant)
        elif isinstance(context.original_route, APIWebSocketRoute):
            yield "GET", context, _declared(context.dependant)  # what a handshake asks with (RFC 6455 §4.1)


def _declared(dependant: Dependant) -> tuple[str, ...] | None:
    """The scopes that a route's dependencies declare, together; None where none does."""
    found: tuple[str, ...] | None = dependant.call.scopes if isinstance(dependant.call, _Required) else None
    for below in dependant.dependencies:
        declared = _declared(below)
        if declared is not None:
            found = (*(found or ()), *declared)
    return found


def _differences(app: FastAPI, rules: Rules, *, whole: bool) -> Iterator[str]:
    versioning = rules.profile.versioning
    in_path = versioning is not None and versioning.carrier == "path"
    operations = {(found.method, _shape(found.path)): found for found in rules.profile.operations}
    served = set()
    for method, route, declared in _routes(app):
        shape = _shape(route.path)
        if in_path and (shape[0] == "{}" or well_formed(shape[0], "segment")) and (method, shape) not in operations:
            shape = shape[1:]
        served.add((method, shape))
        difference = _difference(operations.get((method, shape)), declared)
        if difference:
            yield f"{method} {route.path} {difference}"
    for call, operation in operations.items():
        if whole and call not in served:
            yield f"{operation.method} {operation.path} is in the profile and has no route"


def _difference(operation: Operation | None, declared: tuple[str, ...] | None) -> str:
    """In what a route that declares these scopes differs from its operation; empty where it does not."""
    if operation is None:
        return "is not in the profile"
    if operation.public:
        return "" if declared is None else "is public in the profile and requires a caller in the application"
    if declared is None:
        return "needs a key by the profile, and requires() nothing in the application"
    if operation.scopes == frozenset(declared):
        return ""
    wanted, has = ", ".join(sorted(operation.scopes)) or "none", ", ".join(sorted(declared)) or "none"
    return f"needs {wanted} by the profile, {has} in the application"


def _shape(path: str) -> tuple[str, ...]:
    """A template's segments, with its parameters' names left out."""
    return tuple("{}" if segment.startswith("{") else segment for segment in path.strip("/").split("/"))


def _version(rules: Rules) -> dict[str, Any]:
    """The header that says a request's version, as a parameter of OpenAPI; empty where none does."""
    versioning = rules.profile.versioning
    if versioning is None or versioning.carrier != "header":
        return {}
    return {
        "name": versioning.header,
        "in": "header",
        "required": versioning.missing == "refuse",
        "description": "The version that the request is for.",
        "schema": {"type": "string"},
        "example": max(each.name for each in versioning.versions),
    }


def _document(app: FastAPI, carried: dict[str, str], version: dict[str, Any]) -> None:
    """State the scopes in *app*'s OpenAPI document (OpenAPI 3.1: roles may stand beside any scheme)."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        document = plain()
        for method, route, declared in _routes(app):
            call = document["paths"].get(route.path_format, {}).get(method.lower())
            if call is not None and declared is not None:
                call["security"] = [{"ApiKey": list(declared)}]
                if not declared:  # said, and not forgotten: any valid key will do
                    call["x-limen-scopes"] = []
                if version:
                    call.setdefault("parameters", []).append(dict(version))
        document.setdefault("components", {}).setdefault("securitySchemes", {})["ApiKey"] = dict(carried)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document

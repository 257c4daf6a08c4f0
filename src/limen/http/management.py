"""The management API, ``/v1``: a FastAPI application behind Limen's own Guard."""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from limen.app import App
from limen.core.profile import BUILT_IN
from limen.guard.fastapi import protect
from limen.guard.transport import Networks, origin_of
from limen.http import document, refusals
from limen.http.arrival import Arriving
from limen.http.beside import Outside
from limen.http.calls import Flights
from limen.http.routes import ROUTERS, leaks
from limen.profiles import built_in


def create_management(limen: App) -> FastAPI:
    """The application. It does not start where its routes and the built-in profile differ, and closes nothing."""
    app = FastAPI(
        **document.about(),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
        generate_unique_id_function=operation_id,
    )
    outside = Outside()
    app.state.limen, app.state.flights = limen, Flights()
    for router in ROUTERS:
        app.include_router(router, prefix="/v1")
    refusals.install(app)
    document.install(app, built_in())
    app.add_middleware(
        Arriving,
        address_of=partial(_address, limen.settings.trusted_proxies),
        attempts=limen.attempts,
        outside=outside.run,
        absent={} if limen.settings.github_keys else {"reportGithubAlerts": leaks.NO_GITHUB},
    )
    protect(app, api=BUILT_IN, opened=limen)
    app.state.document = document.written(app)
    return app


def operation_id(route: APIRoute) -> str:
    """The name of a route's operation: that of its function, ``list_keys``, as the profile writes it, ``listKeys``."""
    first, *others = route.name.split("_")
    return first + "".join(map(str.capitalize, others))


def _address(trusted: Networks, scope: MutableMapping[str, Any]) -> str:
    """Whence a request comes; empty where nobody can say, as through a unix socket."""
    client = scope.get("client")
    address, _ = origin_of(client and client[0], scope.get("scheme", "http"), scope["headers"], trusted)
    return address or ""

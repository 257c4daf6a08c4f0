"""The composition root: database, routes, errors, and Limen in front of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from examples.organisation_platform import analytics, consumers, errors, experiences, members, organisations
from examples.organisation_platform.access import PUBLIC
from examples.organisation_platform.store import Store
from limen.guard.fastapi import protect
from limen.settings import Settings

SUBJECTS = (experiences, consumers, analytics, organisations, members)


def create_app(
    database_url: str, guarded: bool = True, *, api: str = "organisation", settings: Settings | None = None
) -> FastAPI:
    """The API on the database at *database_url*, whose missing tables are created.

    *guarded* puts Limen in front, under the profile *api*; the start fails where profile and routes differ. Without it
    no route has a caller until something else provides one, as the tests of the API itself do. *settings*: Limen's own;
    default, the environment's.
    """
    store = Store(database_url)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        store.close()

    # The document is a route like the others, so that the profile can name it; the pages drawn from it are not served.
    app = FastAPI(title="Organisation platform API", version="1.0", openapi_url=None, lifespan=lifespan)
    app.state.store = store
    for subject in SUBJECTS:
        app.include_router(subject.router, prefix="/v1")

    @app.get("/openapi.json", operation_id="getOpenapi", tags=["Document"], openapi_extra=PUBLIC)
    async def get_openapi() -> dict[str, Any]:
        """This document."""
        return app.openapi()

    errors.install(app)
    if guarded:
        # Keys of both environments come to the same address. Which data they see is decided in store.py, by the
        # environment of the key that the guard admitted.
        protect(app, api=api, environment=None, settings=settings)
    return app

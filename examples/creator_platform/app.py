"""The composition root: database, routes, errors, and Limen in front of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI

from examples.creator_platform import agencies, audience, chats, errors, insights, messages, users
from examples.creator_platform.access import PUBLIC
from examples.creator_platform.conditional import Conditional
from examples.creator_platform.store import Store
from limen.guard.fastapi import protect


def create_app(database_url: str, guarded: bool = True, *, api: str = "creator") -> FastAPI:
    """The API on the database at *database_url*, whose missing tables are created.

    *guarded* puts Limen in front, under the profile *api*; the start fails where profile and routes differ. Without it
    no route has a caller until something else provides one, as the tests of the API itself do.
    """
    store = Store(database_url)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        store.close()

    app = FastAPI(title="Creator platform API", version="0.1", openapi_url=None, lifespan=lifespan)
    app.state.store = store
    for subject in (users, chats, messages, audience, insights, agencies):
        app.include_router(subject.router)
    app.include_router(_document(app))
    errors.install(app)
    if guarded:
        protect(app, api=api)
    return app


def _document(app: FastAPI) -> APIRouter:
    """The document is a route like the others, so that the profile can name it and a client need not read it twice."""
    router = APIRouter(tags=["Document"], route_class=Conditional)

    @router.get("/openapi.json", operation_id="getOpenapi", openapi_extra=PUBLIC)
    async def get_openapi() -> dict[str, Any]:
        """This document."""
        return app.openapi()

    return router

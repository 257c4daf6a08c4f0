"""The composition root: database, routes, errors, and Limen in front of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from examples.creator_platform import chats, errors, messages, users
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

    # The document is a route like the others, so that the profile can name it; the pages drawn from it are not served.
    app = FastAPI(title="Creator platform API", version="0.1", openapi_url=None, lifespan=lifespan)
    app.state.store = store
    app.include_router(users.router)
    app.include_router(chats.router)
    app.include_router(messages.router)

    @app.get("/openapi.json", operation_id="getOpenapi", tags=["Document"])
    async def get_openapi() -> dict[str, Any]:
        """This document."""
        return app.openapi()

    errors.install(app)
    if guarded:
        protect(app, api=api)
    return app

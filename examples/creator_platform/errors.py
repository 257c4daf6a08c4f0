"""Every refusal of the API itself: its exception, its body, its place in the OpenAPI document.

What Limen refuses (401, 403, 410, 429 and a missing version) never reaches this code.
"""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException


class Message(BaseModel):
    """A refusal with one reason: not found, not contactable, not a uuid."""

    message: str


class Errors(BaseModel):
    """A refusal of the input, one line a mistake."""

    errors: list[str]


class Unauthorized(BaseModel):
    """A refusal of the key, or of what it may do."""

    error: str


class UnsupportedVersion(BaseModel):
    """A refusal of the version: there is none of this name, or the request names none."""

    error: str
    message: str


class SunsetVersion(UnsupportedVersion):
    """A refusal of the version: it is no longer served."""

    next_version: str | None = Field(default=None, alias="nextVersion")


class RateLimited(BaseModel):
    """A refusal for now."""

    error: str
    retry_after: int = Field(alias="retryAfter", description="Seconds, as in the header Retry-After")


class Refusal(Exception):
    """A request that is well formed and still cannot be done. Its text is for the caller."""

    status = 400

    @property
    def body(self) -> dict[str, str]:
        """What is answered."""
        return {"message": str(self)}


class NotFound(Refusal):
    """There is no such thing for this caller. Whether it exists for someone else is not told."""

    status = 404


class NotContactable(Refusal):
    """The person cannot be written to, or does not exist: the two are not told apart."""


class Forbidden(Refusal):
    """The caller's scopes suffice, and the caller's role does not."""

    status = 403

    @property
    def body(self) -> dict[str, str]:
        """What is answered."""
        return {"error": "Forbidden"}


Responses = dict[int | str, dict[str, Any]]

COMMON: Responses = {
    400: {
        "model": Errors | Message | UnsupportedVersion,
        "description": "Invalid input, or an unsupported API version",
    },
    401: {"model": Unauthorized, "description": "No valid key"},
    403: {"model": Unauthorized, "description": "The key, or its owner, may not do this"},
    410: {"model": SunsetVersion, "description": "The API version has been sunset"},
    429: {"model": RateLimited, "description": "Over the rate limit"},
    503: {"model": Unauthorized, "description": "Nothing can be decided now"},
}
"""The refusals of every secured operation."""

WITH_NOT_FOUND: Responses = COMMON | {404: {"model": Message, "description": "Not found"}}
"""The refusals of an operation that resolves an id."""


def install(app: FastAPI) -> None:
    """Answer every refusal of *app* in the platform's shapes, and describe them so."""

    @app.exception_handler(Refusal)
    async def refused(_request: Request, error: Refusal) -> JSONResponse:
        return JSONResponse(error.body, error.status)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        mistakes = error.errors()
        if any(mistake["loc"][0] == "path" for mistake in mistakes):
            return JSONResponse({"message": "Invalid UUID"}, 400)
        return JSONResponse({"errors": [_line(mistake["loc"], mistake["msg"]) for mistake in mistakes]}, 400)

    @app.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 400:  # a body that is not text
            return JSONResponse({"errors": [f"body: {error.detail}"]}, 400)
        return JSONResponse({"message": error.detail}, error.status_code, error.headers)

    _describe(app)


def _line(location: Sequence[str | int], text: str) -> str:
    """One mistake in words. It repeats nothing of the input's values."""
    source, *names = location
    return f"{'.'.join(map(str, names)) or source}: {text.removeprefix('Value error, ')}"


def _describe(app: FastAPI) -> None:
    """FastAPI documents 422 wherever there is input; this API answers 400."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        document = describe()
        for path in document["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
        for unused in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(unused, None)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI names for changing its document

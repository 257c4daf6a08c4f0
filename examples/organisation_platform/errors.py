"""Every refusal of the API itself: its exception, its body, its place in the OpenAPI document.

What Limen refuses never reaches this code. Its profile writes those refusals in the same shapes, so that a client reads
one kind of error, and they stand in the document beside our own.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.exceptions import HTTPException


class Mistake(BaseModel):
    """One thing in a request that is wrong."""

    field: str
    message: str


class ErrorBody(BaseModel):
    """A refusal. ``error`` is for programs, ``message`` for people."""

    error: str
    message: str
    code: str | None = Field(default=None, description="The precise reason, where access was refused")


class InvalidBody(ErrorBody):
    """A refusal of the input, with every mistake that was found in it."""

    details: list[Mistake] | None = None


class GoneBody(ErrorBody):
    """A version of the API that is no more."""

    model_config = ConfigDict(alias_generator=to_camel)

    next_version: str


class LimitedBody(BaseModel):
    """Too many requests."""

    model_config = ConfigDict(alias_generator=to_camel)

    error: str
    retry_after: int = Field(description="Seconds until there is room again")
    code: str | None = None


class Refusal(Exception):
    """A request that is well formed and still cannot be done. Its text is for the caller."""

    status: ClassVar[int]
    error: ClassVar[str]

    def __init__(self, message: str, *mistakes: tuple[str, str]) -> None:
        """*mistakes*: field and message, where it is to be told which fields are meant."""
        super().__init__(message)
        self.mistakes = mistakes


class Invalid(Refusal):
    """Input that only a look at all of it shows to be wrong."""

    status, error = 400, "validation_error"


class NotFound(Refusal):
    """There is no such thing for this caller. Whether it exists for someone else is not told."""

    status, error = 404, "not_found"


class Conflict(Refusal):
    """What is there already forbids it."""

    status, error = 409, "conflict"


Responses = dict[int | str, dict[str, Any]]

READING: Responses = {
    400: {"model": InvalidBody, "description": "Invalid input, or an unsupported API version"},
    401: {"model": ErrorBody, "description": "No valid key"},
    403: {"model": ErrorBody, "description": "The key may not do this"},
    404: {"model": InvalidBody, "description": "Not found"},
    410: {"model": GoneBody, "description": "The API version has been sunset"},
    429: {"model": LimitedBody, "description": "Over the rate limit"},
    503: {"model": ErrorBody, "description": "Cannot be decided or done at the moment"},
}
"""The refusals of every operation with a key."""

WRITING: Responses = READING | {409: {"model": InvalidBody, "description": "What is there already forbids it"}}
"""The refusals of an operation that what is there already may forbid."""


def install(app: FastAPI) -> None:
    """Answer every refusal of *app* in the platform's shapes, and describe them so."""

    @app.exception_handler(Refusal)
    async def refused(_request: Request, refusal: Refusal) -> JSONResponse:
        return _answer(refusal.status, refusal.error, str(refusal), refusal.mistakes)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        mistakes = [(_field(each["loc"]), each["msg"].removeprefix("Value error, ")) for each in error.errors()]
        return _answer(400, "validation_error", "The request is not valid.", mistakes)

    @app.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> JSONResponse:
        names = {400: "validation_error", 404: "not_found", 405: "method_not_allowed"}
        answer = _answer(error.status_code, names.get(error.status_code, "error"), str(error.detail))
        answer.headers.update(error.headers or {})
        return answer

    _describe(app)


def _answer(status: int, error: str, message: str, mistakes: Sequence[tuple[str, str]] = ()) -> JSONResponse:
    body: dict[str, Any] = {"error": error, "message": message}
    if mistakes:
        body["details"] = [{"field": field, "message": text} for field, text in mistakes]
    return JSONResponse(body, status)


def _field(location: Sequence[str | int]) -> str:
    """Where a mistake is. Nothing of the input's values is repeated."""
    source, *names = location
    return ".".join(map(str, names)) or str(source)


def _describe(app: FastAPI) -> None:
    """FastAPI documents 422 wherever there is input; this API answers 400."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        document = describe()
        for path in document["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
        for unused in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(unused, None)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI names for changing its document

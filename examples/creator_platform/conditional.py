"""Reads that need not be sent twice: an ``ETag`` with every one, and 304 for who has it already (RFC 9110 §13)."""

from collections.abc import Callable, Coroutine
from hashlib import blake2b
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

_DIGEST_BYTES = 16
CACHE_CONTROL = "private, no-cache"
"""Kept by the caller alone, and asked about each time: whoever lost a scope must not go on reading a copy."""


class Conditional(APIRoute):
    """A route whose 200 to a GET carries an ``ETag`` of its body. ``If-None-Match`` that names it is answered 304."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        """As of ``APIRoute``; a read is documented with its 304."""
        if more.get("methods") == ["GET"] or more.get("methods") == {"GET"}:
            more["responses"] = {**(more.get("responses") or {}), 304: {"description": "What you have is still right"}}
        super().__init__(path, endpoint, **more)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's own handler, with the condition around it."""
        answer = super().get_route_handler()

        async def conditionally(request: Request) -> Response:
            response = await answer(request)
            if request.method != "GET" or response.status_code != 200:
                return response
            etag = f'"{blake2b(response.body, digest_size=_DIGEST_BYTES).hexdigest()}"'
            headers = {"etag": etag, "cache-control": CACHE_CONTROL}
            if _names(request.headers.getlist("if-none-match"), etag):
                return Response(status_code=304, headers=headers)
            response.headers.update(headers)
            return response

        return conditionally


def _names(fields: list[str], etag: str) -> bool:
    """Whether an ``If-None-Match`` names *etag*, compared weakly, or is ``*``."""
    named = [tag.strip().removeprefix("W/") for field in fields for tag in field.split(",")]
    return etag in named or named == ["*"]

"""Reads that a client may keep: each answer carries an ``ETag``, and who has that answer already is told so with 304.

A body that was kept still costs a request, which counts against the limit, and no longer costs its transfer.
"""

from collections.abc import Callable, Coroutine
from hashlib import blake2b
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from examples.organisation_platform.errors import READING, Responses

REVALIDATED: Responses = READING | {
    200: {"headers": {"ETag": {"schema": {"type": "string"}, "description": "For If-None-Match"}}},
    304: {"description": "What If-None-Match names is still so"},
}
"""What a read answers beside its own shape."""

_OURS = {"Cache-Control": "private, no-cache"}  # kept by the caller alone, and asked about before each use


class RevalidatedRoute(APIRoute):
    """A route whose reads are answered by ``ETag`` and ``If-None-Match`` (RFC 9110 §13.1.2)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, and behind it the comparison with what the caller has."""
        answer = super().get_route_handler()

        async def revalidate(request: Request) -> Response:
            response = await answer(request)
            if request.method != "GET" or response.status_code != 200:
                return response
            tag = f'"{blake2b(response.body, digest_size=16).hexdigest()}"'
            response.headers.update(_OURS | {"ETag": tag})
            if _has(request.headers.getlist("if-none-match"), tag):
                return Response(status_code=304, headers=_OURS | {"ETag": tag})
            return response

        return revalidate


def _has(lines: list[str], tag: str) -> bool:
    """Whether ``If-None-Match`` names *tag*, compared weakly as the standard has it."""
    named = [each.strip().removeprefix("W/") for line in lines for each in line.split(",")]
    return tag in named or named == ["*"]

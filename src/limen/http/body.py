"""Reading a request's body, no further than it may go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

MAX_BODY_BYTES = 262_144


class BodyTooLarge(Exception):
    """The body goes on behind what is read."""


async def read_body(receive: Callable[[], Awaitable[MutableMapping[str, Any]]], most: int = MAX_BODY_BYTES) -> bytes:
    """The whole body. Raises BodyTooLarge beyond *most* bytes; what a caller that left had sent is empty."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise BodyTooLarge(f"The body is larger than {most} bytes.")
        if not message.get("more_body", False):
            return b"".join(parts)

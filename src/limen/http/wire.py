"""Writing answers as plain ASGI, for doors that no framework stands in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from limen.core.problems import PROBLEMS, problem_body

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON: Header = (b"content-type", b"application/json")
NO_STORE: Header = (b"cache-control", b"no-store")


async def lifespan(scope: MutableMapping[str, Any], receive: Any, send: Send, close: Callable[[], None]) -> None:
    """Serve the lifespan protocol: nothing at the start, *close* at the end. Any other protocol is left unanswered."""
    if scope["type"] != "lifespan":
        return
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    close()
    await send({"type": "lifespan.shutdown.complete"})


async def reply(send: Send, status: int, headers: tuple[Header, ...], body: bytes) -> None:
    """A whole answer."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def reply_json(send: Send, status: int, body: object) -> None:
    """A whole answer in JSON, that nobody keeps."""
    await reply(send, status, (JSON, NO_STORE), msgspec.json.encode(body))


def as_forbidden(send: Send) -> Send:
    """*send*, for nginx, which knows only 2xx, 401 and 403 of an answer, and nothing of its body.

    A refusal goes out as 403, with its status and its body in the headers ``Limen-Status`` and ``Limen-Body`` too.
    """
    started: MutableMapping[str, Any] = {}

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            started.update(message)
            return
        if started["status"] != 200:
            body = message["body"].replace(b"\x7f", b"\\u007f")  # of what JSON leaves as it is, no header may hold this
            told = ((b"limen-status", b"%d" % started["status"]), (b"limen-body", body))
            started.update(status=403, headers=(*started["headers"], *told))
        await send(started)
        await send(message)

    return sending


async def problem(send: Send, code: str, detail: str = "", headers: tuple[Header, ...] = (), **extra: Any) -> None:
    """The problem *code* (RFC 9457). *extra* are members beside those that every problem has."""
    known = PROBLEMS[code]
    body = problem_body(known, detail, **extra)
    media = (b"content-type", b"application/problem+json")
    await reply(send, known.status, (media, NO_STORE, *headers), msgspec.json.encode(body))

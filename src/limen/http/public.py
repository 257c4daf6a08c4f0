"""The public listener: alive, ready, and nothing else yet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from limen.app import App
from limen.control import apis
from limen.core.problems import StoreDown
from limen.http.wire import lifespan, problem, reply_json

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Public:
    """The ASGI application of the public listener."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await lifespan(scope, receive, send, self._app.close)
        elif scope["path"] == "/livez":
            await reply_json(send, 200, {"status": "ok"})
        elif scope["path"] == "/readyz":
            ready = self._readable()
            await reply_json(send, 200 if ready else 503, {"status": "ok" if ready else "unavailable"})
        else:
            await problem(send, "not_found")

    def _readable(self) -> bool:
        try:
            with self._app.reading() as reader:
                apis.listed(reader)
                return True
        except StoreDown:
            return False

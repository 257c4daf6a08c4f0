"""The public listener: alive, ready, and the management API behind its Guard."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import ExitStack
from typing import Any

from limen.app import App
from limen.control import apis
from limen.core.keys import BODY_CHARS, is_key
from limen.core.problems import StoreDown
from limen.core.routes import METHODS, Routes
from limen.http import pages
from limen.http.arrival import ACT_FOR
from limen.http.management import create_management
from limen.http.metrics import metrics
from limen.http.routes.leaks import with_scheme
from limen.http.wire import problem, reply_json
from limen.profiles import built_in

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_KEY_IN_ADDRESS = "An address names a key by its id, never by its text. Replace that key: addresses get into logs."
_NOSNIFF = (b"x-content-type-options", b"nosniff")


class Public:
    """The ASGI application of the public listener. It closes *app* when the server stops it."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._management = create_management(app)
        self._routes = Routes(built_in().operations)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, _unguessed(send))

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The App is closed before the server is told that this has ended: it may end the process at once."""
        with ExitStack() as stack:
            stack.callback(self._app.close)

            async def told(message: MutableMapping[str, Any]) -> None:
                if message["type"].startswith("lifespan.shutdown."):
                    stack.close()
                await send(message)

            await self._management(scope, receive, told)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/livez":
            await reply_json(send, 200, {"status": "ok"})
        elif scope["path"] == "/readyz":
            ready = await asyncio.to_thread(self._readable)
            await reply_json(send, 200 if ready else 503, {"status": "ok" if ready else "unavailable"})
        elif scope["path"] == "/metrics" and self._app.settings.metrics_public and scope["method"] in ("GET", "HEAD"):
            await metrics(self._app, send)
        elif scope["path"].startswith("/v1/"):
            await self._manage(scope, receive, send)
        elif pages.is_page(scope["path"]):
            await pages.answer(self._app, scope, receive, send)
        else:
            await problem(send, "not_found")

    async def _manage(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request to the management API, unless its address is known and its method is not.

        Nor with the text of a key in its address, which would be written into the journal.
        """
        if any(_is_key(segment.encode("utf-8", "replace")) for segment in scope["path"].split("/")):
            await problem(send, "not_found", _KEY_IN_ADDRESS)
            return
        path, method = scope.get("raw_path") or scope["path"].encode(), scope["method"].encode()
        allowed = self._allowed(path)
        if allowed and method.decode("latin-1") not in allowed:
            await problem(send, "method_not_allowed", headers=((b"allow", ", ".join(allowed).encode()),))
            return
        act_for = [value.decode("latin-1") for name, value in scope["headers"] if name == b"limen-act-for"]
        headers = with_scheme(scope["headers"], scope["path"])
        await self._management({**scope, "headers": headers, ACT_FOR: act_for}, receive, send)

    def _allowed(self, path: bytes) -> list[str]:
        """The methods that the address *path* answers: where a template is the very address, those of that template."""
        found = {name: self._routes.find(name.encode(), path) for name in (*METHODS, "HEAD")}
        known = {name: operation for name, operation in found.items() if operation is not None}
        exact = [name for name, operation in known.items() if operation.path.encode() == path]
        return exact or list(known)

    def _readable(self) -> bool:
        try:
            with self._app.reading() as reader:
                apis.listed(reader)
                return True
        except StoreDown:
            return False


def _is_key(segment: bytes) -> bool:
    """Whether it has the form of a key, whatever it begins with."""
    return is_key(segment, frozenset((segment[:-BODY_CHARS],)))


def _unguessed(send: Send) -> Send:
    """*send*, with the word that nobody is to guess what an answer is."""

    async def told(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), _NOSNIFF]}
        await send(message)

    return told

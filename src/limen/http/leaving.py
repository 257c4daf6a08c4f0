"""How a worker leaves: it takes no new connection, answers what comes on those it has, and says that they end.

A server that closes a connection while a request is on its way to it loses that request. So a worker that is told to
end (SIGTERM) first leaves the socket, which the other workers go on with, and every answer from then on closes its
connection; only what has been silent for all of ``LEAVE_S`` is closed unasked. SIGINT ends it at once.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

LEAVE_S = 1.0
"""How long a worker that is told to end waits for those who are connected to it to ask once more."""

LOOK_S = 0.02
"""How often it looks whether anybody still is."""

_CLOSE = (b"connection", b"close")


class Leaving:
    """*app*, in a worker that leaves as said above. The signal is taken over when the server starts its lifespan."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._answer: ASGIApp = self._first
        self._task: asyncio.Task[None] | None = None

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one request."""
        return self._answer(scope, receive, send)

    async def _first(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._leave)
            self._answer = self._app
        await self._app(scope, receive, send)

    async def _last(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), _CLOSE]}
            await send(message)

        closes = scope["type"] == "http" and scope["http_version"].startswith("1")  # HTTP/2 has a frame for it
        await self._app(scope, receive, told if closes else send)

    def _leave(self) -> None:
        if self._task is None:
            self._answer = self._last
            self._task = asyncio.get_running_loop().create_task(self._wait())

    async def _wait(self) -> None:
        """Until nobody is connected any more, or ``LEAVE_S`` have passed; then the server's own end, by SIGINT."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + LEAVE_S
        try:
            places = _deafen()
            while loop.time() < ends_at and any(each.place in places for each in _sockets()):
                await asyncio.sleep(LOOK_S)
        finally:
            signal.raise_signal(signal.SIGINT)


class _Socket(NamedTuple):
    """A socket that this process has open."""

    number: int
    place: object
    """Where callers find it: the path, or the port."""
    listens: bool


def _sockets() -> list[_Socket]:
    found = []
    for path in list(Path("/dev/fd").iterdir()):
        with suppress(OSError):  # it is none, or was closed just now
            seen = socket.socket(fileno=int(path.name))
            try:
                name = seen.getsockname()
                listens = bool(seen.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
                found.append(_Socket(seen.fileno(), name[1] if isinstance(name, tuple) else name, listens))
            finally:
                seen.detach()  # it stays open
    return found


def _deafen() -> set[object]:
    """This process accepts no more; where it did. On Linux alone: elsewhere it accepts to its end.

    A socket that nobody knows takes the place of the one that it shares with others: to close that is the server's, and
    to shut it down would be the end of it for all of them.
    """
    listening = [each for each in _sockets() if each.listens]
    if sys.platform == "linux":
        with socket.socket(socket.AF_UNIX) as nobodys:
            nobodys.bind("")  # a name that the kernel chooses
            nobodys.listen(1)
            nobodys.setblocking(False)
            for each in listening:
                os.dup2(nobodys.fileno(), each.number, inheritable=False)
    return {each.place for each in listening}

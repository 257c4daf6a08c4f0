"""Guard for ASGI: decides once, before the application routes, for ``http`` and ``websocket`` alike.

It decides by the raw path, which is what the client sent. It takes inbound ``Limen-*`` headers and a query key out of a
copy of the scope, adds the caller's headers to the application's own answer, and journals the status it answered with.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from limen.core.answers import caller_headers, refusal
from limen.core.carriers import Carried, is_preflight
from limen.core.problems import PROBLEMS, ProblemError
from limen.core.verdict import OK, Ask, Verdict
from limen.guard.caller import KEY
from limen.guard.cors import cors_headers, preflight_headers
from limen.guard.transport import origin_of

if TYPE_CHECKING:
    from limen.app import App, GateHouse
    from limen.core.rules import Rules
    from limen.settings import Settings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

_ours: weakref.WeakSet[Guard] = weakref.WeakSet()


class Guard:
    """An ASGI middleware that lets a request through to *app* when the gate of *api* admits it.

    The gate is opened when the server starts the application, or at the first request. A forked child opens its own.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        api: str,
        environment: str = "live",
        settings: Settings | None = None,
        check: Callable[[Rules], None] | None = None,
    ) -> None:
        """*settings*: default, the environment's. *check* is called with the rules at the start, and may refuse them."""
        self.app, self.api, self._settings, self._check = app, api, settings, check
        self._environment = environment.encode()
        self._limen: App | None = None
        self._house: GateHouse | None = None
        self._opening = asyncio.Lock()
        self._stop: Callable[[], None] | None = None
        _ours.add(self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the application answer, one request."""
        if scope["type"] == "http" or scope["type"] == "websocket":
            await self._request(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        house = self._house or await self._open()
        rules = house.gate.rules
        headers: list[Header] = scope["headers"]
        method = scope.get("method", "GET").encode()
        if method == b"OPTIONS" and is_preflight(method, headers):
            await self._preflight(scope, receive, send, rules)
            return
        carried = rules.carriers.read(headers, scope.get("raw_path") or b"", scope["query_string"])
        assert self._limen is not None
        now, at = self._limen.clock.read()
        client = scope.get("client")
        address, safe = origin_of(
            client[0] if client else None, scope.get("scheme", "http"), headers, self._limen.settings.trusted_proxies
        )
        if not safe:
            await _answer_problem(scope, send, "https_required")
            return
        ask = Ask(
            carried.credential,
            method,
            carried.path,
            carried.version,
            self._environment,
            now,
            at,
            carried.origin,
            address,
        )
        verdict = house.gate.check(ask)
        if verdict is None:
            verdict = await house.cold.decide(ask)
        if verdict.code is not OK:
            await self._refuse(scope, send, refusal(verdict, ask, rules), carried, rules)
            return
        await self._pass(scope, receive, send, house=house, verdict=verdict, carried=carried)

    async def _pass(
        self, scope: Scope, receive: Receive, send: Send, *, house: GateHouse, verdict: Verdict, carried: Carried
    ) -> None:
        """Let the application answer, and journal what it answered before the first byte leaves."""
        assert self._limen is not None
        rules, clock, reading = house.gate.rules, self._limen.clock, verdict.reading
        inner = {
            **scope,
            KEY: verdict,
            "headers": [header for header in scope["headers"] if not header[0].startswith((b"limen-", b"limen_"))],
            "query_string": carried.query,
        }
        settled = not reading

        async def answer(message: Message) -> None:
            nonlocal settled
            kind = message["type"]
            if kind == "http.response.start" or kind == "websocket.accept":
                now = clock.read()[0]
                if not settled:
                    settled = True
                    house.gate.journal.outcome(reading, message.get("status", 101), now)
                ours = (*caller_headers(verdict, rules, now), *_privacy(scope, carried), *cors_headers(rules, message))
                message = {**message, "headers": [*message.get("headers", ()), *ours]}
            await send(message)

        status = 499
        try:
            await self.app(inner, receive, answer)
        except asyncio.CancelledError:
            raise
        except BaseException:
            status = 500
            raise
        finally:
            if not settled:
                house.gate.journal.outcome(reading, status, clock.read()[0])

    async def _refuse(self, scope: Scope, send: Send, answer: Any, carried: Carried, rules: Rules) -> None:
        headers = (*answer.headers, *cors_headers(rules, {}))
        await _send(scope, send, answer.status, headers, answer.body)

    async def _preflight(self, scope: Scope, receive: Receive, send: Send, rules: Rules) -> None:
        """Answer a preflight where keys of this API are used from browsers; else it is the application's business."""
        if rules.cross_origin:
            await _send(scope, send, 204, preflight_headers(rules), b"")
        else:
            await self.app({**scope, KEY: Verdict(OK, None, None, None)}, receive, send)

    async def _open(self) -> GateHouse:
        async with self._opening:
            if self._house is None:
                self._house = await asyncio.to_thread(self._open_now)
            return self._house

    def _open_now(self) -> GateHouse:
        from limen.app import App  # here, so that importing a guard loads no SQL
        from limen.drain import Drainer

        self._limen = App.open(self._settings)
        house = self._limen.gate(self.api)
        if self._check is not None:
            self._check(house.gate.rules)
        if self._limen.settings.drain:
            self._stop = Drainer(self._limen).stop
        return house

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._open()
        except ProblemError as problem:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": str(problem)})
            return
        try:
            await self.app(scope, receive, send)
        finally:
            await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Let go of the gate. The next request opens it again."""
        if self._stop is not None:
            self._stop()
        if self._limen is not None:
            self._limen.close()
        self._forget()

    def _forget(self) -> None:
        self._limen = self._house = self._stop = None
        self._opening = asyncio.Lock()


def _privacy(scope: Scope, carried: Carried) -> tuple[Header, ...]:
    """An answer to a request with its key in the URL is kept by nobody (C2)."""
    return ((b"cache-control", b"no-store"),) if carried.query != scope["query_string"] else ()


async def _answer_problem(scope: Scope, send: Send, code: str) -> None:
    problem = PROBLEMS[code]
    body = f'{{"type":"urn:limen:problem:{code}","title":"{problem.title}","status":{problem.status},"detail":"{problem.detail}","code":"{code}"}}'
    headers = ((b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body)))
    await _send(scope, send, problem.status, headers, body.encode())


async def _send(scope: Scope, send: Send, status: int, headers: tuple[Header, ...], body: bytes) -> None:
    """A whole answer, to a request or to a WebSocket's opening handshake."""
    kind = "http.response"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008})
            return
        kind = "websocket.http.response"
    await send({"type": f"{kind}.start", "status": status, "headers": list(headers)})
    await send({"type": f"{kind}.body", "body": b"" if scope.get("method") == "HEAD" else body})


def _after_fork() -> None:
    """What a parent opened is the parent's: a child opens its own, or finds the gate taken."""
    for guard in list(_ours):
        guard._forget()


os.register_at_fork(after_in_child=_after_fork)

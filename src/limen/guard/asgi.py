"""Guard for ASGI: decides once, before the application routes, for ``http`` and ``websocket`` alike.

It decides by the raw path, which is what the client sent. It takes inbound ``Limen-*`` headers and a query key out of a
copy of the scope, adds the caller's headers to the application's own answer, and journals the status it answered with.
"""

from __future__ import annotations

import asyncio
import json
import os
import weakref
from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter, time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from limen.core.answers import caller_headers, refusal
from limen.core.carriers import Carried, is_preflight
from limen.core.problems import PROBLEMS, ProblemError, problem_body
from limen.core.verdict import OK, Ask, Verdict
from limen.gate.strangers import ATTEMPTS, RETRY
from limen.guard.caller import KEY
from limen.guard.cors import cors_headers, preflight_headers
from limen.guard.transport import origin_of
from limen.guard.under_way import UnderWay

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

NO_STORE: Header = (b"cache-control", b"no-store")
_PERCENT = 0x25
_REQUESTS = frozenset({"http", "websocket"})
_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
_ours: weakref.WeakSet[Guard] = weakref.WeakSet()


class _Post:
    """What a Guard has in hand while its gate is open."""

    __slots__ = ("clock", "cold", "gate", "limen", "stop", "trusted")

    def __init__(self, limen: App, house: GateHouse, stop: Callable[[], None]) -> None:
        self.limen, self.gate, self.cold, self.stop = limen, house.gate, house.cold, stop
        self.clock, self.trusted = limen.clock, limen.settings.trusted_proxies


class Guard:
    """An ASGI middleware that lets a request through to *app* when the gate of *api* admits it.

    The gate is opened when the server starts the application, or at the first request. A forked child opens its own.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        api: str,
        environment: str | None = "live",
        settings: Settings | None = None,
        check: Callable[[Rules], None] | None = None,
        opened: App | None = None,
    ) -> None:
        """*environment*: None admits the keys of each, and *app* keeps their data apart by ``Caller.environment``.

        *settings*: default, the environment's. *check* is handed the rules at the start, and may raise.

        *opened*: an App that the caller has opened and goes on to use: the Guard neither drains its journal nor closes
        it. Default: the Guard opens one of its own.
        """
        self.app, self.api, self._settings, self._check, self._opened = app, api, settings, check, opened
        self._environment = None if environment is None else environment.encode()
        self._post: _Post | None = None
        self._opening: asyncio.Task[_Post] | None = None
        _ours.add(self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the application answer, one request."""
        kind = scope["type"]
        if kind not in _REQUESTS:
            await (self._lifespan if kind == "lifespan" else self.app)(scope, receive, send)
            return
        post = self._post or await self._open()
        now, at = post.clock.read()
        fresh = False
        if not post.gate.lease.holds(at):
            fresh = await post.cold.keep_up()
            now, at = post.clock.read()
        rules = post.gate.rules
        headers: list[Header] = scope["headers"]
        method = scope["method"].encode() if kind == "http" else b"GET"
        if method == b"OPTIONS" and is_preflight(method, headers):
            await self._preflight(scope, receive, send, rules)
            return
        carried = rules.carriers.read(headers, _raw_path(scope), scope["query_string"])
        client = scope.get("client")
        address, safe = origin_of(client and client[0], scope.get("scheme", "http"), headers, post.trusted)
        if not safe:
            await _answer_problem(scope, send, "https_required")
            return
        credential, version, origin, path, _ = carried
        environment = rules.claimed(credential or b"") if self._environment is None else self._environment
        ask = Ask(credential, method, path, version, environment, now, at, origin, address)
        under_way = UnderWay(post.limen, post.gate, ask, rules) if rules.in_flight else None
        verdict = post.gate.check(ask, fresh, None if under_way is None else under_way.take)
        if verdict is None:
            verdict = await self._decide(post, ask, under_way)
            rules = post.gate.rules  # those that it was decided by may have come with it
        if under_way is not None:
            verdict = under_way.settle(verdict)
        if verdict.code is not OK:
            if verdict.code in ATTEMPTS and not await post.limen.attempts.hold(address, now):
                await _answer_problem(scope, send, "attempts_exceeded", (RETRY, *cors_headers(rules, ())))
                return
            answer = refusal(verdict, ask, rules)
            await _send(scope, send, answer.status, (*answer.headers, *cors_headers(rules, ())), answer.body)
            return
        told = caller_headers(verdict, rules, now)
        if carried.query != scope["query_string"]:
            told = (*told, NO_STORE)  # its key was in the URL: nobody keeps the answer (C2)
            scope["query_string"] = carried.query  # the server's own scope: what it may write into its log
        answered = _Answer(post, rules, send, reading=verdict.reading, told=told)
        try:
            await self._pass(_inner(scope, verdict, carried), receive, answered)
        finally:
            if under_way is not None:
                under_way.end()

    async def _pass(self, scope: Scope, receive: Receive, answered: _Answer) -> None:
        """Let the application answer; whatever becomes of it is recorded."""
        status = 499  # the caller left before there was an answer
        try:
            await self.app(scope, receive, answered)
        except asyncio.CancelledError:
            raise
        except BaseException:
            status = 500
            raise
        finally:
            answered.settle(status)

    @staticmethod
    async def _decide(post: _Post, ask: Ask, under_way: UnderWay | None) -> Verdict:
        try:
            return await post.cold.decide(ask)
        except BaseException:  # the caller left meanwhile
            if under_way is not None:
                under_way.end()
            raise

    async def _preflight(self, scope: Scope, receive: Receive, send: Send, rules: Rules) -> None:
        """Answer a preflight where keys of this API are used from browsers; else it is the application's business."""
        if not rules.preflighted(scope["headers"], _raw_path(scope)):
            await _answer_problem(scope, send, "operation_unknown")
        elif rules.cross_origin:
            await _send(scope, send, 204, preflight_headers(rules), b"")
        else:
            carried = rules.carriers.read(scope["headers"], _raw_path(scope), scope["query_string"])
            await self.app(_inner(scope, Verdict(OK, None, None, None), carried), receive, send)

    async def _open(self) -> _Post:
        if self._opening is None or (self._opening.done() and self._post is None):
            self._opening = asyncio.create_task(asyncio.to_thread(self._open_now))
        self._post = await asyncio.shield(self._opening)  # who leaves while it opens does not leave it half open
        return self._post

    def _open_now(self) -> _Post:
        from limen.app import App  # here: importing a guard loads no SQL
        from limen.drain import Drainer

        own = self._opened is None
        limen = self._opened or App.open(self._settings)
        try:
            house = limen.gate(self.api)
            known = house.gate.rules.environments
            if self._environment is not None and self._environment not in known:
                found, allowed = self._environment.decode(), b", ".join(sorted(known)).decode()
                raise ProblemError(
                    "environment_unknown", f"Environment {found!r} of {self.api!r} is none of {allowed}."
                )
            if house.gate.rules.in_flight and not limen.settings.on_one_host:
                raise ProblemError(
                    "guard_only", f"limits.in_flight of {self.api!r}: requests under way are counted on one host."
                )
            if self._check is not None:
                self._check(house.gate.rules)
        except BaseException:
            if own:
                limen.close()
            raise
        return _Post(limen, house, Drainer(limen).stop if own and limen.settings.drain else lambda: None)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._open()
        except ProblemError as problem:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": str(problem)})
            return

        async def told(message: MutableMapping[str, Any]) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                await asyncio.to_thread(self.close)  # before: who hears it may end the process at once
            await send(message)

        try:
            await self.app(scope, receive, told)
        finally:
            await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Let go of the gate. The next request opens it again."""
        if self._post is not None:
            self._post.stop()
            if self._opened is None:
                self._post.limen.close()
        self._forget()

    def _forget(self) -> None:
        self._post = self._opening = None


def _raw_path(scope: Scope) -> bytes:
    """The path as the client sent it; empty where the application would see another. Raises RuntimeError."""
    raw: bytes | None = scope.get("raw_path")
    if raw is None:
        raise RuntimeError("this server gives an application no raw_path, and Guard decides by nothing else")
    said = unquote(raw.decode("latin-1")) if _PERCENT in raw else raw.decode("latin-1")
    return raw if said == scope["path"] else b""  # rewritten on the way: the application would see another path


def _inner(scope: Scope, verdict: Verdict, carried: Carried) -> Scope:
    """What the application sees: who came, and neither a key in the query nor headers that only Limen may write."""
    headers = [header for header in scope["headers"] if header[0][:5] != b"limen"]
    return {**scope, KEY: verdict, "headers": headers, "query_string": carried.query}


class _Answer:
    """The application's answer on its way out: the journal's second entry is made before its first byte leaves."""

    __slots__ = ("began", "post", "reading", "rules", "send", "told")

    def __init__(self, post: _Post, rules: Rules, send: Send, *, reading: int, told: tuple[Header, ...]) -> None:
        self.post, self.rules, self.send, self.reading, self.told = post, rules, send, reading, told
        self.began = perf_counter()

    def settle(self, status: int) -> None:
        """Record *status*, if none has been recorded and there is a reading that it belongs to."""
        if self.reading:
            took_us = int(1e6 * (perf_counter() - self.began))
            self.post.gate.journal.outcome(self.reading, status, time(), took_us=took_us)
            self.reading = 0

    def __call__(self, message: Message) -> Awaitable[None]:
        """Send *message*, with our headers where it begins the answer."""
        kind = message["type"]
        if kind in _STARTS:
            self.settle(message.get("status", 101))
            own = message.get("headers", ())
            ours = (*self.told, *cors_headers(self.rules, own)) if self.rules.cross_origin else self.told
            message = {**message, "headers": [*own, *ours]}
        elif kind == "websocket.close":
            self.settle(403)  # before it was accepted: the server refuses the handshake; after, this changes nothing
        return self.send(message)


async def _answer_problem(scope: Scope, send: Send, code: str, more: tuple[Header, ...] = ()) -> None:
    problem = PROBLEMS[code]
    body = json.dumps(problem_body(problem)).encode()
    headers = (NO_STORE, (b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body)))
    await _send(scope, send, problem.status, (*headers, *more), body)


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
    """What a parent opened is the parent's: a child opens its own."""
    for guard in list(_ours):
        if guard._post is not None:
            guard._post.limen.abandon()  # now: once it is forgotten, nobody has the files that it holds
        guard._forget()


os.register_at_fork(after_in_child=_after_fork)

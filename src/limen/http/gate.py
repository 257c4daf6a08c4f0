"""The gate's door: forward authentication for proxies, verification by call, and what the API answered in the end.

Plain ASGI: no framework stands between a proxy and its answer. It answers listed peers and holders of the door's
secret, and nobody else (``docs/reference/gate.md``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from limen.app import App, GateHouse
from limen.core.answers import NOBODY, READING, caller_headers, identity_headers, refusal
from limen.core.carriers import is_preflight
from limen.core.keys import same
from limen.core.problems import ProblemError
from limen.core.rules import Rules
from limen.core.verdict import OK, Ask
from limen.gate.strangers import ATTEMPTS, RETRY
from limen.guard.transport import MAX_ADDRESS, Networks, within
from limen.http.body import BodyTooLarge, read_body
from limen.http.metrics import metrics
from limen.http.outcomes import OutcomesBody, record
from limen.http.verify import VerifyBody, verify
from limen.http.wire import JSON, NO_STORE, as_forbidden, lifespan, problem, reply

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

_ADDRESS = "/gate/auth/"
_FOR_NGINX = "/gate/auth-request/"

_SAFE = (b"https", b"wss")
MAX_PEERS = 1_024
"""Of how many peers' addresses is remembered whether they may ask."""

MAX_HEADERS = 200
"""A request with more headers than this is refused: every one of them is looked at."""

_METHOD, _URI, _PROTO, _FOR = range(4)
_FORWARDED = {
    b"x-forwarded-method": _METHOD,
    b"x-forwarded-uri": _URI,
    b"x-forwarded-proto": _PROTO,
    b"x-forwarded-for": _FOR,
}


class Door:
    """The ASGI application of the gate's listener."""

    def __init__(self, app: App, houses: dict[str, GateHouse], secret: bytes | None) -> None:
        """*houses*: the gates of this process by API. *secret*: what unlisted peers must send, if they may ask."""
        self._app, self._houses, self._secret = app, houses, secret
        self._clock, self._peers = app.clock, app.settings.gate_peers
        self._near: dict[str, bool] = {}
        default = app.settings.environment
        self._places: dict[str, tuple[GateHouse, bytes]] = {}
        for name, house in houses.items():
            self._places[_ADDRESS + name] = (house, default.encode())
            for environment in house.gate.rules.environments:
                self._places[f"{_ADDRESS}{name}/{environment.decode()}"] = (house, environment)
        self._verify = msgspec.json.Decoder(VerifyBody)
        self._outcomes = msgspec.json.Decoder(OutcomesBody)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. What is not HTTP is not answered here."""
        if scope["type"] != "http":
            await lifespan(scope, receive, send, self._close)
            return
        path = scope["path"]
        place = self._places.get(path)
        if place is None:
            if path.startswith(_FOR_NGINX):
                path, send = _ADDRESS + path.removeprefix(_FOR_NGINX), as_forbidden(send)
            place = self._places.get(path) or self._place(path)
        if not self._admits(scope):
            await problem(send, "peer_not_allowed")
        elif place is not None:
            await self._auth(scope, send, place)
        else:
            await self._other(scope, receive, send, path)

    def _place(self, path: str) -> tuple[GateHouse, bytes] | None:
        """The gate and environment of an address that a profile named after this process started."""
        name, _, environment = path.removeprefix(_ADDRESS).partition("/")
        house = self._houses.get(name) if path.startswith(_ADDRESS) else None
        if house is None or environment.encode() not in house.gate.rules.environments:
            return None
        self._places[path] = (house, environment.encode())
        return self._places[path]

    def _admits(self, scope: Scope) -> bool:
        """Whether this peer may ask: it is on this host's list, came through a unix socket, or knows the secret."""
        client = scope.get("client")
        if client is None or not client[0]:
            return True
        near = self._near.get(client[0])  # a cache of our own: that of within() hashes all the ranges every time
        if near is None:
            near = within(client[0], self._peers)
            if len(self._near) < MAX_PEERS:
                self._near[client[0]] = near
        if near:
            return True
        if self._secret is None:
            return False
        given = [value for name, value in scope["headers"] if name == b"limen-door"]
        return len(given) == 1 and same(given[0], self._secret)

    async def _auth(self, scope: Scope, send: Send, place: tuple[GateHouse, bytes]) -> None:
        """Forward authentication: 200 with who came, or the refusal as the caller is to see it."""
        house, environment = place
        gate = house.gate
        now, at = self._clock.read()
        fresh = False
        if not gate.lease.holds(at):
            fresh = await house.cold.keep_up()
            now, at = self._clock.read()
        rules = gate.rules
        headers: list[Header] = scope["headers"]
        forwarded: list[bytes | None] = [None, None, None, None]
        if len(headers) > MAX_HEADERS:
            await problem(send, "request_too_large", f"More than {MAX_HEADERS} headers.")
            return
        for name, value in headers:
            slot = _FORWARDED.get(name)
            if slot is not None:
                if slot != _FOR and forwarded[slot] is not None:
                    await problem(send, "request_malformed", f"{name.decode()} was sent twice.")
                    return
                forwarded[slot] = value
        method, uri, proto, hops = forwarded
        if not method or not uri:
            await problem(send, "request_malformed", "X-Forwarded-Method and X-Forwarded-Uri are required.")
            return
        if method == b"OPTIONS" and is_preflight(method, headers):
            await self._preflight(send, headers, rules, uri)
            return
        address = _client(hops, self._app.settings.trusted_proxies)
        if not (hops is None if proto is None else proto.lower() in _SAFE):  # neither: the caller itself asks
            await problem(send, "https_required")
            return
        path, _, query = uri.partition(b"?")
        carried = rules.carriers.read(headers, path, query)
        ask = Ask(
            carried.credential, method, carried.path, carried.version, environment, now, at, carried.origin, address
        )
        verdict = gate.check(ask, fresh)
        if verdict is None:
            verdict = await house.cold.decide(ask)
            rules = gate.rules  # those that it was decided by may have come with it
        if verdict.code is OK:
            name = gate.journal.reading_id(verdict.reading).encode() if verdict.reading else b""
            answer = (*identity_headers(verdict), (READING, name), *caller_headers(verdict, rules, now), NO_STORE)
            await reply(send, 200, answer, b"")
            return
        if verdict.code in ATTEMPTS and not await self._app.attempts.hold(address, now):
            await problem(send, "attempts_exceeded", headers=(RETRY,))
            return
        refused = refusal(verdict, ask, rules)
        await reply(send, refused.status, refused.headers, refused.body)

    async def _preflight(self, send: Send, headers: list[Header], rules: Rules, uri: bytes) -> None:
        """A CORS preflight asks for no credential, but for an operation there is."""
        if rules.preflighted(headers, uri.partition(b"?")[0]):
            await reply(send, 200, (*NOBODY, (READING, b""), NO_STORE), b"")
        else:
            await problem(send, "operation_unknown")

    async def _other(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        """Everything but forward authentication: small and rarely asked."""
        answers = {"/gate/verify": ("POST", self._answer_verify), "/gate/outcomes": ("POST", self._answer_outcomes)}
        if path in ("/livez", "/readyz"):
            await self._health(send, path)
        elif path == "/metrics" and scope["method"] in ("GET", "HEAD"):
            await metrics(self._app, send)
        elif path.startswith(_ADDRESS):
            await problem(send, "api_unknown", "This process does not decide for that API and environment.")
        elif path not in answers:
            await problem(send, "not_found")
        elif scope["method"] != answers[path][0]:
            await problem(send, "method_not_allowed", headers=((b"allow", answers[path][0].encode()),))
        else:
            try:
                await answers[path][1](await read_body(receive), send)
            except BodyTooLarge as error:
                await problem(send, "request_too_large", str(error))
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                await problem(send, "request_malformed", _mistake(error))
            except ProblemError as error:
                await problem(send, error.problem.code, error.detail)

    async def _answer_verify(self, body: bytes, send: Send) -> None:
        asked = self._verify.decode(body)
        house = self._houses.get(asked.api)
        if house is None:
            raise ProblemError("api_unknown", f"This process does not decide for API {asked.api[:16]!r}.")
        answer = await verify(asked, house, self._clock, self._app.settings.environment)
        await reply(send, 200, (JSON, NO_STORE), msgspec.json.encode(answer))

    async def _answer_outcomes(self, body: bytes, send: Send) -> None:
        recorded = record(self._outcomes.decode(body), list(self._houses.values()), self._clock.read()[0])
        await reply(send, 202, (JSON, NO_STORE), msgspec.json.encode({"recorded": recorded}))

    async def _health(self, send: Send, path: str) -> None:
        """Alive: this process answers. Ready: each gate of it can decide, and the store can be read."""
        waiting = []
        for name, house in self._houses.items() if path == "/readyz" else ():
            if not await asyncio.to_thread(house.ready):
                waiting.append(name)
        body = msgspec.json.encode({"status": "unavailable" if waiting else "ok", "waiting": waiting})
        await reply(send, 503 if waiting else 200, (JSON, NO_STORE), body)

    def _close(self) -> None:
        self._app.close()


def _client(hops: bytes | None, trusted: Networks) -> str | None:
    """The caller's address, as the proxy that asks has it: the last hop that is not itself a trusted proxy's."""
    if hops is None:
        return None
    named = [hop.strip()[:MAX_ADDRESS].decode("ascii", "replace") for hop in reversed(hops.split(b","))]
    return next((hop for hop in named if not within(hop, trusted)), named[-1]) if trusted else named[0]


def _mistake(error: Exception) -> str:
    """What is wrong with a body. The name of a member that is not known is not repeated: it may be a key."""
    said = str(error)
    return "The body has a member that is not documented." if "unknown field" in said else f"{said}."

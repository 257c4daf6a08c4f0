"""What a request to the management API must be before a route sees it, and what of it every write needs.

It stands behind the Guard: who has no key is told so, and nothing of theirs is read.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from email.message import Message
from functools import partial
from hashlib import blake2b
from time import time
from typing import Any
from urllib.parse import parse_qsl

from limen.core.problems import ProblemError
from limen.gate.strangers import RETRY, Attempts
from limen.guard.caller import KEY
from limen.http.body import MAX_BODY_BYTES, BodyTooLarge, read_body
from limen.http.etags import is_tags
from limen.http.wire import problem

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

ARRIVAL = "limen.arrival"
"""Where a request's scope holds what arrived."""
ACT_FOR = "limen.act_for"
"""Where it holds the values of ``Limen-Act-For``, which the listener puts there: a Guard takes such headers away."""

BESIDE = "limen.beside"
"""Where it holds what does its long work beside the event loop: those without a key have threads of their own."""

SMALL = 16_384
"""Bytes. A body that is larger is parsed and validated beside the event loop."""

_KIB, _MIB = 1024, 1024 * 1024
BODY_BYTES: dict[str, int] = {
    "importKeys": 8 * _MIB,
    "checkImport": 8 * _MIB,
    "reportGithubAlerts": _MIB,
    "reportLeakedKeys": 320 * _KIB,  # a hundred texts and addresses, each as long as it may be
    "revokeOwnKey": 4 * _KIB,
}
"""How much of a body is read, where an operation needs more than ``MAX_BODY_BYTES``, or less."""

SIGNED = frozenset({"reportGithubAlerts"})
"""Of whose bodies nothing is read here: the signature over them comes first."""

MOST_INSIDE = 10_000
"""Opening brackets in the body of such a call: more than any report has, and few enough to be parsed at once."""

_COUNTED = frozenset({"reportLeakedKeys", "revokeOwnKey"})
"""Public operations that every call of is an attempt; of the others those that are refused are."""

_ONCE = (b"content-type", b"idempotency-key", b"if-match", b"if-none-match")
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_KEY = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\]){1,510})"|([!#-~][ !-~]*)')
_NO_STORE: Header = (b"cache-control", b"no-store")
_log = logging.getLogger("limen.http")


@dataclass(frozen=True, slots=True)
class Arrival:
    """What of a request does not belong to one route. Empty: it was not sent."""

    body: bytes
    """As it came, for what is signed; the routes are handed what it says."""
    said: Any = field(repr=False)
    """What the body says; None where there is none, or where a signature has to be looked at first."""
    address: str
    """Whence it came, as far as trusted proxies are believed."""
    idempotency_key: str
    fingerprint: bytes
    """A digest of method, path, query and body: the same for the same request."""
    if_match: str
    if_none_match: str
    respond_async: bool = False
    """Whether a write may be answered before it holds in every process (RFC 7240)."""


class Arriving:
    """Middleware: reads the body, refuses what no route would understand, and answers when a route breaks."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        address_of: Callable[[Scope], str],
        attempts: Attempts,
        outside: Callable[..., Awaitable[Any]],
        absent: Mapping[str, str],
    ) -> None:
        """*attempts* slow down whoever calls public operations in vain; *outside* does what these ask for.

        *absent*: operations that this installation does not have, each with the reason.
        """
        self._app, self._address_of, self._attempts = app, address_of, attempts
        self._outside, self._absent = outside, absent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand one request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        operation = getattr(scope.get(KEY), "operation", None)
        name, public = (operation.name, operation.public) if operation is not None else ("", False)
        hold = partial(self._attempts.hold, self._address_of(scope))
        counted = name in _COUNTED
        answer = _Answer(send, hold if public and not counted else None, empty=scope["method"] == "HEAD")
        try:
            if counted and not await hold(time()):
                await problem(answer, "attempts_exceeded", headers=(RETRY,))
                return
            if name in self._absent:
                raise ProblemError("not_found", self._absent[name])
            beside = self._outside if public else asyncio.to_thread
            arrival = await self._read(scope, receive, name, beside)
            inner = {**scope, ARRIVAL: arrival, BESIDE: beside}
            if scope["method"] == "HEAD":
                inner["method"] = "GET"
            await self._app(inner, _replayed(arrival.body, receive), answer)
        except _CallerLeft:
            return  # nothing is done of half a request, and nobody is there to be answered
        except BodyTooLarge as error:
            await problem(answer, "request_too_large", str(error))
        except ProblemError as error:
            again = ((b"retry-after", b"1"),) if error.problem.status == 503 else ()
            await problem(answer, error.problem.code, error.detail, again, **error.extra)
        except Exception:  # a bug of ours: logged, and answered with 500
            _log.exception("a route broke")
            if answer.begun:
                raise
            await problem(answer, "broken")

    async def _read(
        self, scope: Scope, receive: Receive, operation: str, beside: Callable[..., Awaitable[Any]]
    ) -> Arrival:
        headers = _once(scope["headers"])
        _refuse_twice(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        body, said = await read_body(_whole(receive), BODY_BYTES.get(operation, MAX_BODY_BYTES)), None
        if operation in _COUNTED and body.count(b"[") + body.count(b"{") > MOST_INSIDE:
            raise _malformed("body", f"at most {MOST_INSIDE} lists and objects")
        if body:
            _require_media(headers.get(b"content-type", ""))
            if operation not in SIGNED:
                said = read_json(body) if len(body) <= SMALL else await beside(read_json, body)
        for name in (b"if-match", b"if-none-match"):
            if name in headers and not is_tags(headers[name]):
                raise _malformed(f"headers.{name.decode()}", '* or entity tags, as "abc", "def"')
        return Arrival(
            body=body,
            said=said,
            address=self._address_of(scope),
            idempotency_key=_idempotency_key(headers.get(b"idempotency-key")) if scope["method"] in _WRITES else "",
            fingerprint=_fingerprint(scope, body),
            if_match=headers.get(b"if-match", ""),
            if_none_match=headers.get(b"if-none-match", ""),
            respond_async=_prefers_async(scope["headers"]),
        )


class _Answer:
    """The answer on its way out: nobody keeps it, and a refusal waits where *hold* says so."""

    __slots__ = ("begun", "empty", "hold", "replaced", "send")

    def __init__(self, send: Send, hold: Callable[[float], Awaitable[bool]] | None, *, empty: bool) -> None:
        self.send, self.hold, self.empty = send, hold, empty
        self.begun = self.replaced = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            if self.hold is not None and 400 <= message["status"] < 500 and not await self.hold(time()):
                self.hold, self.replaced = None, True
                await problem(self.send, "attempts_exceeded", headers=(RETRY,))
            self.begun = True
            own = [header for header in message.get("headers", ()) if header[0].lower() != b"cache-control"]
            message = {**message, "headers": [*own, _NO_STORE]}
        elif self.empty:
            message = {**message, "body": b""}
        if not self.replaced:
            await self.send(message)


class _CallerLeft(Exception):
    """The caller left before it had sent all of its request."""


def _whole(receive: Receive) -> Receive:
    async def part() -> MutableMapping[str, Any]:
        message = await receive()
        if message["type"] != "http.request":
            raise _CallerLeft
        return message

    return part


def _once(given: Iterable[Header]) -> dict[bytes, str]:
    """The headers that mean something here, by name; each may come once."""
    found: dict[bytes, str] = {}
    for name, value in given:
        if name in _ONCE:
            if name in found:
                raise _malformed(f"headers.{name.decode()}", "once")
            found[name] = value.decode("latin-1").strip(" \t")
    return found


def _prefers_async(given: Iterable[Header]) -> bool:
    """Whether a ``Prefer`` says ``respond-async``. Of preferences none has to be understood, and no form is wrong."""
    said = b",".join(value for name, value in given if name == b"prefer").lower().split(b",")
    return any(each.partition(b";")[0].strip() == b"respond-async" for each in said)


def _refuse_twice(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """*pairs* as a mapping. Raises ``request_malformed`` for a name that comes twice: two readers may take another."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ProblemError("request_malformed", "A name stands twice where it may stand once.")
        found[name] = value
    return found


def _require_media(media: str) -> None:
    message = Message()
    message["content-type"] = media
    kind = message.get_content_type() if media else ""
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise ProblemError("media_type_unsupported")


def read_json(body: bytes) -> Any:
    """What *body* says. Raises ``request_malformed`` for no JSON, or such as two readers could read differently."""
    try:
        text = body.decode()
        said = json.loads(text, object_pairs_hook=_refuse_twice, parse_constant=_no_number)
        if "\\ud" in text or "\\uD" in text:  # half a character can only come so
            json.dumps(said, ensure_ascii=False).encode()
        return said
    except (ValueError, RecursionError) as error:  # ValueError: no UTF-8, no JSON, half a character
        raise _malformed("body", "one JSON document in UTF-8, in which each name stands once") from error


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _idempotency_key(given: str | None) -> str:
    """The key, with the quotes of RFC 9651 around it or without; empty where none was sent."""
    if given is None:
        return ""
    match = _KEY.fullmatch(given)
    key = re.sub(r"\\(.)", r"\1", match[1]) if match and match[1] else match[2] if match else ""
    if not 1 <= len(key) <= 255:
        raise ProblemError("idempotency_key_wrong")
    return key


def _fingerprint(scope: Scope, body: bytes) -> bytes:
    found = blake2b(digest_size=32, person=b"limen/reply")
    for part in (
        scope["method"].encode(),
        scope["path"].encode("utf-8", "surrogateescape"),
        scope["query_string"],
        body,
    ):
        found.update(b"%d:" % len(part) + part)
    return found.digest()


def _replayed(body: bytes, receive: Receive) -> Receive:
    """What the application reads: the body that was read for it, and after it whatever else comes."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> MutableMapping[str, Any]:
        return left.pop() if left else await receive()

    return again


def _malformed(path: str, allowed: str) -> ProblemError:
    return ProblemError(
        "request_malformed", f"{path}: allowed is {allowed}.", errors=[{"path": path, "allowed": allowed}]
    )

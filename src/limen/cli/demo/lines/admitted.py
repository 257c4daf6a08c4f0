"""What the guard lets through, and what the caller is told with it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from limen.cli.demo.rules import ACTIVE, BURST, DEPRECATED, midnight
from limen.cli.demo.scene import CHALLENGE, NEXT_HEADER, NO_RATE, RATE, Scene, said
from limen.cli.demo.tour import Line
from limen.cli.demo.wants import Claim, Want, each, equal, http_date, matching, members, text, unix_stamp
from limen.cli.demo.wire import ask


def _me(scene: Scene) -> Iterator[Claim]:
    body = members({"uuid": scene.keys["main"].owner, "email": text, "isCreator": True}, others=True)
    yield scene.admitted(body, time.time(), headers={"Content-Type": "application/json"}).of(scene.ask("main"))


def _own_chats(scene: Scene) -> Iterator[Claim]:
    page = members({"page": 1, "size": 5, "hasMore": True})
    body = members({"data": each(5, members({"user": members({}, others=True)}, others=True)), "pagination": page})
    yield scene.admitted(body, time.time()).of(scene.ask("main", "/chats?size=5"))


def _own_messages(scene: Scene) -> Iterator[Claim]:
    message = members({"uuid": text, "sender": members({"uuid": text, "handle": text})}, others=True)
    page = members({"page": 1, "size": 1}, others=True)
    body = members({"data": each(1, message), "pagination": page})
    path = f"/chats/{scene.people.peer}/messages?size=1"
    yield scene.admitted(body, time.time()).of(scene.ask("main", path))


def _foreign_chat(scene: Scene) -> Iterator[Claim]:
    body = members({"message": "Chat not found"})
    path = f"/chats/{scene.people.stranger}/messages"
    yield scene.admitted(body, time.time(), status=404).of(scene.ask("main", path))


def _bad_parameters(scene: Scene) -> Iterator[Claim]:
    body = members({"errors": each(1, matching(r"size: .+"))})
    yield scene.admitted(body, time.time(), status=400).of(scene.ask("main", "/chats?size=0"))


def _public(scene: Scene) -> Iterator[Claim]:
    answer = scene.ask(None, "/openapi.json", version=None)
    scopes = [{"ApiKey": ["read:self"]}]
    operation = members({"operationId": "getCurrentUser", "security": equal(scopes)}, others=True)
    paths = members({"/users/me": members({"get": operation})}, others=True)
    yield Want("200", 200, NO_RATE, members({"openapi": "3.1.0", "paths": paths}, others=True)).of(answer)


def _head(scene: Scene) -> Iterator[Claim]:
    headers = {"Content-Type": "application/problem+json", "WWW-Authenticate": CHALLENGE, "Cache-Control": "no-store"}
    yield Want("401 without a body", 401, headers, "").of(scene.ask(None, method="HEAD"))
    answer = scene.forward("/v1/experiences", "server", method="HEAD")
    yield Want("at the gate's door 200", 200, {"Limen-Key": scene.keys["server"].key_id}, "").of(answer)


def _deprecated(scene: Scene) -> Iterator[Claim]:
    stamp = unix_stamp if scene.style == "problem" else http_date
    headers = {
        "Deprecation": stamp(midnight(scene.ends.deprecated)),
        "Sunset": http_date(midnight(scene.ends.deprecated_sunset)),
        NEXT_HEADER: ACTIVE,
    }
    now = time.time()
    want = scene.admitted(members({"uuid": text}, others=True), now, headers=headers)
    yield Want("200 with both dates and the next version", 200, want.headers, want.body, tuple(headers)).of(
        scene.ask("main", version=DEPRECATED)
    )


def _spends_nothing(scene: Scene) -> Iterator[Claim]:
    """In one window: an admitted request counts, and what is refused for its scopes or its version does not."""
    now, anything = time.time(), members({}, others=True)
    first = scene.ask("narrow")
    held = scene.admitted(anything, now).of(first)
    yield held
    for path, version, want in (
        ("/chats", ACTIVE, "403 scope_missing"),
        ("/users/me", None, "400 version_missing"),
        ("/users/me", "2020-01-01", "400 version_unknown"),
    ):
        got = scene.ask("narrow", path, version=version).title
        yield said(want, got, equal(want)(got))
    left = int(first.header(RATE[1]) or BURST) - 1
    one_less = Want(f"200 with {left} remaining", 200, scene.rate(now, equal(str(left))), anything, RATE[1:2])
    yield one_less.of(scene.ask("narrow"))


def _listener(scene: Scene) -> Iterator[Claim]:
    for name, address in (("the public listener", scene.at.public), ("the gate's", scene.at.gate)):
        body = members({"status": "ok"}, others=True)
        yield Want(f"{name} 200", 200, {"Content-Type": "application/json"}, body).of(ask(address, "GET", "/readyz"))


DEPRECATED_LINE = Line("a deprecated version", _deprecated)
ADMITTED = (
    Line("the listeners are ready", _listener),
    Line("a key: the caller's own account, with the rate headers", _me),
    Line("the caller's own chats", _own_chats),
    Line("the messages of one of them", _own_messages),
    Line("a chat of two others", _foreign_chat),
    Line("malformed parameters: the API's own refusal", _bad_parameters),
    Line("a public operation without a key", _public),
    Line("HEAD is decided as GET is", _head),
    DEPRECATED_LINE,
    Line("what is refused spends no limit", _spends_nothing),
)

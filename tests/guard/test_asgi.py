"""Guard before a plain application: who is let through, what the application sees, and what is added to its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from limen.control import keys, owners, versions
from limen.core.usage import Decided, Outcome
from limen.core.versions import http_date
from limen.drain import decode
from limen.guard.asgi import Guard
from limen.guard.caller import KEY, caller_of
from tests.gate.scene import LIMIT, VERSION, NewScene, Scene, changed, noise
from tests.guard.conftest import Header
from tests.guard.served import Answered, ask, plain, profile

LET_THROUGH = {b"x-own": b"1"}


def _statuses(scene: Scene) -> list[int]:
    """Of each decision, in their order, the status that was journalled for it; 0 for none."""
    found = [decode(number, body) for number, body in scene.entries()]
    outcomes = {entry.number: entry.status for entry in found if isinstance(entry, Outcome)}
    return [outcomes.get(entry.number, 0) for entry in found if isinstance(entry, Decided)]


def _codes(scene: Scene) -> list[str]:
    return [entry.code for entry in (decode(*found) for found in scene.entries()) if isinstance(entry, Decided)]


@pytest.mark.req("R3", "R29", "R74", "R116", "R117", "R118", "R119", "R264")
async def test_an_admitted_request_reaches_the_application_and_its_answer_gets_the_rate_headers(
    guard: Guard, scene: Scene, headers: list[Header]
) -> None:
    answer = await ask(guard, headers=headers)
    assert (answer.status, answer.header("x-own")) == (200, "1")
    assert answer.header("x-ratelimit-limit") == str(LIMIT)
    assert answer.header("x-ratelimit-remaining") == str(LIMIT - 1)
    now = scene.app.clock.read()[0]
    assert now + 55 < int(answer.header("x-ratelimit-reset") or 0) < now + 62
    assert (_codes(scene), _statuses(scene)) == (["ok"], [200])


@pytest.mark.req("R45", "R52", "R53", "R79", "R80", "R101")
async def test_a_refused_request_never_reaches_the_application(
    guard: Guard, scene: Scene, headers: list[Header]
) -> None:
    key, version = headers
    cases: dict[str, tuple[list[Header], dict[str, Any], int]] = {
        "credential_missing": ([version], {}, 401),
        "credential_conflict": ([key, *headers], {}, 400),
        "credential_malformed": ([(key[0], b"noise"), version], {}, 401),
        "credential_invalid": ([(key[0], next(noise(1))), version], {}, 401),
        "operation_unknown": (headers, {"sent_path": b"/nowhere"}, 404),
        "version_missing": ([key], {}, 400),
        "scope_missing": (headers, {"method": "POST"}, 403),
    }
    for code, (sent, asked, status) in cases.items():
        answer = await ask(guard, headers=sent, **asked)
        assert (answer.status, answer.body["code"]) == (status, code)
        assert answer.header("x-own") is None
        assert answer.header("cache-control") == "no-store"
        assert (answer.header("www-authenticate") is not None) == (status in (401, 403) or code.endswith("conflict"))
    assert _codes(scene) == ["operation_unknown", "version_missing", "scope_missing"]


@pytest.mark.req("R82", "R115", "R120", "R121")
async def test_over_the_limit_the_answer_is_429_with_retry_after(new_scene: NewScene) -> None:
    scene = new_scene(profile(limits__default="2 per 60 s"))
    headers = [(b"x-fanvue-api-key", scene.key()), (b"x-fanvue-api-version", VERSION.encode())]
    guard = Guard(plain, api=scene.api, settings=scene.settings)
    answers = [await ask(guard, headers=headers) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [answer.header("x-ratelimit-remaining") for answer in answers] == ["1", "0", "0"]
    assert 1 <= int(answers[2].header("retry-after") or 0) <= 60
    guard.close()


@pytest.mark.req("R48", "R69", "R162")
async def test_what_the_terminal_takes_away_holds_at_the_next_request(
    guard: Guard, scene: Scene, headers: list[Header]
) -> None:
    assert (await ask(guard, headers=headers)).status == 200
    scene.app.act(owners.suspend, "ann", reason="abuse")
    assert (await ask(guard, headers=headers)).status == 403
    scene.app.act(owners.restore, "ann")
    assert (await ask(guard, headers=headers)).status == 200
    scene.app.act(keys.revoke, headers[0][1][5:17].decode())
    answer = await ask(guard, headers=headers)
    assert (answer.status, answer.body["code"]) == (401, "key_revoked")


@pytest.mark.req("R58", "R59", "R60", "R61")
@pytest.mark.check("C046")
async def test_a_deprecated_version_is_told_on_the_applications_own_answer(
    guard: Guard, scene: Scene, headers: list[Header]
) -> None:
    now = scene.app.clock.read()[0]
    scene.app.act(versions.register, scene.api, "2026-01-15")
    scene.app.act(versions.deprecate, scene.api, VERSION, at=now - 1, successor="2026-01-15")
    scene.app.act(versions.sunset, scene.api, VERSION, at=now + 3_600)
    answer = await ask(guard, headers=headers)
    assert answer.status == 200
    assert answer.header("deprecation") == f"@{int(now - 1)}"
    assert answer.header("sunset") == http_date(now + 3_600)
    assert answer.header("x-fanvue-api-next-version") == "2026-01-15"


@pytest.mark.req("R166")
@pytest.mark.parametrize("status", [410, 503])
async def test_in_a_brownout_the_application_is_not_asked(
    guard: Guard, scene: Scene, headers: list[Header], status: int
) -> None:
    now = scene.app.clock.read()[0]
    scene.app.act(versions.deprecate, scene.api, VERSION, at=now - 1)
    scene.app.act(versions.announce_brownout, scene.api, VERSION, starts_at=now + 1, ends_at=now + 61, status=status)
    answer = await ask(guard, headers=headers)
    assert (answer.status, answer.header("retry-after")) == (200, None)
    while scene.app.clock.read()[0] < now + 1:
        await asyncio.sleep(0.05)
    answer = await ask(guard, headers=headers)
    assert (answer.status, answer.body["code"], answer.header("x-own")) == (status, "version_brownout", None)
    assert 1 <= int(answer.header("retry-after") or 0) <= 60
    assert answer.header("deprecation") == f"@{int(now - 1)}"


@pytest.mark.req("R39")
async def test_a_key_that_is_pinned_needs_no_version_and_is_told_which_it_was(new_scene: NewScene) -> None:
    scene = new_scene(profile(versioning__missing="pin"))
    guard = Guard(plain, api=scene.api, settings=scene.settings)
    key = (b"x-fanvue-api-key", scene.key())
    scene.app.act(versions.register, scene.api, "2026-01-15")
    for sent in ([key], [key, (b"x-fanvue-api-version", VERSION.encode())]):
        answer = await ask(guard, headers=sent)
        assert (answer.status, answer.header("x-fanvue-api-version")) == (200, VERSION)
        assert answer.header("vary") == "x-fanvue-api-key, x-fanvue-api-version"
    guard.close()


@pytest.mark.req("R45")
async def test_a_public_operation_needs_no_key_and_is_not_journalled(guard: Guard, scene: Scene) -> None:
    answer = await ask(guard, b"/status")
    assert (answer.status, answer.header("x-own"), answer.header("x-ratelimit-limit")) == (200, "1", None)
    assert scene.entries() == []


SPOOFED = [
    b"limen-owner",
    b"limen-scopes",
    b"limen-anything",
    b"limen_owner",
    b"limen_owner_type",
    b"limen",
    b"limen.owner",
]


@pytest.mark.req("R49")
async def test_nobody_but_limen_tells_the_application_who_came(guard: Guard, headers: list[Header]) -> None:
    sent = [*headers, *((name, b"spoofed") for name in SPOOFED), (b"x-other", b"stays"), (b"lime", b"stays")]
    for path, method in ((b"/chats", "GET"), (b"/status", "GET"), (b"/chats", "OPTIONS")):
        asked = [*sent, (b"origin", b"https://a.example"), (b"access-control-request-method", b"GET")]
        body = (await ask(guard, path, asked, method=method)).body
        assert [value for _, value in body["headers"] if value == "spoofed"] == []
        assert [name for name, value in body["headers"] if value == "stays"] == ["x-other", "lime"]


async def test_the_scope_that_the_server_made_stays_as_it_was(guard: Guard, headers: list[Header]) -> None:
    sent = [*headers, (b"limen-owner", b"spoofed")]
    await ask(guard, b"/chats?a=1", sent)
    assert (b"limen-owner", b"spoofed") in sent


@pytest.mark.req("R49")
async def test_the_application_is_told_the_caller(scene: Scene, headers: list[Header]) -> None:
    callers = []

    async def tell(scope: dict[str, Any], _receive: object, send: Callable[[Any], Any]) -> None:
        callers.append(caller_of(scope))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    guard = Guard(tell, api=scene.api, settings=scene.settings)
    assert (await ask(guard, headers=headers)).status == 204
    assert (await ask(guard, b"/status")).status == 204
    caller, nobody = callers
    assert nobody is None
    assert (caller.owner, caller.owner_type, caller.key_id) == ("ann", "user", headers[0][1][5:17].decode())
    assert (caller.scopes, caller.environment, caller.version) == ({"read:chat", "read:self"}, "live", VERSION)
    guard.close()


def test_who_has_passed_no_guard_is_no_caller() -> None:
    with pytest.raises(RuntimeError, match="has not passed a Guard"):
        caller_of({"type": "http"})
    assert KEY == "limen"


@pytest.mark.req("R237")
async def test_a_key_in_the_query_goes_no_further_and_its_answer_is_kept_by_nobody(new_scene: NewScene) -> None:
    scene = new_scene(changed("organisation"), api="organisation")
    guard = Guard(plain, api="organisation", settings=scene.settings)
    key = scene.key(scopes=("read:experiences",))
    for query in (b"api_key=" + key, b"a=1&%61pi_key=" + key + b"&b=2"):
        answer = await ask(guard, b"/v1/experiences?" + query)
        assert (answer.status, answer.header("cache-control")) == (200, "no-store")
        assert key not in str(answer.body).encode()
        assert answer.body["query"] == ("a=1&b=2" if b"a=1" in query else "")
    bearer = await ask(guard, b"/v1/experiences?a=1", [(b"authorization", b"Bearer " + key)])
    assert (bearer.status, bearer.header("cache-control"), bearer.body["query"]) == (200, None, "a=1")
    public = await ask(guard, b"/openapi.json?api_key=" + key)
    assert (public.status, public.header("cache-control"), public.body["query"]) == (200, "no-store", "")
    guard.close()
    assert all(key not in body for _, body in scene.entries())


@pytest.mark.check("C061")
@pytest.mark.parametrize(
    "path",
    [
        b"/chats%2F1",
        b"/chats/..%2fusers%2fme",
        b"/chats/../users/me",
        b"/chats/%2e%2e/users/me",
        b"//chats",
        b"/chats/",
        b"/chats;a=1",
        b"/chats/1;a=1",
        b"/chats/1%00",
        b"/chats/%c0%ae",
        b"/CHATS",
        b"/chats/a%2fb",
        b"/chats/a%5cb",
        b"chats",
        b"",
    ],
)
async def test_the_path_as_it_was_sent_decides_and_what_could_be_read_otherwise_is_refused(
    guard: Guard, headers: list[Header], path: bytes
) -> None:
    answer = await ask(guard, path, headers)
    assert (answer.status, answer.body["code"]) == (404, "operation_unknown")


@pytest.mark.check("C061")
@pytest.mark.parametrize("seen", ["/users/me", "/chats/", "/Chats", ""])
async def test_a_path_that_was_rewritten_before_it_came_here_is_refused(
    guard: Guard, headers: list[Header], seen: str
) -> None:
    """The application routes by the decoded path: it must be the one that was decided on."""
    assert (await ask(guard, b"/chats", headers, path=seen)).status == 404
    assert (await ask(guard, b"/chats/%E2%82%AC%20x", headers)).status == 200


async def test_a_server_that_hides_the_raw_path_is_not_served(guard: Guard, headers: list[Header]) -> None:
    with pytest.raises(RuntimeError, match="raw_path"):
        await ask(guard, headers=headers, raw_path=None)


async def test_head_is_decided_as_get_and_answered_without_a_body(
    guard: Guard, scene: Scene, headers: list[Header]
) -> None:
    assert (await ask(guard, headers=headers, method="HEAD")).status == 200
    refused = await ask(guard, headers=headers[1:], method="HEAD")
    assert refused.status == 401
    assert refused.messages[1]["body"] == b""
    assert int(refused.header("content-length") or 0) > 0
    assert _statuses(scene) == [200]


PREFLIGHT = [(b"origin", b"https://app.example.com"), (b"access-control-request-method", b"GET")]


async def test_a_preflight_is_the_applications_business_where_no_key_is_used_from_a_browser(guard: Guard) -> None:
    answer = await ask(guard, headers=PREFLIGHT, method="OPTIONS")
    assert (answer.status, answer.header("x-own")) == (200, "1")
    assert answer.header("access-control-allow-origin") is None


async def test_a_key_in_the_query_of_a_preflight_goes_no_further_either(new_scene: NewScene) -> None:
    scene = new_scene(changed("organisation", keys__classes__public__origins=False), api="organisation")
    guard = Guard(plain, api="organisation", settings=scene.settings)
    answer = await ask(guard, b"/v1/experiences?a=1&api_key=canary", PREFLIGHT, method="OPTIONS")
    assert (answer.status, answer.body["query"]) == (200, "a=1")
    guard.close()


async def test_a_preflight_for_what_there_is_not_goes_nowhere(guard: Guard) -> None:
    assert (await ask(guard, b"/nowhere", PREFLIGHT, method="OPTIONS")).status == 404
    assert (await ask(guard, headers=[PREFLIGHT[0], (PREFLIGHT[1][0], b"DELETE")], method="OPTIONS")).status == 404


async def test_what_only_looks_like_a_preflight_needs_a_key(guard: Guard) -> None:
    for headers in ([], PREFLIGHT[:1], PREFLIGHT[1:]):
        assert (await ask(guard, headers=headers, method="OPTIONS")).status == 401


async def test_where_keys_are_used_from_browsers_preflights_are_answered_and_answers_can_be_read(
    new_scene: NewScene,
) -> None:
    scene = new_scene(changed("organisation"), api="organisation")
    guard = Guard(plain, api="organisation", settings=scene.settings)
    preflight = await ask(guard, b"/v1/experiences", PREFLIGHT, method="OPTIONS")
    assert (preflight.status, preflight.header("x-own")) == (204, None)
    assert preflight.header("access-control-allow-origin") == "*"
    assert "authorization" in (preflight.header("access-control-allow-headers") or "")
    assert "GET" in (preflight.header("access-control-allow-methods") or "")
    key = scene.key(key_class="public", scopes=("read:experiences",), origins=("https://app.example.com",))
    bearer = (b"authorization", b"Bearer " + key)
    admitted = await ask(guard, b"/v1/experiences", [bearer, PREFLIGHT[0]])
    refused = await ask(guard, b"/v1/experiences", [bearer, (b"origin", b"https://evil.example")])
    unknown = await ask(guard, b"/v1/experiences", [PREFLIGHT[0]])
    assert [answer.status for answer in (admitted, refused, unknown)] == [200, 403, 401]
    for answer in (admitted, refused, unknown):
        assert answer.header("access-control-allow-origin") == "*"
        assert "x-ratelimit-remaining" in (answer.header("access-control-expose-headers") or "")
    own = await ask(guard, b"/v1/experiences/own-cors", [bearer, PREFLIGHT[0]])
    assert own.header("access-control-allow-origin") == "https://own.example"
    guard.close()


@pytest.mark.req("R264")
class TestTheStatusIsJournalled:
    """The second entry of every admitted request: made once, and before the first byte leaves."""

    async def test_before_the_first_byte_of_the_answer_leaves(
        self, guard: Guard, scene: Scene, headers: list[Header]
    ) -> None:
        seen: list[list[int]] = []
        await ask(guard, headers=headers, sent=lambda _message: seen.append(_statuses(scene)))
        assert seen == [[200], [200]]

    @pytest.mark.parametrize(("path", "status"), [(b"/chats/torn", 200), (b"/chats/broken", 500)])
    async def test_of_an_application_that_raises(
        self, guard: Guard, scene: Scene, headers: list[Header], path: bytes, status: int
    ) -> None:
        """500 if it had not begun to answer; else what it began with."""
        with pytest.raises(ZeroDivisionError):
            await ask(guard, path, headers)
        assert _statuses(scene) == [status]

    async def test_as_499_where_the_caller_left(self, guard: Guard, scene: Scene, headers: list[Header]) -> None:
        await ask(guard, headers=headers)
        waiting = asyncio.ensure_future(ask(guard, b"/chats/slow", headers))
        while len(scene.entries()) < 3:
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert _statuses(scene) == [200, 499]

    async def test_as_499_where_nothing_was_answered(self, guard: Guard, scene: Scene, headers: list[Header]) -> None:
        await ask(guard, b"/chats/silent", headers)
        assert _statuses(scene) == [499]

    async def test_exactly_once_and_is_in_the_readings_after_the_drain(
        self, guard: Guard, scene: Scene, headers: list[Header]
    ) -> None:
        for _ in range(3):
            await ask(guard, headers=headers)
        statement = "select code, status from readings"
        assert scene.rows(statement) == [("ok", 200)] * 3
        assert len(scene.entries()) == 6


class TestWebSockets:
    """A handshake is decided like a request, by the same path, headers and limits."""

    @staticmethod
    async def _shake(guard: Guard, headers: list[Header], path: bytes = b"/live", **scope: Any) -> Answered:
        return await ask(guard, path, headers, **{"type": "websocket", "scheme": "ws", "subprotocols": []} | scope)

    @pytest.fixture
    def live(self, scene: Scene) -> Any:
        """A Guard before an application that accepts, closes or denies a handshake, as the query says."""

        async def follow(scope: dict[str, Any], _receive: object, send: Callable[[Any], Any]) -> None:
            how = scope["query_string"]
            if how == b"deny":
                await send({"type": "websocket.http.response.start", "status": 409, "headers": []})
                await send({"type": "websocket.http.response.body", "body": b"full"})
                return
            if how != b"close":
                await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 1000})

        guard = Guard(follow, api=scene.api, settings=scene.settings)
        yield guard
        guard.close()

    @pytest.mark.req("R3", "R116")
    async def test_admitted(self, live: Guard, scene: Scene, headers: list[Header]) -> None:
        answer = await self._shake(live, headers)
        assert [message["type"] for message in answer.messages] == ["websocket.accept", "websocket.close"]
        assert answer.header("x-ratelimit-remaining") == str(LIMIT - 1)
        assert _statuses(scene) == [101]

    @pytest.mark.parametrize(("how", "status"), [(b"close", 403), (b"deny", 409)])
    async def test_admitted_and_then_not_accepted_by_the_application(
        self, live: Guard, scene: Scene, headers: list[Header], how: bytes, status: int
    ) -> None:
        await self._shake(live, headers, b"/live?" + how)
        assert _statuses(scene) == [status]

    @pytest.mark.req("R52")
    async def test_refused(self, live: Guard, scene: Scene, headers: list[Header]) -> None:
        answer = await self._shake(live, headers[1:])
        assert answer.messages == [{"type": "websocket.close", "code": 1008}]
        told = await self._shake(live, headers[1:], extensions={"websocket.http.response": {}})
        assert [message["type"] for message in told.messages] == [
            "websocket.http.response.start",
            "websocket.http.response.body",
        ]
        assert (told.status, told.body["code"]) == (401, "credential_missing")
        assert told.header("www-authenticate") is not None
        assert scene.entries() == []

    @pytest.mark.req("R76")
    async def test_over_an_open_line_from_elsewhere(self, live: Guard, headers: list[Header]) -> None:
        client = ("203.0.113.9", 1)
        assert (await self._shake(live, headers, client=client)).messages[0]["type"] == "websocket.close"
        assert (await self._shake(live, headers, client=client, scheme="wss")).messages[0]["type"] == "websocket.accept"


async def test_another_protocol_is_the_applications_own(guard: Guard) -> None:
    heard = []

    async def app(scope: dict[str, Any], *_rest: object) -> None:
        heard.append(scope["type"])

    guard.app = app
    await guard({"type": "something-new"}, None, None)
    assert heard == ["something-new"]


async def test_after_it_was_closed_the_next_request_opens_it_again(
    guard: Guard, scene: Scene, headers: list[Header]
) -> None:
    assert (await ask(guard, headers=headers)).status == 200
    guard.close()
    guard.close()
    assert scene.code(headers[0][1]) == "ok", "the gate is free meanwhile"
    scene.app.gates.pop(scene.api).close()
    assert (await ask(guard, headers=headers)).status == 200


async def test_a_crowd_at_the_first_request_opens_one_gate(guard: Guard, headers: list[Header]) -> None:
    answers = await asyncio.gather(*(ask(guard, headers=headers) for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    assert sorted(int(answer.header("x-ratelimit-remaining") or -1) for answer in answers) == list(range(80, 100))


async def test_a_key_of_another_environment_is_refused(scene: Scene) -> None:
    headers = [(b"x-fanvue-api-key", scene.key(environment="test")), (b"x-fanvue-api-version", VERSION.encode())]
    for environment, status in (("live", 403), ("test", 200)):
        guard = Guard(plain, api=scene.api, environment=environment, settings=scene.settings)
        assert (await ask(guard, headers=headers)).status == status
        guard.close()


@pytest.mark.req("R200")
@pytest.mark.parametrize("kind", ["secret", "public"])
async def test_a_guard_of_no_environment_admits_each_key_for_its_own(new_scene: NewScene, kind: str) -> None:
    scene = new_scene(changed("organisation"), api="organisation")
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(caller_of(scope))
        await plain(scope, receive, send)

    guard = Guard(app, api="organisation", environment=None, settings=scene.settings)
    texts = [scene.key(key_class=kind, environment=each, scopes=("read:experiences",)) for each in ("live", "test")]
    for text in texts:
        assert (await ask(guard, b"/v1/experiences", [(b"authorization", b"Bearer " + text)])).status == 200
    assert [caller.environment for caller in seen] == ["live", "test"]
    one, other = texts
    swapped = b"_".join([*other.split(b"_")[:2], one.split(b"_")[2]])  # one environment's prefix, the other's secret
    for text in (swapped, b"sk_prod_" + one[8:], b"", b"x"):
        assert (await ask(guard, b"/v1/experiences", [(b"authorization", b"Bearer " + text)])).status == 401
    assert (await ask(guard, b"/v1/experiences")).status == 401
    guard.close()


async def test_errors_are_written_in_the_platforms_own_shapes_where_its_profile_says_so(new_scene: NewScene) -> None:
    scene = new_scene(profile(errors__style="compat"))
    guard = Guard(plain, api=scene.api, settings=scene.settings)
    answer = await ask(guard)
    assert (answer.status, answer.body) == (401, {"error": "Unauthorized", "code": "credential_missing"})
    guard.close()


async def test_no_answer_holds_the_key(guard: Guard, headers: list[Header]) -> None:
    """A canary: whatever goes wrong with a key, nothing of its secret comes back."""
    key = headers[0][1]
    mangled = [key, key[:-1], key + b"x", key.lower(), b"Bearer " + key, key + b"," + key]
    for value in mangled:
        for path in (b"/users/me", b"/nowhere", b"/chats?api_key=" + key):
            answer = await ask(guard, path, [(headers[0][0], value), headers[1]], method="POST")
            written = str(answer.messages).encode()
            assert key[17:-6] not in written
            assert key[17:-6].lower() not in written


async def test_a_guard_closes_nothing_that_it_did_not_open(scene: Scene, headers: list[Header]) -> None:
    guard = Guard(plain, api=scene.api, settings=scene.settings, opened=scene.app)
    assert (await ask(guard, headers=headers)).status == 200
    assert scene.app.gates[scene.api] is scene.house
    guard.close()
    assert set(scene.app.gates) == {scene.api}
    assert (await ask(guard, headers=headers)).status == 200

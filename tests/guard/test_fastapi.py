"""FastAPI's side: routes declare what they need, the document says it, the start fails where the profile differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.testclient import TestClient

from limen.control import keys
from limen.core.keys import checksum
from limen.core.profile import Profile
from limen.guard.asgi import Guard
from limen.guard.fastapi import Caller, _routes, protect, requires
from tests.gate.scene import LIMIT, VERSION, NewScene, Scene, changed, noise
from tests.guard.served import BOTH, OPERATIONS, ask, create_app, profile, started

HOME = "http://127.0.0.1"


def _client(app: FastAPI, client: tuple[str, int] = ("127.0.0.1", 1), base: str = HOME) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app, client=client), base_url=base)


@pytest.fixture
def sent(key: str) -> dict[str, str]:
    """The headers of a request that is admitted, as a client writes them."""
    return {"X-Fanvue-API-Key": key, "X-Fanvue-API-Version": VERSION}


@pytest.mark.req("R3", "R49", "R52", "R53", "R116")
async def test_a_guarded_application_answers_its_callers_and_nobody_else(scene: Scene, sent: dict[str, str]) -> None:
    app = create_app(scene.settings)
    async with started(app) as failed, _client(app) as client:
        assert failed == ""
        me = await client.get("/users/me", headers=sent)
        assert (me.status_code, me.json()) == (200, {"owner": "ann", "scopes": sorted(BOTH), "plan": ""})
        assert me.headers["x-ratelimit-remaining"] == str(LIMIT - 1)
        refused = {
            ("GET", "/users/me", "without a key"): 401,
            ("POST", "/chats", "with its key"): 403,
            ("GET", "/nowhere", "with its key"): 404,
            ("GET", "/docs", "with its key"): 404,
            ("TRACE", "/chats", "with its key"): 404,
            ("DELETE", "/chats", "with its key"): 404,
        }
        for (method, path, how), status in refused.items():
            answer = await client.request(method, path, headers=sent if how == "with its key" else {})
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        assert (await client.get("/status")).json() == {"status": "fine"}
        own = await client.get("/chats/none", headers=sent)
        assert (own.status_code, own.json()) == (404, {"detail": "Not Found"})
        assert "x-ratelimit-remaining" in own.headers
    statuses = scene.rows("select status from readings where status is not null order by number")
    assert statuses == [(200,), (404,)]


async def test_what_a_handler_sees_is_nothing_that_a_caller_could_have_made_up(
    scene: Scene, sent: dict[str, str]
) -> None:
    app = create_app(scene.settings)
    spoofed = {**sent, "Limen-Owner": "mallory", "limen_owner": "mallory", "Limen-Scopes": "admin"}
    async with started(app), _client(app) as client:
        seen = (await client.get("/chats?q=1", headers=spoofed)).json()
    assert seen["owner"] == "ann"
    assert [name for name in seen["headers"] if name.startswith("limen")] == []
    assert seen["query"] == "q=1"


@pytest.mark.req("R264")
async def test_a_handlers_own_mistake_is_journalled_as_500(scene: Scene, sent: dict[str, str]) -> None:
    app = create_app(scene.settings)
    async with started(app), _client(app) as client:
        with pytest.raises(ZeroDivisionError):
            await client.get("/chats/broken", headers=sent)
    assert scene.rows("select status from readings where status is not null") == [(500,)]


async def test_a_websocket_route_gets_its_caller_too(scene: Scene, headers: list[tuple[bytes, bytes]]) -> None:
    app = create_app(scene.settings)
    handshake: dict[str, Any] = {"type": "websocket", "scheme": "ws", "subprotocols": []}
    async with started(app):
        answer = await ask(app, b"/live", headers, **handshake)
        assert [message.get("text") for message in answer.messages] == [None, "hello ann", None]
        assert answer.header("x-ratelimit-limit") == str(LIMIT)
        closed = await ask(app, b"/live?full=1", headers, **handshake)
        assert [message["type"] for message in closed.messages] == ["websocket.close"]
        assert (await ask(app, b"/live", headers[1:], **handshake)).messages[0]["code"] == 1008
    assert scene.rows("select status from readings where status is not null order by number") == [(101,), (403,)]


async def _start(scene: Scene, build: Callable[[FastAPI], None], **how: Any) -> str:
    """The message with which an application of these routes fails to start; empty if it starts."""
    app = FastAPI(openapi_url=None)
    build(app)
    protect(app, api=scene.api, settings=scene.settings, **how)
    async with started(app) as failed:
        return failed


async def _nothing() -> None:
    return None


def _route(path: str, *scopes: str, method: str = "GET", declares: bool = True) -> Callable[[FastAPI], None]:
    needs = [Depends(requires(*scopes))] if declares else []
    return lambda app: app.add_api_route(path, _nothing, methods=[method], dependencies=needs)


ONE: list[dict[str, Any]] = [{"id": "listChats", "call": "GET /chats/{userUuid}", "scopes": ["read:chat"]}]
PUBLIC: list[dict[str, Any]] = [{"id": "getStatus", "call": "GET /status", "public": True}]
DIFFERENCES: dict[str, tuple[Callable[[FastAPI], None], list[dict[str, Any]], str]] = {
    "the same": (_route("/chats/{userUuid}", "read:chat"), ONE, ""),
    "a parameter of another name": (_route("/chats/{id}", "read:chat"), ONE, ""),
    "the same scopes in two parts": (
        lambda app: app.add_api_route(
            "/chats/{id}", _nothing, dependencies=[Depends(requires("read:chat")), Depends(requires("read:self"))]
        ),
        [{**ONE[0], "scopes": ["read:self", "read:chat"]}],
        "",
    ),
    "no scopes, and a caller": (_route("/chats/{id}"), [{**ONE[0], "scopes": []}], ""),
    "public in both": (_route("/status", declares=False), PUBLIC, ""),
    "a route that the profile does not have": (
        lambda app: [_route("/chats/{id}", "read:chat")(app), _route("/admin", "read:chat")(app)],
        ONE,
        "GET /admin is not in the profile",
    ),
    "a route at the root": (
        lambda app: [_route("/chats/{id}", "read:chat")(app), _route("/", declares=False)(app)],
        ONE,
        "GET / is not in the profile",
    ),
    "a path of any depth": (
        lambda app: [_route("/chats/{id}", "read:chat")(app), _route("/files/{path:path}", "read:chat")(app)],
        ONE,
        "GET /files/{path:path} is not in the profile",
    ),
    "another method": (
        _route("/chats/{id}", "read:chat", method="POST"),
        ONE,
        "POST /chats/{id} is not in the profile",
    ),
    "an operation without a route": (
        lambda _app: None,
        ONE,
        "GET /chats/{userUuid} is in the profile and has no route",
    ),
    "other scopes": (
        _route("/chats/{id}", "read:self"),
        ONE,
        "GET /chats/{id} needs read:chat by the profile, read:self",
    ),
    "fewer scopes": (_route("/chats/{id}"), ONE, "GET /chats/{id} needs read:chat by the profile, none"),
    "more scopes": (
        _route("/chats/{id}", "read:chat", "read:self"),
        ONE,
        "needs read:chat by the profile, read:chat, read:self",
    ),
    "secured in the profile alone": (
        _route("/chats/{id}", declares=False),
        ONE,
        "GET /chats/{id} needs a key by the profile, and requires() nothing",
    ),
    "public in the profile alone": (
        _route("/status", "read:chat"),
        PUBLIC,
        "GET /status is public in the profile and requires a caller",
    ),
    "a websocket without a declaration": (
        lambda app: app.add_api_websocket_route("/chats/{id}", lambda websocket: websocket.close()),
        ONE,
        "GET /chats/{id} needs a key by the profile, and requires() nothing",
    ),
}


@pytest.mark.req("R50")
@pytest.mark.parametrize(("build", "operations", "said"), DIFFERENCES.values(), ids=DIFFERENCES)
async def test_the_start_fails_where_routes_and_profile_differ(
    new_scene: NewScene, build: Callable[[FastAPI], None], operations: list[dict[str, Any]], said: str
) -> None:
    scene = new_scene(profile(operations=operations))
    failed = await _start(scene, build)
    assert said in failed
    assert bool(failed) == bool(said)
    assert scene.code(None) == "credential_missing", "the gate is free again"


async def test_all_differences_are_named_at_once(scene: Scene) -> None:
    failed = await _start(scene, _route("/admin", "read:chat"))
    assert failed.startswith(
        "Profile conflict: Routes and profile of 'creator' differ: GET /admin is not in the profile;"
    )
    assert failed.count("has no route") == len(OPERATIONS)


async def test_one_of_several_applications_may_serve_a_part(scene: Scene) -> None:
    assert await _start(scene, _route("/chats", "read:chat"), whole=False) == ""
    assert "is not in the profile" in await _start(scene, _route("/admin"), whole=False)


VERSIONED: dict[str, Any] = {
    "operations": [{"id": "list", "call": "GET /experiences/{id}", "scopes": ["read:experiences"]}]
}


@pytest.mark.parametrize("path", ["/v1/experiences/{id}", "/{version}/experiences/{id}"])
async def test_a_version_in_the_path_stands_before_what_the_profile_says(new_scene: NewScene, path: str) -> None:
    scene = new_scene(_organisation(), api="organisation")
    assert await _start(scene, _route(path, "read:experiences")) == ""


def _organisation() -> Profile:
    return changed("organisation", **VERSIONED)


async def test_a_route_without_a_version_is_told_where_versions_are_in_the_path(new_scene: NewScene) -> None:
    scene = new_scene(_organisation(), api="organisation")
    failed = await _start(scene, _route("/health", declares=False), whole=False)
    assert "GET /health is not in the profile" in failed


async def test_it_starts_beside_another_process_and_goes_on_with_what_that_has_counted(scene: Scene) -> None:
    text = scene.key(scopes=BOTH)
    for _ in range(30):
        assert scene.code(text) == "ok"
    app = create_app(scene.settings)
    async with started(app) as failed:
        assert failed == ""
        headers = [(b"x-fanvue-api-key", text), (b"x-fanvue-api-version", VERSION.encode())]
        answer = await ask(app, b"/chats", headers=headers)
        assert (answer.status, answer.header("x-ratelimit-remaining")) == (200, str(LIMIT - 31))


async def test_the_start_fails_where_there_is_no_such_api_or_environment_or_installation(scene: Scene) -> None:
    def build(_app: FastAPI) -> None:
        return

    app = FastAPI()
    protect(app, api="another", settings=scene.settings)
    async with started(app) as failed:
        assert "There is no API 'another'" in failed
    assert "Environment 'staging' of 'creator' is none of live, test" in await _start(
        scene, build, environment="staging"
    )
    place = scene.settings.database_path if scene.settings.on_one_host else scene.settings.state_folder
    place.rename(place.with_suffix(".away"))
    try:
        assert "Run 'limen init'" in await _start(scene, build)
    finally:
        place.with_suffix(".away").rename(place)


@pytest.mark.req("R50")
async def test_the_document_states_the_scopes_of_every_route(scene: Scene) -> None:
    app = create_app(scene.settings)
    async with started(app):
        document = app.openapi()
    needs = {
        (path, method): call.get("security")
        for path, calls in document["paths"].items()
        for method, call in calls.items()
    }
    assert needs == {
        ("/status", "get"): None,
        ("/users/me", "get"): [{"ApiKey": ["read:self"]}],
        ("/chats", "get"): [{"ApiKey": ["read:chat"]}],
        ("/chats", "post"): [{"ApiKey": ["write:chat"]}],
        ("/chats/{user_uuid}", "get"): [{"ApiKey": ["read:chat"]}],
        ("/chats/{user_uuid}/messages", "get"): [{"ApiKey": ["read:chat", "read:self"]}],
    }, "with the routes of included routers"
    scheme = document["components"]["securitySchemes"]["ApiKey"]
    assert scheme == {"type": "apiKey", "in": "header", "name": "X-Fanvue-API-Key"}
    assert [call for calls in document["paths"].values() for call in calls.values() if "x-limen-scopes" in call] == []
    (version,) = document["paths"]["/chats"]["get"]["parameters"]
    assert (version["name"], version["in"], version["required"]) == ("X-Fanvue-API-Version", "header", True)
    assert "parameters" not in document["paths"]["/status"]["get"], "a public operation asks for no version"


async def test_the_document_says_bearer_where_keys_travel_as_such(new_scene: NewScene) -> None:
    scene = new_scene(_organisation(), api="organisation")
    app = FastAPI()
    _route("/v1/experiences/{id}", "read:experiences")(app)
    protect(app, api="organisation", settings=scene.settings)
    async with started(app):
        scheme = app.openapi()["components"]["securitySchemes"]["ApiKey"]
    assert scheme == {"type": "http", "scheme": "bearer"}


async def test_the_document_says_where_any_valid_key_will_do(new_scene: NewScene) -> None:
    operations = [{"id": "listThings", "call": "GET /things", "scopes": []}]
    scene = new_scene(changed("organisation", operations=operations), api="organisation")
    app = FastAPI()
    _route("/v1/things")(app)
    protect(app, api="organisation", settings=scene.settings)
    async with started(app):
        call = app.openapi()["paths"]["/v1/things"]["get"]
    assert (call["security"], call["x-limen-scopes"]) == ([{"ApiKey": []}], [])


def test_requires_decides_nothing_and_says_so_where_there_is_no_guard() -> None:
    """Without a Guard before it there is no caller, and that is a bug and no answer."""
    app = FastAPI()

    @app.get("/")
    async def get(_caller: Annotated[Caller, Depends(requires("read:chat"))]) -> None: ...

    with TestClient(app) as client, pytest.raises(RuntimeError, match="has not passed a Guard"):
        client.get("/")


@pytest.mark.req("R31", "R76")
async def test_over_an_open_line_from_elsewhere_nothing_is_served(scene: Scene, sent: dict[str, str]) -> None:
    app = create_app(scene.settings)
    async with started(app):
        async with _client(app, ("203.0.113.9", 1)) as client:
            answer = await client.get("/chats", headers=sent)
            assert (answer.status_code, answer.json()["code"]) == (403, "https_required")
        async with _client(app, ("203.0.113.9", 1), "https://api.example.com") as client:
            assert (await client.get("/chats", headers=sent)).status_code == 200


@pytest.mark.check("C009")
async def test_a_stranger_learns_nothing_of_a_key_that_he_does_not_hold(scene: Scene, sent: dict[str, str]) -> None:
    """Unknown id, and the id of a revoked key with another secret: status, headers and body are the same."""
    app = create_app(scene.settings)
    key = sent["X-Fanvue-API-Key"].encode()
    async with started(app), _client(app) as client:
        scene.app.act(keys.revoke, key[5:17].decode())
        answers = []
        for text in (next(noise(1)), _with_id(key)):
            answer = await client.get("/chats", headers={**sent, "X-Fanvue-API-Key": text.decode()})
            answers.append((answer.status_code, sorted(answer.headers.items()), answer.content))
        known = await client.get("/chats", headers=sent)
    assert answers[0] == answers[1]
    assert (answers[0][0], known.json()["code"]) == (401, "key_revoked")


def _with_id(key: bytes) -> bytes:
    stem = key[:17] + next(noise(1))[17:-6]
    return stem + checksum(stem)


def test_a_router_that_is_included_twice_is_looked_at_twice() -> None:
    app, router = FastAPI(), APIRouter()
    router.add_api_route("/a", _nothing, dependencies=[Depends(requires("read:chat"))])
    for prefix in ("/x", "/y"):
        app.include_router(router, prefix=prefix)
    assert [(route.path, declared) for _, route, declared in _routes(app)] == [
        ("/x/a", ("read:chat",)),
        ("/y/a", ("read:chat",)),
    ]


async def test_it_has_closed_before_it_says_so(scene: Scene) -> None:
    said: list[str] = []

    class Heard(Guard):
        def close(self) -> None:
            said.append("closed")
            super().close()

    told = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> dict[str, str]:
        return next(told)

    async def send(message: dict[str, str]) -> None:
        said.append(message["type"])

    guard = Heard(FastAPI(), api=scene.api, settings=scene.settings)
    await guard({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    assert said[:3] == ["lifespan.startup.complete", "closed", "lifespan.shutdown.complete"]

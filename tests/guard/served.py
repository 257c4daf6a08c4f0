"""Applications behind a Guard: a FastAPI one as a customer writes it, and a plain one that says what it was sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, NamedTuple
from urllib.parse import unquote

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, WebSocket

from limen.core.profile import Profile
from limen.guard.fastapi import Caller, protect, requires
from limen.settings import Settings
from tests.gate.scene import changed

OPERATIONS = [
    {"id": "getCurrentUser", "call": "GET /users/me", "scopes": ["read:self"]},
    {"id": "listChats", "call": "GET /chats", "scopes": ["read:chat"]},
    {"id": "createChat", "call": "POST /chats", "scopes": ["write:chat"], "write": True},
    {"id": "getChat", "call": "GET /chats/{userUuid}", "scopes": ["read:chat"]},
    {"id": "listMessages", "call": "GET /chats/{userUuid}/messages", "scopes": ["read:chat", "read:self"]},
    {"id": "follow", "call": "GET /live", "scopes": ["read:chat"]},
    {"id": "getStatus", "call": "GET /status", "public": True},
]
BOTH = ("read:chat", "read:self")

OfSelf = Annotated[Caller, Depends(requires("read:self"))]
OfChats = Annotated[Caller, Depends(requires("read:chat"))]
OfBoth = Annotated[Caller, Depends(requires(*BOTH))]
Writing = Annotated[Caller, Depends(requires("write:chat"))]


def profile(**changes: Any) -> Profile:
    """The shipped profile ``creator`` with the operations that are served here."""
    return changed(**{"operations": OPERATIONS} | changes)


def create_app(settings: Settings | None = None, *, api: str = "creator") -> FastAPI:
    """The API. Without *settings*: those of the environment."""
    app = FastAPI(openapi_url=None)
    chats = APIRouter(prefix="/chats")

    @app.get("/status")
    async def get_status() -> dict[str, str]:
        return {"status": "fine"}

    @app.get("/users/me")
    async def get_current_user(caller: OfSelf) -> dict[str, Any]:
        return {"owner": caller.owner, "scopes": sorted(caller.scopes), "plan": caller.plan}

    @chats.get("")
    async def list_chats(request: Request, caller: OfChats) -> dict[str, Any]:
        names = {name.decode(): value.decode() for name, value in request.scope["headers"]}
        return {"owner": caller.owner, "headers": names, "query": request.scope["query_string"].decode()}

    @chats.post("", status_code=201)
    async def create_chat(_caller: Writing) -> dict[str, str]:
        return {"chat": "made"}

    @chats.get("/{user_uuid}")
    async def get_chat(user_uuid: str, _caller: OfChats) -> dict[str, str]:
        if user_uuid == "none":
            raise HTTPException(404)
        if user_uuid == "broken":
            raise ZeroDivisionError("the handler's own mistake")
        if user_uuid == "slow":
            await asyncio.sleep(60)
        return {"chat": user_uuid}

    @chats.get("/{user_uuid}/messages")
    async def list_messages(user_uuid: str, _caller: OfBoth) -> list[str]:
        return [user_uuid]

    @app.websocket("/live")
    async def follow(websocket: WebSocket, caller: OfChats) -> None:
        if websocket.query_params.get("full"):
            await websocket.close(1013)
            return
        await websocket.accept()
        await websocket.send_text(f"hello {caller.owner}")
        await websocket.close()

    app.include_router(chats)
    protect(app, api=api, settings=settings)
    return app


async def plain(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """A plain ASGI application: it answers with what it was sent, or as its path says."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    last = scope["raw_path"].rpartition(b"/")[2]
    if last == b"broken":
        raise ZeroDivisionError("the application's own mistake")
    if last == b"silent":
        return
    if last == b"slow":
        await asyncio.sleep(60)
    headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]]
    body = json.dumps({"headers": headers, "query": scope["query_string"].decode(), "method": scope["method"]}).encode()
    own = [(b"content-type", b"application/json"), (b"x-own", b"1")]
    if last == b"own-cors":
        own.append((b"Access-Control-Allow-Origin", b"https://own.example"))
    await send({"type": "http.response.start", "status": 200, "headers": own})
    if last == b"torn":
        raise ZeroDivisionError("after it had begun to answer")
    await send({"type": "http.response.body", "body": body})


class Answered(NamedTuple):
    """What an ASGI application sent: the messages, and what they come to."""

    messages: list[dict[str, Any]]

    @property
    def status(self) -> int:
        """The status, however the answer is called."""
        return next(message["status"] for message in self.messages if "status" in message)

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of the answer, or of what was accepted."""
        return [header for message in self.messages for header in message.get("headers", ())]

    @property
    def body(self) -> Any:
        """The body, as JSON."""
        return json.loads(b"".join(message.get("body", b"") for message in self.messages))

    def header(self, name: str) -> str | None:
        """The one value of the header *name*; None where there is none."""
        found = [value for given, value in self.headers if given.lower() == name.encode()]
        assert len(found) <= 1, f"{name} twice: {found}"
        return found[0].decode() if found else None


async def ask(
    app: Callable[..., Awaitable[None]],
    sent_path: bytes = b"/chats",
    headers: list[tuple[bytes, bytes]] | None = None,
    *,
    sent: Callable[[dict[str, Any]], None] = lambda _message: None,
    **scope: Any,
) -> Answered:
    """Put one request to an ASGI application, byte for byte, from this host unless *scope* says otherwise."""
    messages: list[dict[str, Any]] = []
    raw, _, query = sent_path.partition(b"?")

    async def receive() -> dict[str, Any]:
        kind = usual["type"]
        return {"type": "websocket.connect"} if kind == "websocket" else {"type": "http.request", "body": b""}

    async def send(message: dict[str, Any]) -> None:
        sent(message)
        messages.append(message)

    usual: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": unquote(raw.decode("latin-1")),
        "raw_path": raw,
        "query_string": query,
        "root_path": "",
        "headers": headers or [],
        "client": ("127.0.0.1", 4711),
        "server": ("127.0.0.1", 80),
        **scope,
    }
    await app(usual, receive, send)
    return Answered(messages)


@asynccontextmanager
async def started(app: Callable[..., Awaitable[None]]) -> AsyncIterator[str]:
    """*app* as a server starts and stops it; gives the message that its start failed with, empty for none."""
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    running = asyncio.ensure_future(app({"type": "lifespan", "asgi": {"version": "3.0"}}, told.get, heard.put))
    await told.put({"type": "lifespan.startup"})
    said = await heard.get()
    try:
        yield said.get("message", "")
    finally:
        if said["type"] == "lifespan.startup.complete":
            await told.put({"type": "lifespan.shutdown"})
            await heard.get()
        await running

"""What the door's and the guard's benchmarks serve: Limen's doors, and the same answers without a decision."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.installation import wide_profile
from limen.app import App
from limen.control import apis, keys, owners
from limen.settings import Settings

KEYS = 200

HEADERS = [
    (b"limen-owner", b"owner-000000000001"),
    (b"limen-owner-type", b"user"),
    (b"limen-key", b"0123456789ab"),
    (b"limen-application", b""),
    (b"limen-scopes", b"read:self read:chat"),
    (b"limen-environment", b"live"),
    (b"limen-plan", b""),
    (b"limen-version", b"2025-06-26"),
    (b"x-ratelimit-limit", b"2000000000"),
    (b"x-ratelimit-remaining", b"1999999999"),
    (b"x-ratelimit-reset", b"1795357822"),
    (b"cache-control", b"no-store"),
    (b"limen-reading", b"0123456789ab-1f"),
]


def prepare() -> tuple[Path, list[bytes]]:
    """A new installation with the API ``creator`` and some keys: its folder and the keys' texts."""
    folder = Path(tempfile.mkdtemp(prefix="limen-bench-"))
    app = App.initialise(Settings(database_url=f"sqlite:///{folder}/limen.db"))
    app.act(apis.create, "creator", wide_profile())
    texts = []
    for number in range(KEYS):
        owner = f"owner-{number:012d}"
        app.act(owners.create, owners.NewOwner("user", owner=owner))
        app.act(owners.allow, owner, "creator")
        new = keys.NewKey("creator", owner, "bench", scopes=("read:self", "read:chat"))
        texts.append(app.act(keys.issue, new).text.encode())
    app.close()
    return folder, texts


def environment(folder: Path) -> dict[str, str]:
    """What a process needs to open the installation in *folder*."""
    return {"LIMEN_DATABASE_URL": f"sqlite:///{folder}/limen.db", "LIMEN_DRAIN": "off"}


def door() -> Any:
    """The gate's door."""
    from limen.server import gate_app

    return gate_app()


def bare() -> Any:
    """A handler that answers the door's headers and nothing else."""

    async def answer(scope: dict[str, Any], _receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": b""})

    return answer


def plain_route() -> Any:
    """A FastAPI application with one small route."""
    from fastapi import FastAPI

    app = FastAPI(openapi_url=None)

    @app.get("/chats/{user_uuid}/messages")
    async def messages(user_uuid: str) -> dict[str, str]:
        return {"user": user_uuid}

    return app


def guarded_route() -> Any:
    """The same application behind a Guard."""
    from limen.guard.asgi import Guard

    return Guard(plain_route(), api="creator")

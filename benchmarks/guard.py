"""Guard in front of a small FastAPI route, over the route alone, without a server: at most 1.5."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import shutil
from typing import Any
from uuid import uuid4

from benchmarks import served
from benchmarks.blocks import Figure, as_rows, compare, in_own_process

ROUNDS = 50
BUDGET = 1.5


def run() -> list[Figure]:
    """In a process of its own."""
    return in_own_process("benchmarks.guard")


def measure() -> Figure:
    """The same requests, with a key at random, to both."""
    folder, texts = served.prepare()
    os.environ.update(served.environment(folder))
    drawn = random.Random(7)
    scopes = [_scope(drawn.choice(texts)) for _ in range(2_000)]
    loop = asyncio.new_event_loop()
    guarded, plain = served.guarded_route(), served.plain_route()

    def calls(app: Any) -> Any:
        endless = itertools.cycle(scopes)

        async def go(rounds: int) -> None:
            for scope in itertools.islice(endless, rounds):
                await app(dict(scope), _receive, _send)

        return lambda rounds: loop.run_until_complete(go(rounds))

    try:
        return compare("Guard before a FastAPI route", calls(guarded), calls(plain), rounds=ROUNDS, budget=BUDGET)
    finally:
        guarded.close()
        loop.close()
        shutil.rmtree(folder)


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: dict[str, Any]) -> None:
    if message.get("status", 200) != 200:
        raise RuntimeError(f"answered {message['status']}")


def _scope(text: bytes) -> dict[str, Any]:
    path = f"/chats/{uuid4()}/messages"
    headers = [
        (b"host", b"localhost"),
        (b"user-agent", b"a client of some platform's API/1.0"),
        (b"accept", b"application/json"),
        (b"accept-encoding", b"gzip, deflate"),
        (b"x-fanvue-api-key", text),
        (b"x-fanvue-api-version", b"2025-06-26"),
    ]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8_000),
    }


if __name__ == "__main__":
    print(json.dumps(as_rows([measure()])))

"""Who tries keys through a proxy is slowed by the gate's door; whoever asks for a verdict is not."""

from __future__ import annotations

import asyncio
import time

import httpx2
import pytest

from limen.gate.strangers import FREE, SHARE
from tests.gate.scene import VERSION, Scene

HOME = "203.0.113.7"


async def auth(client: httpx2.AsyncClient, key: str, address: str = HOME) -> httpx2.Response:
    """What the door answers to a request that a proxy forwards from *address*."""
    return await client.get(
        "/gate/auth/creator",
        headers={
            "x-forwarded-method": "GET",
            "x-forwarded-uri": "/chats",
            "x-forwarded-proto": "https",
            "x-forwarded-for": address,
            "x-fanvue-api-key": key,
            "x-fanvue-api-version": VERSION,
        },
    )


def counted(scene: Scene) -> int:
    """How many failed attempts were counted."""
    return scene.app.attempts._failed.total()


@pytest.mark.req("R100")
async def test_failed_attempts_of_an_address_get_slow_and_its_good_key_does_not(
    client: httpx2.AsyncClient, scene: Scene, key: str
) -> None:
    for _ in range(FREE):
        assert (await auth(client, "noise")).status_code == 401
    began = time.perf_counter()
    assert (await auth(client, "noise")).status_code == 401
    assert time.perf_counter() - began >= 0.05
    assert (await auth(client, key)).status_code == 200
    assert counted(scene) == FREE + 1


async def test_when_too_many_answers_are_held_the_next_is_told_so_at_once(client: httpx2.AsyncClient, key: str) -> None:
    for _ in range(FREE):
        await auth(client, "noise")
    answers = await asyncio.gather(*(auth(client, "noise") for _ in range(SHARE + 3)))
    assert sorted(answer.status_code for answer in answers) == [401] * SHARE + [429] * 3
    told = next(answer for answer in answers if answer.status_code == 429)
    assert (told.json()["code"], told.headers["retry-after"]) == ("attempts_exceeded", "2")
    assert (await auth(client, key)).status_code == 200


async def test_a_verdict_is_given_to_a_trusted_peer_at_once(client: httpx2.AsyncClient, scene: Scene) -> None:
    for _ in range(FREE * 2):
        asked = {"api": "creator", "method": "GET", "path": "/chats", "credential": "noise", "address": HOME}
        assert (await client.post("/gate/verify", json=asked)).json()["code"] == "credential_malformed"
    assert counted(scene) == 0

"""A Guard that drains its own journal does the chores too: an application that embeds one runs no worker."""

from __future__ import annotations

import asyncio

from limen.control import audit
from limen.guard.asgi import Guard
from tests.gate.scene import NewScene, Scene
from tests.guard.served import BOTH, ask, plain


def _unlinked(scene: Scene) -> int:
    with scene.other().reading() as reader:
        return audit.waiting(reader).count


async def test_a_guard_lays_the_audits_chain(new_scene: NewScene) -> None:
    scene = new_scene(drain=True, drain_ms=20)
    scene.key(scopes=BOTH)
    guard = Guard(plain, api=scene.api, settings=scene.settings)
    try:
        assert _unlinked(scene) > 0
        await ask(guard)
        async with asyncio.timeout(20):
            while _unlinked(scene):
                await asyncio.sleep(0.02)
    finally:
        guard.close()


async def test_one_that_does_not_drain_does_none(new_scene: NewScene) -> None:
    scene = new_scene(drain=False, drain_ms=10)
    guard = Guard(plain, api=scene.api, settings=scene.settings)
    try:
        await ask(guard)
        await asyncio.sleep(0.3)
        assert _unlinked(scene) > 0
    finally:
        guard.close()

"""The gate's door before installations of a test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from limen.core.profile import Profile
from limen.http.gate import Door
from tests.gate.scene import NewScene, Placed, Scene

NewClient = Callable[..., httpx2.AsyncClient]


@pytest.fixture
def new_scene(tmp_path: Path, placed: Placed) -> Iterator[NewScene]:
    """Makes installations, each in a folder of its own; all are closed in the end."""
    made: list[Scene] = []

    def make(of: Profile | None = None, **settings: Any) -> Scene:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Scene(folder, of, **placed(folder) | settings))
        return made[-1]

    yield make
    for scene in made:
        scene.close()


@pytest.fixture
def scene(new_scene: NewScene) -> Scene:
    """An installation with the API of the shipped profile ``creator``."""
    return new_scene()


@pytest.fixture
async def new_client() -> AsyncIterator[NewClient]:
    """Makes clients of a scene's door: from which peer, and with which secret the door was started."""
    made: list[httpx2.AsyncClient] = []

    def make(
        scene: Scene, peer: tuple[str, int] | None = ("127.0.0.1", 1), secret: bytes | None = None
    ) -> httpx2.AsyncClient:
        door = Door(scene.app, {scene.api: scene.house}, secret)
        transport = httpx2.ASGITransport(door, client=peer)  # type: ignore[arg-type]  # None: a unix socket
        made.append(httpx2.AsyncClient(transport=transport, base_url="http://gate"))
        return made[-1]

    yield make
    for client in made:
        await client.aclose()


@pytest.fixture
def client(scene: Scene, new_client: NewClient) -> httpx2.AsyncClient:
    """A client of the scene's door, from a peer that is listed."""
    return new_client(scene)


@pytest.fixture
def key(scene: Scene) -> str:
    """A key with ``read:chat``."""
    return scene.key().decode()

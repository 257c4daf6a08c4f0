"""Installations with an API behind a Guard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from limen.core.profile import Profile
from limen.guard.asgi import Guard
from tests.gate.scene import VERSION, NewScene, Placed, Scene
from tests.guard.served import BOTH, plain, profile

Header = tuple[bytes, bytes]


@pytest.fixture
def new_scene(tmp_path: Path, placed: Placed) -> Iterator[NewScene]:
    """Makes installations, each in a folder of its own; all are closed in the end."""
    made: list[Scene] = []

    def make(of: Profile | None = None, **settings: Any) -> Scene:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Scene(folder, of or profile(), **placed(folder) | settings))
        return made[-1]

    yield make
    for scene in made:
        scene.close()


@pytest.fixture
def scene(new_scene: NewScene) -> Scene:
    """An installation with the API that ``served`` serves."""
    return new_scene()


@pytest.fixture
def key(scene: Scene) -> str:
    """A key with ``read:chat`` and ``read:self``."""
    return scene.key(scopes=BOTH).decode()


@pytest.fixture
def headers(key: str) -> list[Header]:
    """The headers of a request that is admitted."""
    return [(b"x-fanvue-api-key", key.encode()), (b"x-fanvue-api-version", VERSION.encode())]


@pytest.fixture
def guard(scene: Scene) -> Iterator[Guard]:
    """A Guard before a plain application."""
    made = Guard(plain, api=scene.api, settings=scene.settings)
    yield made
    made.close()

"""Scenes for the tests of the gate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from limen.core.profile import Profile
from tests.gate.scene import NewScene, Placed, Scene


@pytest.fixture
def new_scene(tmp_path: Path, placed: Placed) -> Iterator[NewScene]:
    """Makes a scene of a profile and settings; each in a folder of its own, all closed in the end."""
    made: list[Scene] = []

    def make(profile: Profile | None = None, **settings: Any) -> Scene:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Scene(folder, profile, **placed(folder) | settings))
        return made[-1]

    yield make
    for scene in made:
        scene.close()


@pytest.fixture
def scene(new_scene: NewScene) -> Scene:
    """An installation with the API of the shipped profile ``creator``."""
    return new_scene()

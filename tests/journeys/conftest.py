"""One stage for the journeys that leave it as others need it: each has owners and keys of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from limen.core.profile import Profile
from tests.journeys.stage import Stage


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, altered: Callable[..., Profile]) -> Iterator[Stage]:
    """A server over ``creator``, ``organisation`` with an overlap, and ``legacy``, which had keys before Limen."""
    folder = tmp_path_factory.mktemp("stage")
    foreign = {"prefix": "old_", "length": "44", "hash": "sha256", "class": "secret", "environment": "live"}
    profiles = {
        "creator": altered("creator", {}),
        "organisation": altered("organisation", {"keys.overlap": "1 h"}),
        "legacy": altered("creator", {"keys.foreign": [foreign], "keys.max_active_per_owner": "unlimited"}),
    }
    with Stage(folder, profiles, github_keys=str(folder / "github.json")) as made:
        yield made.open()
        made.shut()

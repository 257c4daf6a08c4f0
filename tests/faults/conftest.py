"""Installations for the tests of faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.disks import Mounts
from tests.faults.installation import Installation

Install = Callable[..., Installation]


@pytest.fixture
def install(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Install]:
    """Makes installations; what they started is ended, whatever becomes of the test.

    *kind*: of the database. *beside*: this is another host of that one, with a state folder of its own.
    """
    made: list[Installation] = []

    def make(*, kind: str = "sqlite", beside: Installation | None = None, **settings: str) -> Installation:
        folder = tmp_path / f"i{len(made)}"
        if beside is not None:
            same = {"database_url": beside.settings.database_url, "pepper_file": str(beside.settings.pepper_path)}
            made.append(Installation(folder, joins=True, **same, **{"state": str(folder / "state")} | settings))
            return made[-1]
        if kind == "postgresql":
            server = request.getfixturevalue("postgres")
            settings |= {"database_url": server.url(server.create()), "state": str(folder / "state")}
            settings["pepper_file"] = str(folder / "pepper")
        made.append(Installation(folder, **settings))
        return made[-1]

    yield make
    for installation in made:
        installation.close()


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[Mounts]:
    """Mounts disks. To be asked for before ``install``, so that what works on them has ended when they go."""
    made = Mounts(tmp_path)
    yield made
    made.close()

"""One installation a module; each test has owners and keys of its own in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gate.scene import Placed
from tests.http.v1.house import Caller, House


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, placed_once: Placed) -> Iterator[House]:
    """An installation with the management API."""
    made = House(placed_once(tmp_path_factory.mktemp("house")))
    yield made
    made.close()


@pytest.fixture
def staff(house: House) -> Caller:
    """Staff who may do everything."""
    return house.staff()

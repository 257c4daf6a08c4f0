"""Clusters for the tests of what they promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.cluster.members import Cluster

LEASE_S = 0.25
Begin = Callable[..., Cluster]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Begins clusters; nothing of them is left, whatever becomes of the test."""
    begun: list[Cluster] = []

    def make(build: str = "sound", *, lease_s: float = LEASE_S, **settings: str) -> Cluster:
        folder = tmp_path / f"c{len(begun)}"
        folder.mkdir()
        begun.append(Cluster(folder, build=build, lease_ms=str(round(lease_s * 1_000)), **settings))
        return begun[-1]

    yield make
    for cluster in begun:
        cluster.close()

"""One installation with ``limen serve`` for all proxies, and each of them before one API."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from limen.core.profile import Profile
from tests.journeys.stage import Stage
from tests.proxies.edge import CONFIGURE, VERSIONS, Api, Certificate, Edge, edge
from tools.servers.proxies import KINDS, program


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """What the proxies show."""
    return Certificate.make(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, altered: Callable[..., Profile]) -> Iterator[Stage]:
    """A server over ``creator``, with versions in each stage of their life."""
    profile = altered("creator", {"versioning.versions": VERSIONS})
    with Stage(tmp_path_factory.mktemp("edge"), {"creator": profile}) as made:
        yield made.open()
        made.shut()


@pytest.fixture(scope="session")
def api() -> Iterator[Api]:
    """The API behind the proxies."""
    made = Api()
    yield made
    made.close()


@pytest.fixture(scope="session", params=list(CONFIGURE))
def kind(request: pytest.FixtureRequest) -> str:
    """The name of a proxy that is installed."""
    name: str = request.param
    if program(name) is None:
        pytest.skip(f"{name} is not installed: pip install {KINDS[name].wheel}")
    return name


@pytest.fixture(scope="session")
def at_edge(kind: str, stage: Stage, api: Api, certificate: Certificate) -> Iterator[Edge]:
    """The proxy, running as its file in ``deploy`` says."""
    with edge(kind, api, stage.gate_port, certificate) as running:
        yield running

"""A seeded API: without the guard, where the tests say who calls, and behind it, with real keys."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from examples.organisation_platform import access
from examples.organisation_platform.app import create_app
from examples.organisation_platform.generator import SIZES
from examples.organisation_platform.seed import seed
from examples.organisation_platform.store import Store
from limen.guard.fastapi import Caller
from tests.examples.organisation_platform.guarded import Guarded

if TYPE_CHECKING:
    from tools.servers.postgres import Postgres

UNTIL = datetime(2025, 11, 6, tzinfo=UTC)
AsKey = Callable[..., TestClient]
Ask = Callable[..., list[tuple[Any, ...]]]


def caller_from_test(request: Request) -> Caller:
    """The caller whom a test names, in the place of the one whom the guard admits."""
    return Caller(
        owner=request.headers["test-owner"],
        owner_type="organisation",
        key_id="0123456789Ab",
        scopes=frozenset(),
        environment=request.headers["test-environment"],
        version="v1",
        plan="pro",
        key_class=request.headers["test-class"],
    )


def build(url: str) -> FastAPI:
    """The API without the guard, in which headers say who calls."""
    app = create_app(url, guarded=False)
    declared = (each for each in vars(access).values() if hasattr(each, "scopes"))
    app.dependency_overrides.update(dict.fromkeys(declared, caller_from_test))
    return app


def _seeded(url: str) -> list[str]:
    store = Store(url)
    made = seed(store, SIZES["tiny"], 7, until=UNTIL)
    store.close()
    return made.organisation_ids


@pytest.fixture(scope="session")
def seeded_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small database with data, which no test writes to."""
    path = tmp_path_factory.mktemp("organisation") / "seeded.db"
    _seeded(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def organisation_ids(seeded_file: Path) -> list[str]:
    """The organisations, the one with the most data first."""
    with closing(sqlite3.connect(seeded_file)) as database:
        return [row[0] for row in database.execute("SELECT id FROM organisations WHERE number % 2 ORDER BY number")]


@pytest.fixture(scope="session")
def copied_on_postgresql(postgres: Postgres) -> Callable[[], str]:
    """Makes a copy of the data in PostgreSQL, and gives its URL."""
    pattern = postgres.create()
    _seeded(postgres.url(pattern))
    return lambda: postgres.url(postgres.create(pattern))


@pytest.fixture(scope="session")
def on_postgresql(copied_on_postgresql: Callable[[], str]) -> Iterator[FastAPI]:
    """The API on the same data in PostgreSQL, for tests that only read."""
    app = build(copied_on_postgresql())
    yield app
    app.state.store.close()


@pytest.fixture(scope="session")
def on_sqlite(seeded_file: Path) -> Iterator[FastAPI]:
    """The API on the shared data, for tests that only read."""
    app = build(f"sqlite:///{seeded_file}")
    yield app
    app.state.store.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def reading(request: pytest.FixtureRequest) -> FastAPI:
    """The API on the shared data, once in each database, for tests that only read."""
    app: FastAPI = request.getfixturevalue(f"on_{request.param}")
    return app


@pytest.fixture
def copied(seeded_file: Path, tmp_path: Path) -> str:
    """The URL of a copy of the data."""
    path = tmp_path / "copy.db"
    with closing(sqlite3.connect(seeded_file)) as source, closing(sqlite3.connect(path)) as copy:
        source.backup(copy)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def _empty(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """The API for tests that write: each puts a store of its own into it, because to build it takes longer."""
    return build(f"sqlite:///{tmp_path_factory.mktemp('empty')}/empty.db")


@pytest.fixture(params=["sqlite", "postgresql"])
def writing(request: pytest.FixtureRequest, _empty: FastAPI) -> Iterator[FastAPI]:
    """The API on data of the test's own, once in each database."""
    on_sqlite = request.param == "sqlite"
    url = request.getfixturevalue("copied") if on_sqlite else request.getfixturevalue("copied_on_postgresql")()
    _empty.state.store = store = Store(url)
    yield _empty
    store.close()


def _clients(app: FastAPI, first: str) -> AsKey:
    def as_key(owner: str = first, environment: str = "live", key_class: str = "secret") -> TestClient:
        headers = {"test-owner": owner, "test-environment": environment, "test-class": key_class}
        return TestClient(app, headers=headers, base_url="http://testserver/v1")

    return as_key


@pytest.fixture
def reader(reading: FastAPI, organisation_ids: list[str]) -> AsKey:
    """A client that calls as an organisation, on data that no test changes."""
    return _clients(reading, organisation_ids[0])


@pytest.fixture
def writer(writing: FastAPI, organisation_ids: list[str]) -> AsKey:
    """A client that calls as an organisation, on data of the test's own."""
    return _clients(writing, organisation_ids[0])


@pytest.fixture
def on_a_copy(copied: str, _empty: FastAPI, organisation_ids: list[str]) -> Iterator[AsKey]:
    """As ``writer``, in SQLite alone: for what is refused before a database is asked."""
    _empty.state.store = store = Store(copied)
    yield _clients(_empty, organisation_ids[0])
    store.close()


@pytest.fixture(scope="session")
def seen(on_sqlite: FastAPI) -> Ask:
    """The shared data, asked in SQL of the test's own. Both databases hold the same."""
    store: Store = on_sqlite.state.store

    def ask(sql: str, *values: object) -> list[tuple[Any, ...]]:
        with store.engine.begin() as conn:
            return [tuple(row) for row in conn.exec_driver_sql(sql, values)]

    return ask


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, seeded_file: Path) -> Iterator[Guarded]:
    """The API behind Limen, with keys, on data of the module's own."""
    folder = tmp_path_factory.mktemp("guarded")
    with closing(sqlite3.connect(seeded_file)) as source, closing(sqlite3.connect(folder / "own.db")) as copy:
        source.backup(copy)
    with Guarded.opened(folder, f"sqlite:///{folder / 'own.db'}") as world:
        yield world

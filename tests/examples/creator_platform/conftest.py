"""A seeded API without the guard, on SQLite and on PostgreSQL; the tests say who calls."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.testclient import TestClient

from examples.creator_platform.app import create_app
from examples.creator_platform.generator import SIZES
from examples.creator_platform.seed import seed
from examples.creator_platform.store import Store
from limen.guard.fastapi import Caller, requires

if TYPE_CHECKING:
    from pathlib import Path

OWNER_HEADER, VERSION_HEADER = "test-owner", "test-version"
NEWEST = "2025-06-26"

AsUser = Callable[..., TestClient]
Ask = Callable[..., list[tuple[Any, ...]]]
Copy = Callable[[], str]


def caller_from_test(request: Request) -> Caller:
    """The caller whom a test names, in the place of the one whom the guard admits."""
    return Caller(
        owner=request.headers[OWNER_HEADER],
        owner_type="user",
        key_id="",
        scopes=frozenset(),
        environment="live",
        version=request.headers.get(VERSION_HEADER, NEWEST),
        plan="",
    )


def callers(dependant: Dependant) -> Iterator[Any]:
    """The dependencies of a route that ask for the caller."""
    if isinstance(dependant.call, type(requires())):
        yield dependant.call
    for below in dependant.dependencies:
        yield from callers(below)


def build(url: str) -> FastAPI:
    """The API without the guard, in which a header says who calls."""
    app = create_app(url, guarded=False)
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute):
            for dependency in callers(context.dependant):
                app.dependency_overrides[dependency] = caller_from_test
    return app


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def copied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """``copied()`` is the URL of a small database with data, new each time: a copy of one that nobody opens."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        seed_at(f"sqlite:///{folder / 'seeded.db'}")
        yield lambda: copy_file(folder / "seeded.db", tmp_path_factory.mktemp("copy") / "copy.db")
        return
    postgres = request.getfixturevalue("postgres")
    seeded = postgres.create()
    seed_at(postgres.url(seeded))
    made: list[str] = []

    def copy() -> str:
        for done in made[1:]:  # the first is read by all tests; of the others one is in use at a time
            postgres.drop(done)
        made[1:] = [postgres.create(seeded)] if made else []
        made[:1] = made[:1] or [postgres.create(seeded)]
        return str(postgres.url(made[-1]))

    yield copy


def seed_at(url: str) -> None:
    """Make the data."""
    store = Store(url)
    seed(store, SIZES["tiny"], 7)
    store.close()


def copy_file(seeded: Path, path: Path) -> str:
    """The URL of a copy of the file *seeded* at *path*."""
    with closing(sqlite3.connect(seeded)) as source, closing(sqlite3.connect(path)) as copy:
        source.backup(copy)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def reading(copied: Copy) -> Iterator[FastAPI]:
    """The API on the shared data, for tests that only read."""
    app = build(copied())
    yield app
    app.state.store.close()


@pytest.fixture
def writing(reading: FastAPI, copied: Copy) -> Iterator[FastAPI]:
    """The API on a copy of the data, for tests that write."""
    app = build(copied())
    yield app
    app.state.store.close()


@pytest.fixture(scope="session")
def anybody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of an API without any data, for what is refused before anything is looked up."""
    app = build(f"sqlite:///{tmp_path_factory.mktemp('empty') / 'empty.db'}")
    yield _clients(app)("00000000-0000-4000-8000-000000000000")
    app.state.store.close()


def _clients(app: FastAPI) -> AsUser:
    def as_user(uuid: str, version: str = NEWEST) -> TestClient:
        return TestClient(app, headers={OWNER_HEADER: uuid, VERSION_HEADER: version})

    return as_user


@pytest.fixture(scope="session")
def reader(reading: FastAPI) -> AsUser:
    """A client that calls as a user, on data that no test changes."""
    return _clients(reading)


@pytest.fixture
def writer(writing: FastAPI) -> AsUser:
    """A client that calls as a user, on data of the test's own."""
    return _clients(writing)


def asking(app: FastAPI) -> Ask:
    """What asks and changes the data of *app* in SQL."""
    store: Store = app.state.store

    def ask(sql: str, *values: object) -> list[tuple[Any, ...]]:
        if not store.is_sqlite:
            sql = sql.replace("%", "%%").replace("?", "%s")
        with store.write() as conn:
            found = conn.exec_driver_sql(sql, values)
            return [tuple(row) for row in found] if found.returns_rows else []

    return ask


@pytest.fixture(scope="session")
def seen(reading: FastAPI) -> Ask:
    """The shared data, asked in SQL of the test's own."""
    return asking(reading)


@pytest.fixture
def written(writing: FastAPI) -> Ask:
    """The data that the test writes to, asked and changed in SQL of the test's own."""
    return asking(writing)


@pytest.fixture(scope="session")
def busiest(seen: Ask) -> str:
    """The user with the most chats."""
    return str(seen("SELECT user_uuid FROM chat_sides GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1")[0][0])


@pytest.fixture(scope="session")
def longest(seen: Ask) -> tuple[str, str]:
    """The two sides of the chat with the most messages: a creator, and the other one."""
    chat = "SELECT chat_id FROM messages GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
    user, peer = seen(
        f"SELECT user_uuid, peer_uuid FROM chat_sides WHERE chat_id = ({chat})"
        " ORDER BY user_uuid IN (SELECT user_uuid FROM creators) DESC, 1"
    )[0]
    return user, peer

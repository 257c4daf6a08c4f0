"""A seeded API without the guard; the tests say who calls."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from examples.creator_platform import access
from examples.creator_platform.app import create_app
from examples.creator_platform.generator import SIZES
from examples.creator_platform.seed import seed
from examples.creator_platform.store import Store
from limen.guard.fastapi import Caller

OWNER_HEADER = "test-owner"

AsUser = Callable[[str], TestClient]
Ask = Callable[..., list[tuple[Any, ...]]]


def caller_from_test(request: Request) -> Caller:
    """The caller whom a test names, in the place of the one whom the guard admits."""
    return Caller(
        owner=request.headers[OWNER_HEADER],
        owner_type="user",
        key_id="",
        scopes=frozenset({"read:self", "read:chat", "write:chat"}),
        environment="live",
        version="2025-06-26",
        plan="",
        application="",
    )


def build(url: str) -> FastAPI:
    """The API without the guard, in which a header says who calls."""
    app = create_app(url, guarded=False)
    for dependency in (access.read_self, access.read_chat, access.write_chat):
        app.dependency_overrides[dependency] = caller_from_test
    return app


@pytest.fixture(scope="session")
def seeded_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small database with data, which no test writes to."""
    path = tmp_path_factory.mktemp("creator") / "seeded.db"
    store = Store(f"sqlite:///{path}")
    seed(store, SIZES["tiny"], 7)
    store.close()
    return path


@pytest.fixture(scope="session")
def reading(seeded_file: Path) -> Iterator[FastAPI]:
    """The API on the shared data, for tests that only read."""
    app = build(f"sqlite:///{seeded_file}")
    yield app
    app.state.store.close()


@pytest.fixture
def writing(seeded_file: Path, tmp_path: Path) -> Iterator[FastAPI]:
    """The API on a copy of the data, for tests that write."""
    path = tmp_path / "copy.db"
    with closing(sqlite3.connect(seeded_file)) as source, closing(sqlite3.connect(path)) as copy:
        source.backup(copy)
    app = build(f"sqlite:///{path}")
    yield app
    app.state.store.close()


def _clients(app: FastAPI) -> AsUser:
    def as_user(uuid: str) -> TestClient:
        return TestClient(app, headers={OWNER_HEADER: uuid})

    return as_user


@pytest.fixture(scope="session")
def reader(reading: FastAPI) -> AsUser:
    """A client that calls as a user, on data that no test changes."""
    return _clients(reading)


@pytest.fixture
def writer(writing: FastAPI) -> AsUser:
    """A client that calls as a user, on data of the test's own."""
    return _clients(writing)


def _asking(app: FastAPI) -> Ask:
    store: Store = app.state.store

    def ask(sql: str, *values: object) -> list[tuple[Any, ...]]:
        with store.read() as conn:
            return [tuple(row) for row in conn.exec_driver_sql(sql, values)]

    return ask


@pytest.fixture(scope="session")
def seen(reading: FastAPI) -> Ask:
    """The shared data, asked in SQL of the test's own."""
    return _asking(reading)


@pytest.fixture
def written(writing: FastAPI) -> Ask:
    """The data that the test writes to, asked in SQL of the test's own."""
    return _asking(writing)


@pytest.fixture(scope="session")
def busiest(seen: Ask) -> str:
    """The user with the most chats."""
    return str(seen("SELECT user_uuid FROM chat_sides GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1")[0][0])


@pytest.fixture(scope="session")
def longest(seen: Ask) -> tuple[str, str]:
    """The two sides of the chat with the most messages: a user, and the other one."""
    chat = "SELECT chat_id FROM messages GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
    user, peer = seen(f"SELECT user_uuid, peer_uuid FROM chat_sides WHERE chat_id = ({chat}) ORDER BY 1")[0]
    return user, peer

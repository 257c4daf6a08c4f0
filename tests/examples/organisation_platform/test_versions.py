"""A version that is being ended, and one that was: every operation says so, in the platform's own shapes."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from limen.control import versions
from tests.examples.organisation_platform.guarded import API, OPERATIONS, Guarded, Ids

NOBODYS = Ids("exp_none", "cons_none", "user_none")


@pytest.fixture
def ending(tmp_path: Path, seeded_file: Path) -> Iterator[Guarded]:
    """The API, of whose v1 staff will announce the end."""
    with closing(sqlite3.connect(seeded_file)) as source, closing(sqlite3.connect(tmp_path / "own.db")) as copy:
        source.backup(copy)
    with Guarded.opened(tmp_path, f"sqlite:///{tmp_path / 'own.db'}") as world:
        world.limen.act(versions.register, API, "v2")
        yield world


@pytest.mark.req("R56", "R81")
def test_after_its_sunset_no_operation_of_a_version_is_served(ending: Guarded) -> None:
    now, before = time.time(), ending.key("admin")
    ending.limen.act(versions.deprecate, API, "v1", at=now - 60, successor="v2")
    answer = ending.ask(before, "GET", "/organizations/me")
    assert (answer.status_code, answer.headers["x-api-next-version"]) == (200, "v2")
    assert "deprecation" in answer.headers
    ending.limen.act(versions.sunset, API, "v1", at=now - 30, successor="v2")
    for operation in OPERATIONS:
        gone = ending.call(ending.key(operation.scope), operation, NOBODYS)
        body = gone.json()
        assert (gone.status_code, body["error"], body["nextVersion"]) == (410, "gone", "v2"), operation
        assert ending.described(operation, gone)
    assert ending.client.get("/openapi.json").status_code == 200

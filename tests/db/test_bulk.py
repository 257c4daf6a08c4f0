"""Many rows at once, on both databases: what is handed over is there, and an error is the one of any statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from limen.app import App
from limen.core.people import Actor
from limen.core.problems import StoreDown
from limen.db import bulk
from limen.db.tables import readings
from limen.db.transaction import Tx
from limen.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.servers.postgres import Postgres

WORKER = Actor("worker", "test")
AT = 1_790_000_000.25
WHOLE = (1, 2**40, AT, "shop", b"\x00\xff\n\\", "GET", "op", "", "/π/\t\\N", "ok", "2001:db8::1", 204, 2**40)
BARE = (1, 2, AT, "shop", b"", "GET", "op", "", "", "ok", "", None, None)


@pytest.fixture(params=["sqlite", "postgresql"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[App]:
    """An installation of each kind."""
    files = {"state": tmp_path / "state", "pepper_file": tmp_path / "pepper"}
    url = f"sqlite:///{tmp_path}/limen.db"
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        url = server.url(server.create())
    made = App.initialise(Settings(database_url=url, **files))
    yield made
    made.close()


def _append(tx: Tx, *rows: tuple[Any, ...]) -> None:
    bulk.append(tx.connection, readings, rows)


def _all(app: App) -> list[tuple[Any, ...]]:
    with app.reading() as reader:
        return [tuple(row) for row in reader.connection.execute(readings.select().order_by(readings.c.number))]


def test_what_is_appended_is_there_as_it_was(app: App) -> None:
    app.note(_append, BARE, WHOLE, actor=WORKER)
    app.note(_append, actor=WORKER)
    assert _all(app) == [BARE, WHOLE]


def test_where_a_key_is_there_already_nothing_is_appended(app: App) -> None:
    app.note(_append, BARE, actor=WORKER)
    with pytest.raises(IntegrityError):
        app.note(_append, WHOLE, BARE, actor=WORKER)
    assert _all(app) == [BARE]


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_a_connection_that_ends_at_it_is_the_store_being_down(app: App) -> None:
    def verb(tx: Tx) -> None:
        process = tx.connection.execute(text("select pg_backend_pid()")).scalar()
        with app.store.engine.connect() as other:
            other.execute(text("select pg_terminate_backend(:process, 5000)"), {"process": process})
        _append(tx, BARE)

    with pytest.raises(StoreDown):
        app.note(verb, actor=WORKER)
    app.note(_append, WHOLE, actor=WORKER)
    assert _all(app) == [WHOLE]

"""The schema: the same by every way that leads to it, in one transaction, and of no other release."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from importlib import import_module
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, event, insert, text
from sqlalchemy.exc import IntegrityError

from limen.app import App
from limen.core.problems import ProblemError
from limen.db import schema
from limen.db.engine import Store, open_engine
from limen.db.epoch import Epoch
from limen.db.tables import metadata
from limen.db.triggers import create_triggers
from limen.settings import Settings
from tests.db import dump
from tests.db.children import Child, Starter, in_child

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REVISIONS = [f"{number:04}" for number in range(1, int(schema.HEAD) + 1)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store on a file that is not there yet."""
    made = _store(tmp_path)
    yield made
    made.engine.dispose()


def _store(folder: Path) -> Store:
    return Store(open_engine(f"sqlite:///{folder}/limen.db"), Epoch(folder))


def _schema(folder: Path) -> dict[tuple[str, str], str]:
    with closing(sqlite3.connect(folder / "limen.db")) as connection:
        return dump.schema(connection)


def test_migrations_lead_to_the_schema_on_the_page(store: Store, tmp_path: Path) -> None:
    """Alembic's batch mode drops triggers and checks without a word: this is where it would show."""
    assert schema.upgrade(store) == REVISIONS
    fresh = tmp_path / "fresh.db"
    engine = open_engine(f"sqlite:///{fresh}")
    with engine.begin() as connection:
        metadata.create_all(connection)
        create_triggers(connection)
    engine.dispose()
    with closing(sqlite3.connect(fresh)) as connection:
        wanted = dump.schema(connection)
    assert {kind for kind, _ in wanted} == {"table", "index", "trigger"}
    assert _schema(tmp_path) == wanted


def test_a_difference_in_the_schema_would_be_seen(store: Store, tmp_path: Path) -> None:
    schema.upgrade(store)
    before = _schema(tmp_path)
    for change in ("drop trigger keys_final", "drop index keys_by_age", "alter table owners add column x text"):
        with closing(sqlite3.connect(tmp_path / "limen.db", isolation_level=None)) as hand:
            hand.execute("begin")
            hand.execute(change)
            assert dump.schema(hand) != before
            hand.execute("rollback")


def test_a_new_database_has_the_head_of_the_change_log(store: Store, tmp_path: Path) -> None:
    schema.upgrade(store)
    assert dump.rows(tmp_path / "limen.db", "select seq from change_head") == [(0,)]


def test_an_upgrade_that_is_done_does_nothing(store: Store) -> None:
    schema.upgrade(store)
    epoch = store.epoch.cell[0]
    assert schema.upgrade(store) == []
    assert store.epoch.cell[0] == epoch


def test_an_upgrade_makes_every_gate_read_anew(store: Store) -> None:
    epoch = store.epoch.cell[0]
    schema.upgrade(store)
    assert store.epoch.cell[0] == epoch + 2


def test_the_epoch_is_odd_while_an_upgrade_commits(store: Store) -> None:
    seen = []
    event.listen(store.engine, "commit", lambda connection: seen.append(store.epoch.cell[0]))
    schema.upgrade(store)
    assert [value % 2 for value in seen] == [1]


@pytest.mark.parametrize("words", ["CREATE TABLE keys", "create trigger keys_new ", "INSERT INTO alembic_version"])
def test_an_upgrade_that_is_killed_leaves_nothing(tmp_path: Path, words: str) -> None:
    def work() -> None:
        store = _store(tmp_path)

        def die(connection, cursor, statement, parameters, context, executemany) -> None:
            if words in statement:
                os._exit(9)

        event.listen(store.engine, "before_cursor_execute", die)
        schema.upgrade(store)

    assert in_child(work) == 9
    assert dump.dump(tmp_path / "limen.db") == {}
    store = _store(tmp_path)
    assert schema.upgrade(store) == REVISIONS
    store.engine.dispose()


def test_whichever_statement_of_an_upgrade_fails_nothing_is_left(tmp_path: Path) -> None:
    store = _store(tmp_path)
    number = 0
    while True:
        seen = 0

        def fail(connection, cursor, statement, parameters, context, executemany, at=number) -> None:
            nonlocal seen
            seen += 1
            if seen == at + 1:
                raise RuntimeError(f"at statement {at}")

        event.listen(store.engine, "before_cursor_execute", fail)
        try:
            schema.upgrade(store)
            break
        except RuntimeError:
            assert dump.dump(tmp_path / "limen.db") == {}
        finally:
            event.remove(store.engine, "before_cursor_execute", fail)
        number += 5  # there are some fifty, and one in five will do: each one is the same transaction
    assert number > 20
    assert schema.upgrade(store) == []
    store.engine.dispose()


def test_two_processes_upgrade_at_once(tmp_path: Path) -> None:
    start = Starter()

    def work() -> None:
        start.wait()
        store = _store(tmp_path)
        (tmp_path / f"went-{len(schema.upgrade(store))}").touch()
        store.engine.dispose()

    children = [Child(work) for _ in range(3)]
    start.open()
    assert [child.wait() for child in children] == [0, 0, 0]
    start.close()
    assert {path.name for path in tmp_path.glob("went-*")} == {"went-0", f"went-{int(schema.HEAD)}"}
    assert dump.rows(tmp_path / "limen.db", "select version_num from alembic_version") == [(schema.HEAD,)]
    assert dump.rows(tmp_path / "limen.db", "select count(*) from change_head") == [(1,)]


def test_a_database_of_a_later_release_is_refused(store: Store, tmp_path: Path) -> None:
    schema.upgrade(store)
    with store.engine.begin() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    before = dump.dump(tmp_path / "limen.db")
    with pytest.raises(ProblemError, match="at revision 9999, of a later release") as caught:
        schema.upgrade(store)
    assert caught.value.problem.code == "store_not_ready"
    assert dump.dump(tmp_path / "limen.db") == before


def test_what_the_database_lacks_is_said_with_the_command_that_gives_it(store: Store) -> None:
    with store.read() as connection:
        _refused(connection, "The database is empty. Run 'limen init'")
    schema.upgrade(store)
    with store.read() as connection:
        schema.require_current(connection)
    with store.engine.begin() as connection:
        connection.execute(text("update alembic_version set version_num = '0000'"))
    with store.read() as connection:
        _refused(connection, f"at revision 0000, this release needs {schema.HEAD}. Run 'limen migrate'")


def _refused(connection: Connection, words: str) -> None:
    with pytest.raises(ProblemError, match=re.escape(words)) as caught:
        schema.require_current(connection)
    assert caught.value.problem.code == "store_not_ready"


def test_an_app_opens_no_database_of_another_release(installation: App) -> None:
    with installation.store.engine.begin() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
        connection.execute(text("update compatibility set oldest = '9999'"))
    with pytest.raises(ProblemError) as caught:
        App.open(installation.settings)
    assert caught.value.problem.code == "store_not_ready"


def test_a_version_ends_no_sooner_than_it_is_deprecated(creator: App) -> None:
    versions = metadata.tables["versions"]
    usual = {"api": "creator", "version": "2030-01-01", "by_staff": True, "registered_at": 0.0, "sunset_at": 5.0}
    for deprecated_at in (None, 6.0):
        with pytest.raises(IntegrityError, match="version_dates"), creator.store.engine.begin() as connection:
            connection.execute(insert(versions).values(usual | {"deprecated_at": deprecated_at}))


def test_the_migrations_are_in_the_package() -> None:
    assert import_module("limen.db.migrations.versions.m0001_threshold").revision == "0001"
    assert schema._scripts().get_current_head() == schema.HEAD == REVISIONS[-1]


def test_settings_and_engine_name_the_same_file(tmp_path: Path) -> None:
    for name in ("plain.db", "with space.db", "ünï.db", "percent%25.db", "hash#.db"):
        settings = Settings(database_url=f"sqlite:///{tmp_path}/{name}")
        engine = open_engine(settings.database_url)
        with engine.connect():
            pass
        engine.dispose()
        assert settings.database_path.exists(), name

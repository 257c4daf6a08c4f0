"""The schema on PostgreSQL: the same by migrations as by the page, laid in one transaction, by one process of many."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import event

from limen.db import schema
from limen.db.engine import Store, open_engine
from limen.db.migrations.versions.m0010_windows import counting
from limen.db.tables import metadata
from limen.db.triggers import create_triggers
from tests.db import dump
from tests.db.children import Child, Starter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.servers.postgres import Postgres

REVISIONS = [f"{number:04}" for number in range(1, int(schema.HEAD) + 1)]


@pytest.fixture
def url(postgres: Postgres) -> Iterator[str]:
    """A database with nothing in it."""
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)


@contextmanager
def _store(url: str) -> Iterator[Store]:
    store = Store(open_engine(url), None)
    try:
        yield store
    finally:
        store.engine.dispose()


def _schema(url: str) -> dict[tuple[str, ...], tuple[str, ...]]:
    with psycopg.connect(url) as connection:
        return dump.postgresql_schema(connection)


def test_migrations_lead_to_the_schema_on_the_page(url: str, postgres: Postgres) -> None:
    with _store(url) as store:
        assert schema.upgrade(store) == REVISIONS
    name = postgres.create()
    engine = open_engine(postgres.url(name))
    with engine.begin() as connection:
        metadata.create_all(connection)
        create_triggers(connection)
        connection.exec_driver_sql(counting())
    engine.dispose()
    wanted, found = _schema(postgres.url(name)), _schema(url)
    postgres.drop(name)
    assert {what[0] for what in wanted} == {"column", "index", "constraint", "trigger", "function", "table"}
    assert {what: found.get(what) for what in wanted if found.get(what) != wanted[what]} == {}
    assert {what for what in found if what not in wanted and what[1] != "alembic_version"} == set()


@pytest.mark.parametrize(
    "change",
    [
        "drop trigger keys_final on keys",
        "alter table keys disable trigger keys_final",
        "drop index keys_by_age",
        "alter table owners add column x text",
        'alter table owners alter column name type text collate "default"',
        "alter table owners alter column name drop not null",
        "alter table keys drop constraint key_slot",
        "alter table outbox alter column id drop default",
        "create or replace function limen_keys_final() returns trigger language plpgsql as 'begin return new; end'",
    ],
)
def test_a_difference_in_the_schema_would_be_seen(url: str, change: str) -> None:
    with _store(url) as store:
        schema.upgrade(store)
    with psycopg.connect(url) as connection:
        before = dump.postgresql_schema(connection)
        connection.execute(change)  # type: ignore[arg-type]  # statements of this file
        assert dump.postgresql_schema(connection) != before


def test_all_text_is_ordered_by_its_bytes(url: str) -> None:
    """Positions in lists are compared by Python too, and on SQLite; a server may have any order of its own."""
    with _store(url) as store:
        schema.upgrade(store)
    texts = {
        what[1:]: found[2]
        for what, found in _schema(url).items()
        if what[0] == "column" and found[0] == "text" and what[1] != "alembic_version"
    }
    assert len(texts) >= 90
    assert {where for where, collation in texts.items() if collation != "C"} == set()


def test_an_upgrade_that_is_done_does_nothing(url: str) -> None:
    with _store(url) as store:
        assert schema.upgrade(store) == REVISIONS
        before = dump.dump(url)
        assert schema.upgrade(store) == []
    assert dump.dump(url) == before
    assert dump.rows(url, "select seq from change_head") == [(0,)]


def test_whichever_statement_of_an_upgrade_fails_nothing_is_left(url: str) -> None:
    """DDL is part of a transaction on PostgreSQL too."""
    with _store(url) as store:
        for at in (1, 30, 60, 90):
            seen = 0

            def fail(connection, cursor, statement, parameters, context, executemany, at=at) -> None:
                nonlocal seen
                seen += 1
                if seen == at:
                    raise RuntimeError(f"at statement {at}")

            event.listen(store.engine, "before_cursor_execute", fail)
            with pytest.raises(RuntimeError, match="at statement"):
                schema.upgrade(store)
            event.remove(store.engine, "before_cursor_execute", fail)
            assert dump.dump(url) == {}
        assert schema.upgrade(store) == REVISIONS


def test_processes_that_upgrade_at_once_take_turns(url: str, tmp_path: Path) -> None:
    start = Starter()

    def work() -> None:
        start.wait()
        with _store(url) as store:
            (tmp_path / f"went-{len(schema.upgrade(store))}").touch()

    children = [Child(work) for _ in range(3)]
    start.open()
    assert [child.wait() for child in children] == [0, 0, 0]
    start.close()
    assert {path.name for path in tmp_path.glob("went-*")} == {"went-0", f"went-{int(schema.HEAD)}"}
    assert dump.rows(url, "select version_num from alembic_version") == [(REVISIONS[-1],)]
    assert dump.rows(url, "select count(*) from change_head") == [(1,)]

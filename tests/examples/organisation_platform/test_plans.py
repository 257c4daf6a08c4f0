"""Every list is answered from an index in its order, in both databases: nothing is scanned, and nothing sorted."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, event

from tests.examples.organisation_platform.conftest import AsKey
from tests.examples.organisation_platform.test_lists import EVERY_ORDER


@contextmanager
def recorded(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """The statements that the engine runs inside the block, with their parameters."""
    statements: list[tuple[str, Any]] = []

    def record(_conn: object, _cursor: object, sql: str, values: Any, *_rest: object) -> None:
        if sql.startswith("SELECT"):
            statements.append((sql, values))

    event.listen(engine, "before_cursor_execute", record)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", record)


def plan(engine: Engine, sql: str, values: Any) -> str:
    """How the database goes about it; PostgreSQL as it would with many rows, where reading all of them is the worst."""
    with engine.connect() as conn:
        if engine.dialect.name == "sqlite":
            return "\n".join(row.detail for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values))
        for way in ("seqscan", "bitmapscan", "sort"):
            conn.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        return "\n".join(row[0] for row in conn.exec_driver_sql(f"EXPLAIN {sql}", values))


@pytest.mark.parametrize(("path", "order"), EVERY_ORDER)
def test_a_page_of_a_list_is_a_stretch_of_its_index(reading: FastAPI, reader: AsKey, path: str, order: str) -> None:
    engine: Engine = reading.state.store.engine
    first = reader().get(f"/{path}", params={"first": 3, "sortBy": order}).json()["pageInfo"]["endCursor"]
    for query in ({"first": 3}, {"last": 3}, {"first": 3, "after": first}, {"last": 3, "before": first}):
        with recorded(engine) as statements:
            assert reader().get(f"/{path}", params=query | {"sortBy": order}).status_code == 200
        steps = plan(engine, *statements[-1])
        assert "ix_" in steps, steps
        for sql, values in statements:
            steps = plan(engine, sql, values)
            for worse in ("SCAN", "Seq Scan", "TEMP B-TREE", "Sort"):
                assert worse not in steps, (sql, steps)
        if len(query) > 1:  # the page begins where the cursor stands, and nothing before it is read
            assert "(?,?)" in steps or "ROW(" in steps, steps


@pytest.mark.parametrize(
    ("path", "index"),
    [
        ("/consumers/search?q=am", "ix_consumers_name_key"),
        ("/consumers/search?q=am", "ix_consumers_email_key"),
        ("/consumers/search?email=a@example.com", "email"),
        ("/experiences?include=sequences,distributions", "ix_experiences_created_at"),
        ("/organizations/me", "organisations"),
    ],
)
def test_each_read_has_its_index(reading: FastAPI, reader: AsKey, path: str, index: str) -> None:
    engine: Engine = reading.state.store.engine
    with recorded(engine) as statements:
        assert reader().get(path).status_code == 200
    plans = [plan(engine, sql, values) for sql, values in statements]
    assert any(index in steps for steps in plans), plans
    assert not any("SCAN consumers" in steps or "Seq Scan" in steps for steps in plans), plans

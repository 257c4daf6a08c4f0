"""Every statement of every operation is answered from an index: no scan, no sort."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event

AsUser = Callable[[str], TestClient]


@contextmanager
def recorded(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """The statements that the engine runs inside the block, with their parameters."""
    statements: list[tuple[str, Any]] = []

    def record(_conn: object, _cursor: object, sql: str, values: Any, *_rest: object) -> None:
        if not sql.startswith("BEGIN"):
            statements.append((sql, values))

    event.listen(engine, "before_cursor_execute", record)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", record)


def plan(engine: Engine, sql: str, values: Any) -> str:
    with engine.connect() as conn:
        return "\n".join(row.detail for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values))


def calls(owner: str, peer: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Every operation, with every parameter that changes its statements."""
    chat = f"/chats/{peer}"
    return [
        ("GET", "/users/me", {}),
        ("GET", "/chats", {}),
        ("GET", "/chats", {"params": {"page": 2, "filter": "unread"}}),
        ("GET", "/chats", {"params": {"search": "a"}}),
        ("GET", "/chats", {"params": {"search": "a", "filter": "unread"}}),
        ("POST", "/chats", {"json": {"userUuid": peer}}),
        ("POST", "/chats", {"json": {"userUuid": str(uuid4())}}),
        ("GET", f"{chat}/messages", {"params": {"page": 2}}),
        ("GET", f"{chat}/messages", {"params": {"markAsRead": True}}),
        ("POST", f"{chat}/message", {"json": {"text": "hello"}}),
    ]


@pytest.mark.req("R85", "R88", "R98")
@pytest.mark.parametrize("analysed", [False, True], ids=["unanalysed", "analysed"])
def test_no_statement_scans_or_sorts(
    writing: FastAPI, writer: AsUser, longest: tuple[str, str], analysed: bool
) -> None:
    engine: Engine = writing.state.store.engine
    if not analysed:
        with writing.state.store.write() as conn:
            conn.exec_driver_sql("DELETE FROM sqlite_stat1")
        writing.state.store.close()  # a connection reads the statistics when it opens
    owner, peer = longest
    explained = 0
    for method, path, extra in calls(owner, peer):
        with recorded(engine) as statements:
            assert writer(owner).request(method, path, **extra).status_code < 500
        for sql, values in statements:
            steps = plan(engine, sql, values)
            assert "SCAN" not in steps, (path, sql, steps)
            assert "TEMP B-TREE" not in steps, (path, sql, steps)
            explained += 1
    assert explained >= 15


@pytest.mark.parametrize(
    ("path", "index"),
    [
        ("/chats", "ix_chat_sides_recent"),
        ("/chats?filter=unread", "ix_chat_sides_unread"),
        ("/chats/{peer}/messages", "ix_messages_newest"),
        ("/chats/{peer}/messages?markAsRead=true", "ix_messages_unread"),
    ],
)
def test_each_list_has_its_index(
    writing: FastAPI, writer: AsUser, longest: tuple[str, str], path: str, index: str
) -> None:
    engine: Engine = writing.state.store.engine
    with recorded(engine) as statements:
        assert writer(longest[0]).get(path.format(peer=longest[1])).status_code == 200
    assert any(index in plan(engine, sql, values) for sql, values in statements)

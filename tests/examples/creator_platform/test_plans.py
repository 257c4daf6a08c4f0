"""Every statement of every operation is answered from an index: no scan of a table, no sort but where one is due."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event

AsUser = Callable[..., TestClient]
Ask = Callable[..., list[tuple[Any, ...]]]

RANGE = {"startDate": "2025-01-01T00:00:00Z", "endDate": "2025-10-01T00:00:00Z"}
ADDED_UP = (
    "GROUP BY",  # sums and counts of a range of time, which is what bounds them
    "FOR NO KEY UPDATE",  # two rows, in the order in which they are locked
    "ORDER BY agency_creators.added_at",  # has its index, but where there are two creators SQLite would rather sort
)
"""What may sort. Everything else is a list, and has an index in its order."""


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
    """How the database would answer; PostgreSQL, if it had to do without what is quicker for a table this small."""
    with engine.connect() as conn:
        if engine.dialect.name == "sqlite":
            return "\n".join(row.detail for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values))
        for way in ("seqscan", "bitmapscan", "sort", "hashagg", "hashjoin", "mergejoin"):
            conn.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        return "\n".join(row[0] for row in conn.exec_driver_sql(f"EXPLAIN {sql}", values))


def agency_calls(creator: str, peer: str) -> list[tuple[str, str, dict[str, Any]]]:
    """What an agency's members do, some of it for a creator."""
    given = {"params": {"creatorUuids": creator}}
    return [
        ("GET", "/creators", {}),
        ("GET", "/creators", {"params": {"page": 2}}),
        ("GET", f"/creators/{creator}/chats", {}),
        ("GET", f"/creators/{creator}/chats/{peer}/messages", {}),
        ("GET", "/agencies/team-members", {}),
        ("GET", "/agencies/chats", {}),
        ("GET", "/agencies/subscribers", {}),
        ("GET", "/agencies/subscribers", given),
        ("GET", "/agencies/earnings", {"params": RANGE}),
        ("GET", "/agencies/earnings", {"params": {**RANGE, **given["params"]}}),
        ("GET", "/agencies/subscribers-history", {"params": RANGE}),
    ]


def calls(owner: str, peer: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Every operation, with every parameter that changes its statements."""
    chat = f"/chats/{peer}"
    orders = ("most_recent_messages", "online_now", "most_unanswered_chats")
    kinds = ("followers", "recent_subscribers", "spenders", "exclude_creators", "subscribed_to", "not_answered")
    return [
        ("GET", "/users/me", {}),
        ("GET", "/chats", {}),
        ("GET", "/chats", {"params": {"page": 2, "filter": "unread"}}),
        ("GET", "/chats", {"params": {"search": "a", "filter": ["unread", "online", "not_muted"]}}),
        *(("GET", "/chats", {"params": {"sortBy": order}}) for order in orders),
        *(("GET", "/chats", {"params": {"filter": kind}}) for kind in kinds),
        ("GET", "/chats", {"params": {"smartListIds": ["expired_subscribers", "auto_renewing"]}}),
        ("POST", "/chats", {"json": {"userUuid": peer}}),
        ("POST", "/chats", {"json": {"userUuid": str(uuid4())}}),
        ("GET", "/chats/unread", {}),
        ("POST", "/chats/statuses", {"json": {"userUuids": [owner, peer]}}),
        ("PATCH", chat, {"json": {"isRead": False, "isMuted": True}}),
        ("GET", f"{chat}/messages", {"params": {"page": 2}}),
        ("GET", f"{chat}/messages", {"params": {"markAsRead": True}}),
        ("POST", f"{chat}/message", {"json": {"text": "hello"}}),
        ("DELETE", f"{chat}/messages/{uuid4()}", {}),
        ("GET", "/followers", {}),
        ("GET", "/subscribers", {}),
        ("GET", "/subscribers", {"params": {"sortDirection": "asc"}}),
        ("GET", "/insights/earnings", {}),
        ("GET", "/insights/earnings", {"params": {**RANGE, "source": "tip,post", "cursor": "MTc2MDAwMDAwMDAwMC4x"}}),
        ("GET", "/insights/earnings/summary", {"params": RANGE}),
        ("GET", "/insights/top-spenders", {}),
        ("GET", "/insights/top-spenders", {"params": RANGE}),
        ("GET", "/insights/subscribers", {"params": RANGE}),
        ("GET", f"/insights/fans/{peer}", {}),
    ]


@pytest.mark.req("R85", "R88", "R89", "R90", "R91", "R92", "R93", "R98")
@pytest.mark.parametrize("analysed", [False, True], ids=["unanalysed", "analysed"])
def test_no_statement_scans_or_sorts(
    writing: FastAPI, writer: AsUser, written: Ask, longest: tuple[str, str], analysed: bool
) -> None:
    engine: Engine = writing.state.store.engine
    if not analysed and engine.dialect.name == "sqlite":
        with writing.state.store.write() as conn:
            conn.exec_driver_sql("DELETE FROM sqlite_stat1")
        writing.state.store.close()  # a connection reads the statistics when it opens
    owner, peer = longest
    members = written("SELECT user_uuid, agency_uuid FROM agency_members WHERE is_admin ORDER BY joined_at")
    ((creator,),) = written("SELECT creator_uuid FROM agency_creators WHERE agency_uuid = ? LIMIT 1", members[0][1])
    ((chatter, theirs),) = written("SELECT member_uuid, creator_uuid FROM creator_access ORDER BY 1, 2 LIMIT 1")
    asked = [(owner, *call) for call in calls(owner, peer)]
    asked += [(members[0][0], *call) for call in agency_calls(creator, peer)]
    asked += [(chatter, *call) for call in agency_calls(theirs, peer)]
    explained = 0
    for who, method, path, extra in asked:
        with recorded(engine) as statements:
            answer = writer(who).request(method, path, **extra)
            assert answer.status_code < 300 or answer.status_code in (400, 403, 404)
        assert statements
        for sql, values in statements:
            steps = plan(engine, sql, values)
            may_sort = any(words in sql for words in ADDED_UP)
            assert not any(scan in steps for scan in ("SCAN", "Seq Scan")) or may_sort, (path, sql, steps)
            assert not any(sort in steps for sort in ("TEMP B-TREE", "Sort")) or may_sort, (path, sql, steps)
            explained += 1
    assert explained >= 50


@pytest.mark.parametrize(
    ("path", "index"),
    [
        ("/chats", "ix_chat_sides_recent"),
        ("/chats?filter=unread", "ix_chat_sides_unread"),
        ("/chats?sortBy=online_now", "ix_chat_sides_online"),
        ("/chats?sortBy=most_unanswered_chats", "ix_chat_sides_unanswered"),
        ("/chats/{peer}/messages", "ix_messages_newest"),
        ("/chats/{peer}/messages?markAsRead=true", "ix_messages_unread"),
        ("/followers", "ix_fans_followers"),
        ("/subscribers", "ix_fans_subscribers"),
        ("/insights/earnings", "ix_earnings_newest"),
        ("/insights/top-spenders", "ix_fans_spenders"),
        ("/insights/subscribers", "ix_subscriptions_started"),
        ("/insights/fans/{peer}", "ix_earnings_fan"),
    ],
)
def test_each_list_has_its_index(
    writing: FastAPI, writer: AsUser, longest: tuple[str, str], path: str, index: str
) -> None:
    engine: Engine = writing.state.store.engine
    with recorded(engine) as statements:
        assert writer(longest[0]).get(path.format(peer=longest[1])).status_code == 200
    plans = [plan(engine, sql, values) for sql, values in statements]
    assert any(index in steps for steps in plans), plans

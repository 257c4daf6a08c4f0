"""The creator platform's lists at 1,000,000 messages over the same lists at 20,000: a page each, at most 1.5 times.

What is timed is the SQL of a request: its statements are taken down once, by asking the application without a guard,
and sent again and again over a connection of the application's. Asked is the one with the most chats at either size,
and the admin of the agency with the most creators: pages are as long in both, what lies behind them is not. What adds
up a range of time costs what the range holds; it is asked for a creator with as many fans in both.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fastapi import FastAPI
from sqlalchemy import event

from benchmarks.blocks import Figure, as_rows, compare, in_own_process
from examples.creator_platform.app import create_app
from examples.creator_platform.generator import SIZES
from examples.creator_platform.seed import seed
from examples.creator_platform.store import Store
from limen.guard.caller import KEY
from limen.profiles import load

SMALL, LARGE = "small", "large"
SEED, ROUNDS, BLOCKS = 7, 5, 101
BUDGET = 1.5

RANGE = "startDate=2025-06-01T00:00:00Z&endDate=2025-07-01T00:00:00Z"
CALLS = {
    "listChats": (
        "/chats",
        "/chats?page=2&size=50",
        "/chats?filter=unread",
        "/chats?sortBy=online_now",
        "/chats?sortBy=most_unanswered_chats",
        "/chats?filter=subscribers&filter=not_muted",
        "/chats?smartListIds=auto_renewing",
        "/chats?search=a",
    ),
    "listMessages": ("/chats/{peer}/messages", "/chats/{peer}/messages?page=2&size=50"),
    "listFollowers": ("/followers", "/followers?page=2"),
    "listSubscribers": ("/subscribers", "/subscribers?sortDirection=asc"),
    "listEarnings": ("/insights/earnings", f"/insights/earnings?{RANGE}"),
    "listTopSpenders": ("/insights/top-spenders", f"/insights/top-spenders?{RANGE}"),
    "listSubscriberDays": (f"/insights/subscribers?{RANGE}",),
    "listCreators": ("/creators",),
    "listCreatorFollowers": ("/creators/{creator}/followers",),
    "listCreatorSubscribers": ("/creators/{creator}/subscribers",),
    "listCreatorChats": ("/creators/{creator}/chats",),
    "listCreatorMessages": ("/creators/{creator}/chats/{said}/messages",),
    "listCreatorEarnings": ("/creators/{creator}/insights/earnings",),
    "listCreatorTopSpenders": ("/creators/{creator}/insights/top-spenders",),
    "listCreatorSubscriberDays": (f"/creators/{{alike}}/insights/subscribers?{RANGE}",),
    "listTeamMembers": ("/agencies/team-members",),
    "listAgencyChats": ("/agencies/chats",),
    "listAgencySubscribers": ("/agencies/subscribers",),
    "listAgencyEarnings": (f"/agencies/earnings?{RANGE}&creatorUuids={{alike}}",),
    "listAgencySubscriberDays": (f"/agencies/subscribers-history?{RANGE}",),
}
"""By operation: every list, in its orders and with its filters."""
ADDS_UP = (f"/insights/top-spenders?{RANGE}", f"/insights/subscribers?{RANGE}")
FANS = 25
"""How many fans the creator has for whom something is added up."""

Statements = list[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class Platform:
    """The example with data, and whom its lists are asked for."""

    app: FastAPI
    path: Path
    known: dict[str, str]
    """``user`` and ``peer`` in a chat; ``agent``, and of the same agency ``creator``, ``said`` in a chat, ``alike``."""


def run() -> list[Figure]:
    """In a process of its own."""
    return in_own_process("benchmarks.examples")


def measure() -> list[Figure]:
    """A figure for each list."""
    lists = {each.name for each in load("creator").operations if each.method == "GET" and each.name.startswith("list")}
    if lists != set(CALLS):
        raise RuntimeError(f"the lists of the profile and those that are measured differ: {lists ^ set(CALLS)}")
    with ExitStack() as both:
        small, large = (both.enter_context(_seeded(size)) for size in (SMALL, LARGE))
        return [_compared(large, small, path) for paths in CALLS.values() for path in paths]


def _compared(large: Platform, small: Platform, path: str) -> Figure:
    with ExitStack() as both:
        subject, floor = (both.enter_context(_again(each, _taken_down(each, path))) for each in (large, small))
        return compare(f"GET {path}"[:48], subject, floor, rounds=ROUNDS, blocks=BLOCKS, budget=BUDGET)


@contextmanager
def _seeded(size: str) -> Iterator[Platform]:
    with tempfile.TemporaryDirectory(prefix="limen-bench-") as folder:
        path = Path(folder) / "creator.db"
        store = Store(f"sqlite:///{path}")
        print(f"seeding {SIZES[size].messages:,} messages ...", file=sys.stderr, flush=True)
        seed(store, SIZES[size], SEED)
        store.close()
        with closing(sqlite3.connect(path)) as database:
            known = {"user": database.execute(_USER).fetchone()[0]}
            known["peer"] = database.execute(_PEER, (known["user"],)).fetchone()[0]
            known["agent"] = database.execute(_AGENT).fetchone()[0]
            known["creator"] = database.execute(_CREATOR, (known["agent"],)).fetchone()[0]
            known["said"] = database.execute(_PEER, (known["creator"],)).fetchone()[0]
            known["alike"] = database.execute(_ALIKE, (known["agent"],)).fetchone()[0]
        app = create_app(f"sqlite:///{path}", guarded=False)
        try:
            yield Platform(app, path, known)
        finally:
            app.state.store.close()


_USER = "select user_uuid from chat_sides group by user_uuid order by count(*) desc, user_uuid limit 1"
_ALIKE = (
    "select f.creator_uuid from fans f join agency_creators c using (creator_uuid)"
    " join agency_members m on m.agency_uuid = c.agency_uuid where m.user_uuid = ?"
    f" group by f.creator_uuid order by abs(count(*) - {FANS}), f.creator_uuid limit 1"
)
_PEER = (
    "select s.peer_uuid from chat_sides s join messages m on m.chat_id = s.chat_id"
    " where s.user_uuid = ? group by s.peer_uuid order by count(*) desc, s.peer_uuid limit 1"
)
_AGENT = (
    "select m.user_uuid from agency_members m join agency_creators c using (agency_uuid) where m.is_admin"
    " group by m.user_uuid order by count(*) desc, m.user_uuid limit 1"
)
_CREATOR = (
    "select c.creator_uuid from agency_creators c join agency_members m using (agency_uuid)"
    " join chat_sides s on s.user_uuid = c.creator_uuid where m.user_uuid = ?"
    " group by c.creator_uuid order by count(*) desc, c.creator_uuid limit 1"
)


def _taken_down(platform: Platform, path: str) -> Statements:
    """The statements of one request. Raises RuntimeError where it is not answered with 200 and something in it."""
    statements: Statements = []

    def take(_conn: object, _cursor: object, sql: str, values: Any, *_rest: object) -> None:
        if not sql.startswith("BEGIN"):
            statements.append((sql, values))

    engine = platform.app.state.store.engine
    event.listen(engine, "before_cursor_execute", take)
    try:
        who = "agent" if path.startswith(("/agencies", "/creators")) else "alike" if path in ADDS_UP else "user"
        status, body = asyncio.run(_ask(platform.app, platform.known[who], path.format(**platform.known)))
    finally:
        event.remove(engine, "before_cursor_execute", take)
    if status != 200 or not (body["data"] if isinstance(body, dict) else body) or not statements:
        raise RuntimeError(f"GET {path}: {status}, {str(body)[:200]}")
    return statements


async def _ask(app: FastAPI, owner: str, path: str) -> tuple[int, Any]:
    """Ask the application as its guard would, once it had admitted a key of *owner*'s."""
    raw, _, query = path.partition("?")
    terms = SimpleNamespace(scopes=frozenset(), environment=b"live", application=b"", key_class="secret")
    record = SimpleNamespace(owner=SimpleNamespace(owner_id=owner, kind="user", plan=""), terms=terms, key_id=b"")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": raw,
        "raw_path": raw.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8_000),
        KEY: SimpleNamespace(record=record, version=SimpleNamespace(name="2025-06-26")),
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


@contextmanager
def _again(platform: Platform, statements: Statements) -> Iterator[Callable[[int], None]]:
    """What sends the statements so many times, and reads all rows."""
    with closing(platform.app.state.store.engine.raw_connection()) as connection:
        cursor = connection.cursor()

        def asking(rounds: int) -> None:
            for _ in range(rounds):
                for sql, values in statements:
                    cursor.execute(sql, values).fetchall()

        yield asking


if __name__ == "__main__":
    print(json.dumps(as_rows(measure())))

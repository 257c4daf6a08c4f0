"""The check of a PostgreSQL server: it is a primary, new enough, near, and lets nobody do more than is needed."""

from __future__ import annotations

from collections.abc import Iterator

from limen.cli.doctor.finding import FAIL, OK, WARN, Finding
from limen.db.doctor import ServerState, server_state
from limen.db.transaction import Reader
from limen.settings import Settings

OLDEST = 14
"""The oldest PostgreSQL that is looked after by its own makers, and that knows all that is asked of it."""

SLOW_MS = 10.0
"""From how many milliseconds on a round trip is slow: a key that is not in memory waits for two."""


def server(reader: Reader, settings: Settings) -> Iterator[Finding]:
    """What the server is, and what it lets this installation down by."""
    state = server_state(reader.connection)
    wrong = list(_wrong(state))
    shown = f"{settings.database_shown}, PostgreSQL {state.version}, {state.size / 1e6:,.0f} MB"
    if not any(each.state == FAIL for each in wrong):
        yield Finding("database", OK, f"{shown}; a round trip takes {state.round_trip_ms:.1f} ms.")
    yield from wrong


def _wrong(state: ServerState) -> Iterator[Finding]:
    if state.major < OLDEST:
        found = f"PostgreSQL {state.version} is older than {OLDEST}, the oldest that Limen works with."
        yield Finding("database", FAIL, found, "Upgrade the server.")
    if state.replica:
        found = "The server is a replica: what it says may be out of date, and it takes no change."
        yield Finding("database", FAIL, found, "Name the primary in LIMEN_DATABASE_URL.")
    if not state.durable:
        found = "The server does not wait for its disk (fsync or full_page_writes is off)."
        yield Finding("database", WARN, found, "Turn it on: a loss of power takes revocations back, or more.")
    if state.superuser:
        found = "Limen connects as a superuser, whom no trigger holds up."
        yield Finding("database", WARN, found, "Connect as a role that may only read and write rows.")
    if state.round_trip_ms > SLOW_MS:
        found = f"A round trip takes {state.round_trip_ms:.1f} ms."
        yield Finding("database", WARN, found, "Bring the server nearer: every key that is not in memory waits for it.")

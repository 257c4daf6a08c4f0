"""An engine on PostgreSQL: every wait is bounded, and whoever writes does so alone.

One writer at a time over all hosts, as on SQLite: a verb reads, checks and writes as if nobody else did. Readers wait
for nobody.
"""

from __future__ import annotations

import os
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.abc import PQGen
from psycopg.pq import ConnStatus
from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event
from sqlalchemy.exc import DisconnectionError

RV = TypeVar("RV")

CONNECT_S = 5
"""How long a connection may take to be made."""

ANSWER_S = 15.0
"""How long a statement may take, the wait for other writers included, before the store counts as down."""

TURN_S = 10.0
"""How long a writer waits for those before it: less than an answer may take, so that the database is what says so."""

IDLE_S = 10.0
"""How long a transaction may stand still before the database ends it: nobody waits longer for a writer that is gone."""

WRITERS = 0x4C696D656E
"""The lock that whoever writes holds until the end of the transaction: a number of our own."""

CHANNEL = "limen_changes"
"""On which every change that gates have to know of is told when it is committed. A hint: losing one costs time."""


class Bounded(psycopg.Connection[Any]):
    """A connection on which nothing is waited for without end, even where the network swallows what is sent."""

    answer_s = ANSWER_S

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """As psycopg's, for at most ``answer_s``; then the connection is closed. Raises OperationalError."""
        try:
            return super().wait(gen, interval, self.answer_s if timeout is None else timeout)
        except errors._WaitTimeout as error:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer within {self.answer_s:g} s") from error

    def has_ended(self) -> bool:
        """Whether the server is known to have ended it, as when it was restarted. Nothing is sent: 2 µs."""
        try:
            for _ in range(2):  # what the server said last, and that it says no more
                self.pgconn.consume_input()
        except psycopg.OperationalError:
            return True
        return self.pgconn.status != ConnStatus.OK

    def __del__(self, *_: Any) -> None:
        """A connection that was in use while its pool was done away with goes back there, and is closed by nobody."""
        if hasattr(self, "pgconn"):
            self.pgconn.finish()


def open_postgresql(url: str, *, answer_s: float = ANSWER_S, connect_s: int = CONNECT_S, pool: int = 16) -> Engine:
    """An engine on the PostgreSQL database of *url*, which is asked for a primary: a replica may be behind.

    *answer_s*: how long one statement may take. *pool*: how many connections are kept; half as many more there may be.
    """
    options = {
        "idle_in_transaction_session_timeout": f"{IDLE_S:g}s",
        "lock_timeout": f"{min(TURN_S, answer_s):g}s",
        "statement_timeout": f"{answer_s:g}s",
        "synchronous_commit": "on",
        "timezone": "UTC",
    }
    engine = create_engine(
        url,
        connect_args={
            "application_name": f"limen {os.getpid()}",
            "connect_timeout": connect_s,
            "keepalives_idle": 5,
            "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
            "target_session_attrs": "read-write",
        },
        pool_size=pool,
        max_overflow=pool // 2,
        pool_timeout=answer_s,
        pool_use_lifo=True,  # what is not needed grows old, and is closed by the server or the network
        hide_parameters=True,  # no error shows what was to be stored
    )

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: Any, _record: Any, arguments: Any, named: Any) -> Bounded:
        connection = Bounded.connect(*arguments, **named)
        connection.answer_s = answer_s
        return connection

    @event.listens_for(engine, "checkout")
    def _lent(connection: Bounded, _record: Any, _lent_as: Any) -> None:
        if connection.has_ended():
            raise DisconnectionError  # the pool lends a new one in its place

    @event.listens_for(engine, "handle_error")
    def _without_the_row(context: ExceptionContext) -> None:
        found, said = context.original_exception, context.sqlalchemy_exception
        if isinstance(found, psycopg.Error) and said is not None:
            whole, first = str(found), str(found).partition("\n")[0]
            found.args = (first,)  # what follows may show what was to be stored
            said.args = (str(said.args[0]).replace(whole, first), *said.args[1:])

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get("limen_writes"):
            connection.exec_driver_sql(f"select pg_advisory_xact_lock({WRITERS})")

    return engine

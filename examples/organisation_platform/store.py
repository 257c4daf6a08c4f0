"""The platform's database, a SQLite file or a PostgreSQL database, opened for one organisation in one environment.

No route reaches the database without saying for which caller: what ``read`` and ``write`` give knows whose rows it is
about, and in which environment, because the guard knew both when it admitted the caller's key.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from sqlite3 import SQLITE_BUSY
from sqlite3 import Connection as SqliteConnection
from sqlite3 import OperationalError as SqliteOperationalError
from time import monotonic, sleep
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import URL, ColumnElement, Connection, Engine, Table, create_engine, event, make_url, select
from sqlalchemy.exc import ArgumentError

from examples.organisation_platform.errors import NotFound
from examples.organisation_platform.tables import metadata, organisations
from limen.guard.fastapi import Caller

BUSY_TIMEOUT_S = 10.0
"""How long a writer waits for another writer before its request fails, in SQLite."""
_CREATING = 0x6F726761
"""The advisory lock under which tables are made, in PostgreSQL: processes that start together make them once."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """One organisation in one environment, within one transaction."""

    conn: Connection
    number: int

    def owns(self, table: Table) -> ColumnElement[bool]:
        """The condition with which every statement on *table* begins: these rows and nobody else's."""
        return table.c.organisation == self.number


class Store:
    """Opens transactions on the database at a URL.

    Each block is one transaction: committed where the block ends, rolled back where it raises. Readers never wait for
    writers; of the writers of one organisation each waits for the one before it.
    """

    def __init__(self, url: str) -> None:
        """Open the database and create the tables that are missing.

        Raises ValueError when *url* names neither a SQLite file (a database in memory would be another one in every
        thread) nor a PostgreSQL database.
        """
        parsed = _known(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.engine = _sqlite(parsed) if self.is_sqlite else create_engine(parsed, pool_pre_ping=True)
        snapshot = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._readers = self.engine.execution_options(**snapshot)
        self._writers = self.engine.execution_options(organisation_platform_writes=True)
        with self.writing() as conn:
            if not self.is_sqlite:
                conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_CREATING})")
            metadata.create_all(conn)
        self.close()  # a server may fork after this, and a connection must not cross a fork

    @contextmanager
    def read(self, caller: Caller) -> Iterator[Tenant]:
        """A transaction that sees one state of the caller's data from its first statement to its last.

        Raises NotFound where the key outlived its organisation.
        """
        with self._readers.begin() as conn:
            yield _tenant(conn, caller)

    @contextmanager
    def write(self, caller: Caller) -> Iterator[Tenant]:
        """A transaction that may change the caller's data, and in which nobody else changes it. Raises NotFound."""
        with self.writing() as conn:
            yield _tenant(conn, caller, lock=True)

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction on all data, for whoever makes it up; in SQLite it is the only writer from its beginning."""
        return self._writers.begin()

    def close(self) -> None:
        """Close the pooled connections. The store stays usable and opens new ones."""
        self.engine.dispose()


def _tenant(conn: Connection, caller: Caller, *, lock: bool = False) -> Tenant:
    found = select(organisations.c.number).where(
        organisations.c.id == caller.owner, organisations.c.environment == caller.environment
    )
    # In PostgreSQL the lock makes an organisation's writers wait for each other. SQLite has one writer, and no lock.
    number = conn.execute(found.with_for_update() if lock else found).scalar_one_or_none()
    if number is None:
        raise NotFound("There is no such organization.")
    return Tenant(conn, number)


def _known(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        message = "the database must be a URL, as in sqlite:///organisation.db"
        raise ValueError(message) from error
    backend = parsed.get_backend_name()
    if backend != "postgresql" and (backend != "sqlite" or parsed.database in (None, "", ":memory:")):
        shown = parsed.render_as_string()
        allowed = "a SQLite file (sqlite:///organisation.db) or postgresql://HOST/NAME"
        message = f"the database must be {allowed}, not {shown}"
        raise ValueError(message)
    return parsed


def _sqlite(url: URL) -> Engine:
    # The driver would open transactions by itself, late and only for writes; SQLAlchemy's "begin" does it here.
    engine = create_engine(url, connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_S})
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    _enter_wal(engine)
    return engine


def _on_connect(connection: SqliteConnection, _record: object) -> None:
    connection.execute("PRAGMA foreign_keys = ON")


def _on_begin(conn: Connection) -> None:
    writes = conn.get_execution_options().get("organisation_platform_writes", False)
    conn.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _enter_wal(engine: Engine) -> None:
    """Let readers and a writer work beside each other. The file remembers it, so once at the start is enough.

    SQLite waits for no lock here: of two processes that start on a new file, one is refused at once and tries again.
    """
    deadline = monotonic() + BUSY_TIMEOUT_S
    with closing(engine.raw_connection()) as connection:
        while True:
            try:
                connection.cursor().execute("PRAGMA journal_mode = WAL")
                return
            except SqliteOperationalError as error:
                if error.sqlite_errorcode != SQLITE_BUSY or monotonic() > deadline:
                    raise
                sleep(0.01)


def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


Database = Annotated[Store, Depends(_store)]
"""What a route asks for to reach the database."""

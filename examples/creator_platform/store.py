"""The platform's database: a SQLite file or a PostgreSQL database, opened for reading or for writing.

The two differ in one thing that the rest of the code has to know. In SQLite a writer is alone from its first statement;
in PostgreSQL writers work beside each other, and whoever decides by a row locks it first (``with_for_update``, which
SQLite needs not and leaves out).
"""

from contextlib import AbstractContextManager, closing
from sqlite3 import SQLITE_BUSY
from sqlite3 import Connection as SqliteConnection
from sqlite3 import OperationalError as SqliteOperationalError
from time import monotonic, sleep
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from examples.creator_platform.tables import metadata

BUSY_TIMEOUT_S = 10.0
"""How long a writer waits for another writer before its request fails, in SQLite."""
CACHE_KIB = 16 * 1024
"""How much of a SQLite file a connection keeps in memory. A page of 50 chats touches more than SQLite's own 2 MiB."""
_CREATING = 0x63726561
"""The advisory lock under which tables are made, in PostgreSQL: processes that start together make them once."""


class Store:
    """Opens transactions on the database at a URL.

    Each block is one transaction: committed where the block ends, rolled back where it raises. Readers never wait for
    writers. Writers in SQLite queue before their first statement instead of failing in the middle.
    """

    def __init__(self, url: str) -> None:
        """Open the database and create the tables that are missing.

        Raises ValueError when *url* names neither a SQLite file (a database in memory would be another one in every
        thread) nor a PostgreSQL database.
        """
        parsed = _known(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.engine = _sqlite(parsed) if self.is_sqlite else create_engine(parsed, pool_pre_ping=True)
        isolation = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._readers = self.engine.execution_options(**isolation)
        self._writers = self.engine.execution_options(creator_platform_writes=True)
        with self.write() as conn:
            if not self.is_sqlite:
                conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_CREATING})")
            metadata.create_all(conn)
        self.close()  # a server may fork after this, and a connection must not cross a fork

    def read(self) -> AbstractContextManager[Connection]:
        """A transaction that sees one state of the database from its first statement to its last."""
        return self._readers.begin()

    def write(self) -> AbstractContextManager[Connection]:
        """A transaction that may change rows; in SQLite it holds the write lock from its beginning."""
        return self._writers.begin()

    def close(self) -> None:
        """Close the pooled connections. The store stays usable and opens new ones."""
        self.engine.dispose()


def _known(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        message = "the database must be a URL, as in sqlite:///creator.db"
        raise ValueError(message) from error
    backend = parsed.get_backend_name()
    if backend != "postgresql" and (backend != "sqlite" or parsed.database in (None, "", ":memory:")):
        shown = parsed.render_as_string()
        message = f"the database must be a SQLite file (sqlite:///creator.db) or postgresql://HOST/NAME, not {shown}"
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
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")


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


def _on_begin(conn: Connection) -> None:
    writes = conn.get_execution_options().get("creator_platform_writes", False)
    conn.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


Database = Annotated[Store, Depends(_store)]
"""What a route asks for to reach the database."""

"""The engine and its transactions. One write transaction at a time; what it changed, it says in the change log.

On SQLite an epoch beside the file orders writers and tells gates of changes; on PostgreSQL the database does both
(ADR 0019).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Transaction, create_engine, event, make_url
from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from limen.core.problems import ProblemError, StoreDown
from limen.core.tombstones import Place, Stone, divided
from limen.db.epoch import Epoch
from limen.db.tombstones import Tombstones
from limen.db.transaction import NewTx, TurnNeeded, Tx

BUSY_TIMEOUT_S = 5.0
"""How long a statement waits for another's lock before the store counts as down."""


def sqlite_path(url: str) -> Path:
    """The file of a SQLite *url*. Raises ValueError where it names none."""
    database = make_url(url).database
    if make_url(url).get_backend_name() != "sqlite" or not database or database == ":memory:":
        raise ValueError(f"{url!r} is not the URL of a SQLite file, such as sqlite:///limen.db")
    return Path(database)


def is_server(url: str) -> bool:
    """Whether *url* is that of a PostgreSQL database."""
    return make_url(url).get_backend_name() == "postgresql"


def open_engine(url: str, **waits: Any) -> Engine:
    """An engine on the database of *url*: durable commits, foreign keys, transactions that begin as meant.

    *waits*: of PostgreSQL (``open_postgresql``).
    """
    if is_server(url):
        try:
            from limen.db.postgresql import open_postgresql  # here: an installation on SQLite needs no driver for it
        except ImportError as error:
            needed = "LIMEN_DATABASE_URL names a PostgreSQL database, and its driver is not installed"
            raise ProblemError("setting_wrong", f"{needed}: pip install 'limen[postgresql]'.") from error
        return open_postgresql(url, **waits)
    sqlite_path(url)
    engine = create_engine(
        url,
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
        pool_size=16,
        hide_parameters=True,  # no error shows what was to be stored
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing on its own: we say how
        for pragma in ("journal_mode=wal", "synchronous=full", "foreign_keys=on", "trusted_schema=off"):
            connection.execute(f"pragma {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(
            "begin immediate" if connection.get_execution_options().get("limen_writes") else "begin"
        )

    return engine


_UNABLE = {
    "25006",  # it can only be read
    "25P03",  # it ended our transaction, because we stood still
    "42501",  # we have no right to it
    "42703",  # a column is not there
    "42P01",  # a table is not there
}
"""What PostgreSQL cannot do for us whatever it is told, though the driver does not call that operational."""


@contextmanager
def store_errors() -> Iterator[None]:
    """What the database cannot do now becomes ``StoreDown``; what it refuses stays what it is."""
    try:
        yield
    except OperationalError as error:
        raise StoreDown(f"The database answered: {_said(error)}.") from error
    except PoolTimeout as error:
        raise StoreDown("Every connection to the database is in use.") from error
    except DataError as error:
        if "NUL" in str(error.orig):
            raise ProblemError(
                "request_malformed", "Text may hold every character but U+0000."
            ) from error  # SQLite keeps it
        raise
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None) or ""
        unable = state in _UNABLE or state.startswith("XX")  # the latter: its own fault, or its files'
        if unable or error.connection_invalidated or type(error.orig) is sqlite3.DatabaseError:  # no database at all
            raise StoreDown(f"The database answered: {_said(error)}.") from error
        raise


def _said(error: DBAPIError) -> str:
    """What the database said, in a line: what follows it would be the statement, or the row."""
    return str(error.orig).partition("\n")[0].rstrip(".")


BESIDE_S = 0.5
"""How long who writes beside the writers waits for a row of theirs: not until PostgreSQL looks for a deadlock (1 s),
which it ends by whom it likes."""

_LOCKED = ("55P03", "40P01")  # a row's lock was not given in time; a deadlock

CHORES = 0x4C696D656F
"""PostgreSQL's lock that whoever does the chores holds: a number of our own, beside that of the writers."""

_READS = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


class Store:
    """The database of one installation, and the tombstones outside; without them none are laid.

    *epoch*: beside a SQLite file. None for PostgreSQL, where processes hold leases.
    """

    def __init__(self, engine: Engine, epoch: Epoch | None, tombstones: Tombstones | None = None) -> None:
        self.engine, self.epoch, self.tombstones = engine, epoch, tombstones

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction: one snapshot from its first statement on. Raises StoreDown."""
        with store_errors(), self.engine.connect() as plain:
            connection = plain if self.epoch is not None else plain.execution_options(**_READS)
            with connection.begin():
                yield connection

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Within, this is the one that writes: at once on SQLite, on PostgreSQL from its first statement on."""
        with store_errors(), self.epoch.held() if self.epoch is not None else nullcontext():
            yield

    def commit(self, connection: Connection, transaction: Transaction, *, changed: bool) -> None:
        """Commit. If gates are to know of it (*changed*), the epoch is odd meanwhile, or those that listen are told."""
        if self.epoch is not None:
            with self.epoch.moving() if changed else nullcontext():
                transaction.commit()
            return
        if changed:
            connection.exec_driver_sql("notify limen_changes")
        transaction.commit()

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether this is the one, over all hosts, that does what is done by one at a time; nobody is waited for.

        On one host a lock file says so already.
        """
        if self.epoch is not None:
            yield True
            return
        with store_errors(), self.engine.connect() as plain:
            connection = plain.execution_options(isolation_level="AUTOCOMMIT")
            alone = bool(connection.exec_driver_sql(f"select pg_try_advisory_lock({CHORES})").scalar())
            try:
                yield alone
            finally:
                connection.exec_driver_sql("select pg_advisory_unlock_all()")  # it is the session's, which goes on

    @contextmanager
    def write(self, new_tx: NewTx) -> Iterator[Tx]:
        """A write transaction: committed, durably, when the block ends; undone when it raises. Raises StoreDown.

        Every end in it is in the tombstones, durably, before it commits: where that cannot be done, it does not.
        """
        with self.turn(), self.engine.connect() as plain:
            connection = plain.execution_options(limen_writes=True)
            transaction = connection.begin()
            try:
                tx = new_tx(connection)
                yield tx
                revivals, place = self._lay_ends(tx)
                self.commit(connection, transaction, changed=tx.changed)
            except BaseException:
                undo(connection, transaction)
                raise
            if self.tombstones is not None and revivals:
                self.tombstones.add(revivals, behind=place)

    @contextmanager
    def beside(self, new_tx: NewTx) -> Iterator[Tx]:
        """As ``write``, for what no verb decides by: on PostgreSQL it waits for no writer, and holds none up.

        Raises TurnNeeded where it cannot be done so, and StoreDown.
        """
        if self.epoch is not None:
            with self.write(new_tx) as tx:
                yield tx
            return
        try:
            with store_errors(), self.engine.connect() as connection:
                transaction = connection.begin()
                try:
                    connection.exec_driver_sql(f"set local lock_timeout = '{BESIDE_S:g}s'")
                    tx = new_tx(connection)
                    tx.beside = True
                    yield tx
                    transaction.commit()
                except BaseException:
                    undo(connection, transaction)
                    raise
        except StoreDown as down:
            if getattr(getattr(down.__cause__, "orig", None), "sqlstate", None) in _LOCKED:
                raise TurnNeeded from down
            raise

    def _lay_ends(self, tx: Tx) -> tuple[list[Stone], Place]:
        """Lay the tombstones of what ends in *tx*; those of what comes back, for later, and the place of the last."""
        if self.tombstones is None or not tx.stones:
            return [], Place()
        ends, revivals = divided(tx.stones)
        return revivals, self.tombstones.lay(tx.connection, ends, tx.entropy)


def undo(connection: Connection, transaction: Transaction) -> None:
    """Roll *transaction* back, after a commit that failed too; a *connection* that cannot do so is used no more.

    Unless it is asked to, SQLAlchemy rolls nothing back after a failed commit, and lends the connection out again with
    the transaction in it: the lock would stay for as long as the process.
    """
    try:
        transaction.rollback()
    except DBAPIError:
        connection.invalidate()

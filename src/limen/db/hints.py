"""Hearing at once that something was committed: PostgreSQL's NOTIFY, by a connection of its own."""

from __future__ import annotations

import os
import select
from contextlib import suppress
from threading import Lock
from typing import Any

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from limen.core.problems import StoreDown
from limen.db.engine import store_errors
from limen.db.postgresql import CHANNEL


class Hints:
    """A connection that is told of each change as it is committed. It may die: that costs time, and nothing else."""

    def __init__(self, engine: Engine) -> None:
        """Listen from now on, by a connection of *engine* that is this one's alone. Raises ``StoreDown``."""
        with store_errors():
            self._connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._driver: Any = self._connection.connection.driver_connection
            self._connection.detach()  # closed when this is, and lent to nobody
            self._connection.exec_driver_sql(f"listen {CHANNEL}")
        self._called, self._lock = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC), Lock()

    def heard(self, within_s: float) -> bool:
        """Whether something was committed, waiting *within_s* at most to hear so. Raises ``StoreDown`` once it died."""
        ready = select.poll()
        ready.register(self._called, select.POLLIN)
        try:
            ready.register(self._driver.fileno(), select.POLLIN)
        except psycopg.Error as error:
            raise StoreDown(f"The database answered: {error}.") from error
        ready.poll(within_s * 1_000)
        found = False
        try:
            self._driver.pgconn.consume_input()
            while self._driver.pgconn.notifies() is not None:
                found = True
        except psycopg.Error as error:
            raise StoreDown(f"The database answered: {error}.") from error
        return found

    def call(self) -> None:
        """Whoever is in ``heard`` returns from it at once, in whatever thread."""
        with self._lock:
            if self._called >= 0:
                os.eventfd_write(self._called, 1)

    def close(self) -> None:
        """Hear nothing more."""
        with self._lock:
            os.close(self._called)
            self._called = -1
        with suppress(SQLAlchemyError):
            self._connection.close()

"""Windows that processes of several hosts share, in PostgreSQL: a batch is one call, and a short transaction.

What is counted is committed durably before it is answered: after a crash nothing has room again that had none. It waits
for no writer, and no writer for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from sqlalchemy import Connection, PoolProxiedConnection, select, text
from sqlalchemy.exc import SQLAlchemyError

from limen.core.problems import StoreDown
from limen.db.transaction import Tx
from limen.db.window_tables import window_clock

if TYPE_CHECKING:
    import psycopg

ANSWER_S = 1.0
"""How long a call may take before what it was to count counts as lost."""

_CONNECT_S = 2
_POOL = 4
_CLEARED = 10_000  # rows in one transaction: 50 ms
_COUNT = """
    select * from limen_count(
        %s, %s, %s, %s, %s, %s::text[], %s::bytea[],
        %s::int[], %s::bigint[], %s::bigint[], %s::int[],
        %s::int[], %s::bigint[], %s::double precision[], %s::boolean[], %s::bigint[], %s::bigint[], %s::bigint[]
    )
"""


class NotAsked(StoreDown):
    """There is no connection: the database has been asked nothing."""


class Asked(NamedTuple):
    """A batch, as columns. Windows are numbered from 1, in the order in which they are locked."""

    names: list[str]
    holders: list[bytes]
    back_window: list[int]
    back_opened: list[int]
    back_units: list[int]
    sizes: list[int]
    """How many claims each request has."""
    window: list[int]
    """Of each claim, as what follows."""
    allowed: list[int]
    length: list[float]
    shadow: list[bool]
    least: list[int]
    most: list[int]
    parts: list[int]


class Counted(NamedTuple):
    """What the database answered; the columns are of what it did, where it *decided*."""

    wall: float
    shift: float
    version: int
    base: int
    seen: float
    decided: bool
    granted: list[bool] | None
    """Of each request."""
    units: list[int] | None
    """Of each claim, as what follows."""
    free: list[int] | None
    ends_in: list[float] | None
    opened: list[int] | None


class WindowTable:
    """The windows of every API in one database, with connections of their own. Used by several threads at once."""

    def __init__(self, url: str) -> None:
        """*url*: that of the PostgreSQL database. Nothing is connected to before it is asked."""
        from limen.db.postgresql import open_postgresql  # here: an installation on SQLite needs no driver for it

        self._engine = open_postgresql(url, answer_s=ANSWER_S, connect_s=_CONNECT_S, pool=_POOL)

    def count(self, api: str, belief: tuple[int, float, float, bool] | None, asked: Asked) -> Counted:
        """Count what is *asked* of the windows of *api*. *belief*: the base of the scale of time, and where on it.

        Raises StoreDown, after which it may have been counted or not; NotAsked.
        """
        return Counted(*self._ask(_COUNT, (api, *(belief or (None, None, None, False)), *asked)))

    def mend(self, version: int, shift: float, base: int) -> bool:
        """Unless another *version* is in force, the scale of time is ahead of the database's clock by *shift*.

        Whether it is so. Raises StoreDown.
        """
        mended = "update window_clock set shift = %s, base = %s, version = version + 1 where version = %s returning 1"
        return self._ask(mended, (shift, base, version)) != ()

    def began(self, api: str, era: str) -> str:
        """Under which era the windows of *api* were first counted elsewhere: under *era*, if they never were.

        Raises StoreDown.
        """
        kept = """
            with made as (
                insert into window_eras (api, era) values (%s, %s) on conflict do nothing returning era
            )
            select era from made union all select era from window_eras where api = %s limit 1
        """
        found: tuple[Any, ...] = ()
        while not found:  # another has inserted it, and had not committed when this statement began
            found = self._ask(kept, (api, era, api))
        return str(found[0])

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()

    def abandon(self) -> None:
        """In a forked child: let go of the parent's connections without a word."""
        self._engine.dispose(close=False)

    def _ask(self, statement: str, values: Sequence[object]) -> tuple[Any, ...]:
        import psycopg

        pooled = self._connected()
        connection = cast("psycopg.Connection[Any]", pooled.driver_connection)
        try:
            connection.autocommit = True
            row = connection.execute(statement, values, prepare=True, binary=True).fetchone()
        except psycopg.Error as error:
            pooled.invalidate()
            raise StoreDown(f"The database answered: {str(error).partition(chr(10))[0]}.") from error
        except BaseException:
            pooled.invalidate()  # what is still under way on it is nobody's answer
            raise
        pooled.close()
        return tuple(row or ())

    def _connected(self) -> PoolProxiedConnection:
        import psycopg

        try:
            return self._engine.raw_connection()
        except (psycopg.Error, SQLAlchemyError) as error:
            raise NotAsked(f"No connection to the database: {str(error).partition(chr(10))[0]}.") from error


def clear(tx: Tx) -> int:
    """Windows that ended a minute ago or more are gone, a part of them at a time; how many are."""
    if tx.connection.dialect.name == "sqlite":
        return 0
    ended = """
        delete from windows where (api, windows, whose) in (
            select api, windows, whose from windows
            where ends_at < (select max(seen) - 60 from window_clock) limit :most for update skip locked
        )
    """
    return tx.connection.execute(text(ended), {"most": _CLEARED}).rowcount


def shift(connection: Connection) -> float:
    """By how many seconds the scale of time by which windows end is ahead of the database's clock."""
    found: float = connection.execute(select(window_clock.c.shift)).scalar_one()
    return found

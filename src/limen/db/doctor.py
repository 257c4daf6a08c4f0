"""What a check-up asks of the store, without changing it: the file or the server, the newest moment, epoch, locks."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from sqlalchemy import Connection, case, func, or_, select

from limen.db.engine import is_server, open_engine, store_errors
from limen.db.tables import audit, channels, deliveries

_MISTAKES = 5
_ANSWER_S = 5.0
_ROUND_TRIPS = 5
_EPOCH = struct.Struct("=Q")


@contextmanager
def look(url: str) -> Iterator[Connection]:
    """A read transaction on the database of *url*, whatever state it is in. Raises StoreDown."""
    engine = open_engine(url, answer_s=_ANSWER_S, connect_s=2, pool=1) if is_server(url) else open_engine(url)
    try:
        with store_errors(), engine.connect() as connection:
            connection.begin()  # rolled back when the connection closes: a damaged file may refuse even to commit
            yield connection
    finally:
        engine.dispose()


def damage(connection: Connection) -> list[str]:
    """What SQLite finds wrong with its file, a few of many; empty: nothing. Reads the whole file."""
    rows = connection.exec_driver_sql(f"pragma quick_check({_MISTAKES})").scalars().all()
    return [line for row in rows for line in str(row).splitlines() if line != "ok"][:_MISTAKES]


@dataclass(frozen=True, slots=True)
class ServerState:
    """What a PostgreSQL server says of itself."""

    version: str
    major: int
    replica: bool
    durable: bool
    """Whether what is committed survives a loss of power."""
    superuser: bool
    """Whether the role that we are may do everything."""
    size: int
    """Of the database, in bytes."""
    round_trip_ms: float
    """The shortest of some."""


def server_state(connection: Connection) -> ServerState:
    """What the server of *connection* says of itself, and how near it is."""
    row = connection.exec_driver_sql(
        "select current_setting('server_version'), current_setting('server_version_num')::int / 10000,"
        " pg_is_in_recovery(), current_setting('fsync')::bool and current_setting('full_page_writes')::bool,"
        " (select rolsuper from pg_roles where rolname = current_user), pg_database_size(current_database())"
    ).one()
    took = []
    for _ in range(_ROUND_TRIPS):
        began = perf_counter()
        connection.exec_driver_sql("select 1")
        took.append(perf_counter() - began)
    version, major, replica, durable, superuser, size = row
    return ServerState(version.split()[0], major, replica, durable, superuser, size, 1_000 * min(took))


def newest_moment(connection: Connection) -> float | None:
    """When the last change was made, by the clock of then (Unix seconds)."""
    return connection.execute(select(func.max(audit.c.at))).scalar()


@dataclass(frozen=True, slots=True)
class PostState:
    """How deliveries go. Of channels: those that were not removed."""

    channels: int
    failing: int
    """To how many nothing has arrived, for as long as was asked, of what was sent."""
    given_up: int
    """How many were disabled lately, because nothing arrived there."""
    staffs: int
    """How many of staff's fail, or are disabled because nothing arrived."""
    dead: int
    """Deliveries that were given up lately, and not tried again."""
    late: dict[str, int]
    """By kind of channel: deliveries that were to be tried long ago, and that nobody is at."""


def post_state(connection: Connection, *, now: float, lately_s: float, late_s: float) -> PostState:
    """How deliveries go. What is late, or fails, is so for *late_s*; lately is within *lately_s*. Three reads."""
    gave_up = channels.c.disabled_why.in_(("gone", "failures"))
    failing = channels.c.disabled_at.is_(None) & (channels.c.failing_since <= now - late_s)
    lately = gave_up & (channels.c.disabled_at > now - lately_s)

    def counted(which: Any) -> Any:
        return func.count(case((which, 1)))

    staffs = (channels.c.owner == "") & or_(failing, gave_up)
    statement = select(func.count(), counted(failing), counted(lately), counted(staffs))
    row = connection.execute(statement.where(channels.c.removed_at.is_(None))).one()
    given_up = select(func.count()).where(deliveries.c.state == "dead", deliveries.c.settled_at > now - lately_s)
    free = or_(deliveries.c.leased_until.is_(None), deliveries.c.leased_until <= now)
    late = select(channels.c.kind, func.count()).join(channels, channels.c.channel == deliveries.c.channel)
    late = late.where(deliveries.c.state == "due", deliveries.c.due_at <= now - late_s, free)
    waiting = connection.execute(late.group_by(channels.c.kind)).all()
    dead = connection.execute(given_up).scalar_one()
    return PostState(row[0], row[1], row[2], row[3], dead, dict(waiting))


@dataclass(frozen=True, slots=True)
class EpochState:
    """The epoch's value, and whether somebody holds the lock under which it moves."""

    value: int
    held: bool


def read_epoch(folder: Path) -> EpochState:
    """The epoch of *folder*. Raises OSError, or ValueError where the file is no epoch."""
    with _shared(folder / "write.lock") as alone:  # under it nobody moves the epoch, so an odd one stays odd
        content = (folder / "epoch").read_bytes()
    if len(content) < _EPOCH.size:
        raise ValueError(f"the file holds {len(content)} bytes, not a page")
    return EpochState(_EPOCH.unpack_from(content)[0], held=not alone)


def is_held(path: Path) -> bool:
    """Whether any process holds the lock of the file *path*, for itself or with others; False where there is no file.

    Asking takes the lock for some microseconds: who only tries for it just then is refused.
    """
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


@contextmanager
def _shared(path: Path) -> Iterator[bool]:
    """Hold the lock of *path* together with others that only look; False: a process holds it for itself."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield True
        return
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            alone = True
        except BlockingIOError:
            alone = False
        yield alone
    finally:
        os.close(file)

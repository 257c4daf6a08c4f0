"""Fill an empty database: ``python -m examples.creator_platform.seed --database sqlite:///creator.db --seed 7``."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from sqlalchemy import Connection, Table, func, insert, select, update

from examples.creator_platform.generator import SIZES, Size, make
from examples.creator_platform.store import Store
from examples.creator_platform.tables import (
    agency_creators,
    agency_members,
    chats,
    creators,
    earnings,
    fans,
    is_follower,
    is_subscriber,
    messages,
    users,
)

Progress = Callable[[int, int], None]
"""Called with how many chats are written, and how many there will be."""

_BAR_CHARS = 40


class NotEmpty(Exception):
    """The database holds users already; nothing was written."""


@dataclass(frozen=True, slots=True)
class Seeded:
    """What was written, and two accounts to begin with: the first creator, who has many chats, and their agency's."""

    users: int
    chats: int
    messages: int
    earnings: int
    first_user: str
    first_admin: str


def seed(store: Store, size: Size, number: int, progress: Progress = lambda _done, _total: None) -> Seeded:
    """Write the data of seed *number* in one transaction: all of it or, where it fails, none. Raises NotEmpty."""
    with store.write() as conn:
        if conn.execute(select(users.c.uuid).limit(1)).first() is not None:
            raise NotEmpty
        for made in make(Random(number), size):
            for table, rows in made.portion:
                if rows:
                    conn.execute(insert(table), rows)
            progress(made.chats, size.chats)
        _count_fans(conn)
        if not store.is_sqlite:
            _move_sequences(conn)
        conn.exec_driver_sql("ANALYZE")  # from here on the database knows which of two indexes is the narrower one
        return _seeded(conn)


def _count_fans(conn: Connection) -> None:
    """Write down how many fans each creator has: counted once, shown often."""
    for column, whom in ((creators.c.followers_count, is_follower), (creators.c.subscribers_count, is_subscriber)):
        counted = select(func.count()).where(fans.c.creator_uuid == creators.c.user_uuid, whom)
        conn.execute(update(creators).values({column: counted.scalar_subquery()}))


def _move_sequences(conn: Connection) -> None:
    """Let PostgreSQL number new rows after those that were written with their numbers."""
    for table in (chats, messages):
        last = select(func.max(table.c.id)).scalar_subquery()
        conn.execute(select(func.setval(func.pg_get_serial_sequence(table.name, "id"), last)))


def _seeded(conn: Connection) -> Seeded:
    def count(table: Table) -> int:
        return conn.execute(select(func.count()).select_from(table)).scalar_one()

    first_user = conn.execute(select(users.c.uuid).order_by(users.c.handle).limit(1)).scalar_one()
    admin = select(agency_members.c.user_uuid).join_from(
        agency_creators, agency_members, agency_members.c.agency_uuid == agency_creators.c.agency_uuid
    )
    admin = admin.where(agency_creators.c.creator_uuid == first_user, agency_members.c.is_admin)
    first_admin = conn.execute(admin).scalar_one()
    return Seeded(count(users), count(chats), count(messages), count(earnings), first_user, first_admin)


def _bar(done: int, total: int) -> None:
    filled = _BAR_CHARS * done // total
    sys.stderr.write(f"\r[{'#' * filled}{'.' * (_BAR_CHARS - filled)}] {done:,} of {total:,} chats")
    sys.stderr.flush()


def main(arguments: list[str] | None = None) -> int:
    """The command. 0 when the data is written, 1 when the database is not empty, 2 for arguments that make no sense."""
    parser = argparse.ArgumentParser(prog="python -m examples.creator_platform.seed", description=__doc__)
    parser.add_argument("--database", default="sqlite:///creator.db", metavar="URL", help="default: %(default)s")
    parser.add_argument("--size", choices=sorted(SIZES), default="small", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=7, metavar="NUMBER", help="decides the data; default: %(default)s")
    chosen = parser.parse_args(arguments)
    try:
        store = Store(chosen.database)
    except ValueError as error:
        parser.error(str(error))
    shown = sys.stderr.isatty()
    try:
        made = seed(store, SIZES[chosen.size], chosen.seed, *([_bar] if shown else []))
    except NotEmpty:
        sys.stderr.write(f"{store.engine.url} holds data already; remove it or name another database\n")
        return 1
    finally:
        store.close()
    if shown:
        sys.stderr.write("\n")
    sys.stdout.write(
        f"{made.users:,} users, {made.chats:,} chats, {made.messages:,} messages, {made.earnings:,} payments.\n"
        f"A creator with many chats: {made.first_user}.\n"
        f"The admin of that creator's agency: {made.first_admin}.\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

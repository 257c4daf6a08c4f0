"""Fill an empty database: ``python -m examples.creator_platform.seed --database sqlite:///creator.db --seed 7``."""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random

from sqlalchemy import Connection, func, insert, select

from examples.creator_platform.generator import SIZES, Size, Talk, make_people, make_talks
from examples.creator_platform.store import Store
from examples.creator_platform.tables import chat_sides, chats, creators, messages, users

Progress = Callable[[int, int], None]
"""Called with how many chats are written, and how many there will be."""

_TALKS_AT_ONCE = 100
_BAR_CHARS = 40


class NotEmpty(Exception):
    """The database holds users already; nothing was written."""


@dataclass(frozen=True, slots=True)
class Seeded:
    """What was written, and one account to begin with: the first creator, who has many chats."""

    users: int
    chats: int
    messages: int
    first_user: str


def seed(store: Store, size: Size, number: int, progress: Progress = lambda _done, _total: None) -> Seeded:
    """Write the data of seed *number* in one transaction: all of it or, where it fails, none. Raises NotEmpty."""
    random = Random(number)
    with store.write() as conn:
        if conn.execute(select(users.c.uuid).limit(1)).first() is not None:
            raise NotEmpty
        people = make_people(random, size)
        conn.execute(insert(users), people.users)
        conn.execute(insert(creators), people.creators)
        done = 0
        for talks in _batches(make_talks(random, size, people)):
            _write(conn, talks)
            done += len(talks)
            progress(done, size.chats)
        conn.exec_driver_sql("ANALYZE")  # from here on SQLite knows which of two indexes is the narrower one
        return Seeded(
            users=conn.execute(select(func.count()).select_from(users)).scalar_one(),
            chats=conn.execute(select(func.count()).select_from(chats)).scalar_one(),
            messages=conn.execute(select(func.count()).select_from(messages)).scalar_one(),
            first_user=people.creator_uuids[0],
        )


def _batches(talks: Iterable[Talk]) -> Iterator[list[Talk]]:
    source = iter(talks)
    while batch := list(islice(source, _TALKS_AT_ONCE)):
        yield batch


def _write(conn: Connection, talks: list[Talk]) -> None:
    conn.execute(insert(chats), [talk.chat for talk in talks])
    if said := [message for talk in talks for message in talk.messages]:
        conn.execute(insert(messages), said)
    conn.execute(insert(chat_sides), [side for talk in talks for side in talk.sides])


def _bar(done: int, total: int) -> None:
    filled = _BAR_CHARS * done // total
    end = "\n" if done == total else ""
    sys.stderr.write(f"\r[{'#' * filled}{'.' * (_BAR_CHARS - filled)}] {done:,} of {total:,} chats{end}")
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
    quiet = not sys.stderr.isatty()
    try:
        made = seed(store, SIZES[chosen.size], chosen.seed, *([] if quiet else [_bar]))
    except NotEmpty:
        sys.stderr.write(f"{chosen.database} holds data already; remove it or name another file\n")
        return 1
    finally:
        store.close()
    sys.stdout.write(
        f"{made.users:,} users, {made.chats:,} chats, {made.messages:,} messages. "
        f"A creator with many chats: {made.first_user}.\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Fill an empty database: ``python -m examples.organisation_platform.seed --database sqlite:///organisation.db``."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from random import Random

from sqlalchemy import insert, select

from examples.organisation_platform.generator import SIZES, Size, make_all
from examples.organisation_platform.store import Store
from examples.organisation_platform.tables import consumers, events, experiences, organisations

Progress = Callable[[int, int], None]
"""Called with how many rows are written, and how many there will be."""

_LARGE = (experiences, consumers, events)
_BAR_CHARS = 40


class NotEmpty(Exception):
    """The database holds organisations already; nothing was written."""


@dataclass(frozen=True, slots=True)
class Seeded:
    """What was written, and the ids of the organisations, the one with the most data first."""

    written: dict[str, int]
    organisation_ids: list[str]


def seed(
    store: Store, size: Size, number: int, *, until: datetime, progress: Progress = lambda _done, _total: None
) -> Seeded:
    """Write the data of seed *number* in one transaction: all of it or, where it fails, none. Raises NotEmpty."""
    written: dict[str, int] = {}
    with store.writing() as conn:
        if conn.execute(select(organisations.c.number).limit(1)).first() is not None:
            raise NotEmpty
        for table, rows in make_all(Random(number), size, until):
            if rows:
                conn.execute(insert(table), rows)
            written[table.name] = written.get(table.name, 0) + len(rows)
            progress(sum(written.get(each.name, 0) for each in _LARGE), size.rows)
        conn.exec_driver_sql("ANALYZE")  # from here on the database knows which of two indexes is the narrower one
        ids = select(organisations.c.id).where(organisations.c.environment == "live").order_by(organisations.c.number)
        return Seeded(written, list(conn.execute(ids).scalars()))


def _bar(done: int, total: int) -> None:
    filled = _BAR_CHARS * done // total
    end = "\n" if done == total else ""
    sys.stderr.write(f"\r[{'#' * filled}{'.' * (_BAR_CHARS - filled)}] {done:,} of {total:,} rows{end}")
    sys.stderr.flush()


def _day(text: str) -> datetime:
    return datetime.combine(datetime.fromisoformat(text).date(), time.min, UTC)


def main(arguments: list[str] | None = None) -> int:
    """The command. 0 when the data is written, 1 when the database is not empty, 2 for arguments that make no sense."""
    parser = argparse.ArgumentParser(prog="python -m examples.organisation_platform.seed", description=__doc__)
    parser.add_argument("--database", default="sqlite:///organisation.db", metavar="URL", help="default: %(default)s")
    parser.add_argument("--size", choices=sorted(SIZES), default="small", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=7, metavar="NUMBER", help="decides the data; default: %(default)s")
    today = datetime.now(UTC).date().isoformat()
    parser.add_argument("--until", type=_day, default=today, metavar="DAY", help="the last of the data; default: today")
    chosen = parser.parse_args(arguments)
    try:
        store = Store(chosen.database)
    except ValueError as error:
        parser.error(str(error))
    shown: dict[str, Progress] = {"progress": _bar} if sys.stderr.isatty() else {}
    try:
        made = seed(store, SIZES[chosen.size], chosen.seed, until=chosen.until, **shown)
    except NotEmpty:
        sys.stderr.write("The database holds data already; remove it or name another one\n")
        return 1
    finally:
        store.close()
    counts = ", ".join(f"{made.written[each.name]:,} {each.name}" for each in (organisations, *_LARGE))
    sys.stdout.write(f"{counts}. An organisation with much data: {made.organisation_ids[0]}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

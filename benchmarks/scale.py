"""Keys stored on PostgreSQL, from 1,000 to 10,000,000: what a check, a change and a list cost as there are more.

A *warm* check is of a key that the process knows, a *cold* one of a key that it has to load. What counting costs is
measured apart (``limits``): here the process counts for itself. All sizes are measured in turn, in one run, on one
server, each over the smallest; and the cold check also over a SELECT of such a row by its primary key.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter_ns
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from benchmarks.blocks import Figure, as_rows
from benchmarks.installation import NEVER
from limen.app import App
from limen.control import apis, keys, owners
from limen.core.keys import Digest, draw_id, locator, mint
from limen.core.profile_reader import read_profile
from limen.core.verdict import OK, Ask
from limen.gate.counters import MemoryCounters
from limen.profiles import load
from limen.settings import Settings
from tools.servers.postgres import Postgres

SIZES = (1_000, 10_000, 100_000, 1_000_000)
FULL = (*SIZES, 10_000_000)

KNOWN, HOT = 4_000, 250
"""Keys whose texts are known, evenly over all, and half of them at most; how many of those are asked for warm."""

OWNER_HAS = 10
PAGE = 50
BLOCKS = 60
TIMES = {"warm check": 100, "cold check": 10, "select": 10, "issue": 2, "revoke": 2, "page": 4, "owner's page": 4}
"""How often each is done in a block."""

BUDGETS = {"warm check": 1.2, "cold check": 2.0}

SERVER = {
    "checkpoint_timeout": "1h",
    "maintenance_work_mem": "1GB",
    "max_wal_size": "32GB",
    "shared_buffers": "512MB",
}
_LINES = 10_000


def run(*, full: bool = False) -> list[Figure]:
    """The figures. *full*: with 10,000,000 keys too, for which there have to be 30 GB of disk, and half an hour."""
    with ExitStack() as stack:
        server = Postgres(settings=SERVER)
        stack.callback(server.remove)
        server.start()
        stocks = [stack.enter_context(_stocked(server, size)) for size in (FULL if full else SIZES)]
        gc.collect()
        gc.freeze()
        for number in range(1, BLOCKS + 1):
            for stock in stocks:
                stock.block()
            _say(f"\rmeasured {number} of {BLOCKS}", end="" if number < BLOCKS else "\n")
        return list(_figures(stocks))


def _say(what: str, *, end: str = "\n") -> None:
    print(what, end=end, file=sys.stderr, flush=True)


class Loaded(NamedTuple):
    """What is known of the keys that were loaded."""

    texts: list[bytes]
    """Whole keys, evenly over all."""
    others: list[str]
    """Ids of other keys."""
    bytes_a_key: float
    """On disk, with all indexes."""


class Stock:
    """An installation with many keys, and how long each thing took that was done on it, in µs."""

    def __init__(self, app: App, direct: psycopg.Connection[Any], count: int, loaded: Loaded) -> None:
        self.count, self.bytes_a_key = count, loaded.bytes_a_key
        self.took: dict[str, list[list[float]]] = {name: [] for name in TIMES}
        self._app, self._direct, self._house = app, direct, app.gate("creator")
        self._house.gate.counters = MemoryCounters()
        chance = random.Random(count)
        texts, others = chance.sample(loaded.texts, len(loaded.texts)), chance.sample(loaded.others, len(loaded.others))
        for text in texts[:HOT]:
            self._decide(text)
        self._hot, self._cold, self._rows = (itertools.cycle(some) for some in (texts[:HOT], texts[HOT:], texts[HOT:]))
        self._ends = itertools.cycle(others)
        self._chance = chance
        self._things: dict[str, Callable[[], object]] = {
            "warm check": lambda: self._decide(next(self._hot)),
            "cold check": lambda: self._decide(next(self._cold)),
            "select": lambda: self._select(next(self._rows)),
            "issue": lambda: self._issue(self._owner()),
            "revoke": lambda: self._app.act(keys.revoke, next(self._ends)),
            "page": self._page,
            "owner's page": lambda: self._page(owner=self._owner()),
        }

    def block(self) -> None:
        """Do everything some times more."""
        cold: list[bytes] = []
        for name, thing in self._things.items():
            took = []
            for _ in range(TIMES[name]):
                began = perf_counter_ns()
                done = thing()
                took.append((perf_counter_ns() - began) / 1_000)
                if name == "cold check":
                    cold.append(done)  # type: ignore[arg-type]  # its text
            self.took[name].append(took)
        directory = self._house.gate.directory
        directory.forget(places=map(locator, cold), owners=(), head=directory.applied)

    def all(self, name: str) -> list[float]:
        """How long each took, in order of that."""
        return sorted(itertools.chain.from_iterable(self.took[name]))

    def _decide(self, text: bytes) -> bytes:
        ask = Ask(text, b"GET", b"/users/me", b"2025-06-26", b"live", *self._app.clock.read())
        verdict = self._house.gate.check(ask) or self._house.cold.decide_now(ask)
        if verdict.code is not OK:
            raise RuntimeError(f"a stored key was refused: {verdict.code.slug}")
        return text

    def _select(self, text: bytes) -> None:
        found = self._direct.execute("select * from keys where key = %s", (locator(text).decode(),), prepare=True)
        if found.fetchone() is None:
            raise RuntimeError("a key is not there")

    def _owner(self) -> str:
        return _owner(self._chance.randrange(self.count))

    def _issue(self, owner: str) -> None:
        self._app.act(keys.issue, keys.NewKey("creator", owner, "bench", scopes=("read:self",)))

    def _page(self, **wanted: Any) -> None:
        with self._app.reading() as reader:
            if not keys.listed(reader, limit=PAGE, **wanted).items:
                raise RuntimeError("an empty page")


def _owner(number: int) -> str:
    return f"o-{number // OWNER_HAS}"


@contextmanager
def _stocked(server: Postgres, count: int) -> Iterator[Stock]:
    """An installation with *count* keys, written straight into their table."""
    with tempfile.TemporaryDirectory(prefix="limen-bench-") as folder, ExitStack() as stack:
        name = server.create()
        settings = Settings(database_url=server.url(name), state=Path(folder) / "state", segments=65_536)
        app = App.initialise(replace(settings, pepper_file=Path(folder) / "pepper"))
        stack.callback(app.close)
        document = dict(load("creator").document)
        document["limits"] = document["limits"] | {"default": f"{NEVER} per 60 s"}
        document["keys"] = document["keys"] | {"max_active_per_owner": "unlimited"}
        app.act(apis.create, "creator", read_profile(document))
        app.act(owners.create, owners.NewOwner("user", owner=_owner(0)))
        app.act(owners.allow, _owner(0), "creator")
        first = app.act(keys.issue, keys.NewKey("creator", _owner(0), "bench", scopes=("read:self", "read:chat")))
        direct = stack.enter_context(psycopg.connect(server.dsn(name), autocommit=True))
        loaded = _load(direct, count, first.key.key, app.ring.digests[app.ring.current])
        yield Stock(app, direct, count, loaded)


def _load(direct: psycopg.Connection[Any], count: int, pattern: str, digest: Digest) -> Loaded:
    """The table has *count* keys like *pattern*, which goes, of a tenth as many owners. It is as after a VACUUM."""
    direct.execute("set session_replication_role = replica")  # no triggers, no foreign keys
    like = _written(direct, "keys", "key", pattern)
    owner, standing = (_written(direct, table, "owner", _owner(0)) for table in ("owners", "standings"))
    indexes = "select indexdef, indexname from pg_indexes where tablename = 'keys' and indexdef not like '%UNIQUE%'"
    laid = direct.execute(indexes).fetchall()
    for _, name in laid:
        direct.execute(sql.SQL("drop index {}").format(sql.Identifier(name)))
    direct.execute("delete from keys")
    others = range(1, (count + OWNER_HAS - 1) // OWNER_HAS)
    _copy(direct, "owners", (owner | {"owner": f"o-{number}"} for number in others))
    _copy(direct, "standings", (standing | {"owner": f"o-{number}"} for number in others))
    texts: list[bytes] = []
    ids: list[str] = []
    _copy(direct, "keys", _counted(_rows(like, digest, (texts, ids), count), count))
    _say("  indexes")
    for definition, _ in laid:
        direct.execute(definition)
    for table in ("keys", "owners", "standings"):
        direct.execute(sql.SQL("vacuum (freeze, analyze) {}").format(sql.Identifier(table)))
    direct.execute("set session_replication_role = default")
    direct.execute("checkpoint")
    size = direct.execute("select pg_total_relation_size('keys')").fetchone()
    return Loaded(texts, ids, (size or (0,))[0] / count)


def _written(direct: psycopg.Connection[Any], table: str, column: str, value: str) -> dict[str, str | None]:
    """A row as COPY takes it."""
    all_columns = direct.execute(sql.SQL("select * from {} limit 0").format(sql.Identifier(table)))
    names = [each.name for each in all_columns.description or ()]
    row = direct.execute(
        sql.SQL("select {} from {} where {} = %s").format(
            sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in names),
            *map(sql.Identifier, (table, column)),
        ),
        (value,),
    ).fetchone()
    return dict(zip(names, row or (), strict=True))


def _rows(
    like: Mapping[str, str | None], digest: Digest, known: tuple[list[bytes], list[str]], count: int
) -> Iterator[dict[str, str | None]]:
    """Keys, each a second younger than the one before. *known*: where texts and ids of some of them go."""
    texts, ids = known
    chance, step = random.Random(count), max(2, count // KNOWN)
    newest = float(like["created_at"] or 0)
    for number in range(count):
        if number % step == 0:
            key, text = mint("fvak_", chance.randbytes)
            texts.append(text.encode())
            made = digest(texts[-1])
        else:
            key, made = draw_id(chance.randbytes), chance.randbytes(32)
        if number % step == 1:
            ids.append(key)
        at = f"\\x{key.encode().hex()}"
        changed = {"key": key, "locator": at, "lineage": at, "digest": f"\\x{made.hex()}", "owner": _owner(number)}
        made_at = {"hint": f"fvak_{key[:4]}…", "created_at": repr(newest - count + number)}
        yield {**like, **changed, **made_at}


def _counted(rows: Iterable[dict[str, str | None]], count: int) -> Iterator[dict[str, str | None]]:
    for number, row in enumerate(rows, 1):
        if number % 50_000 == 0 or number == count:
            _say(f"\rloading {number:,} of {count:,}", end="")
        yield row


def _copy(direct: psycopg.Connection[Any], table: str, rows: Iterator[dict[str, str | None]]) -> None:
    """The *rows* are in the table. What is empty in the first is empty in all."""
    first = next(rows, None)
    if first is None:
        return
    names = [name for name, value in first.items() if value is not None]
    line = "\t".join(f"{{{name}}}" for name in names) + "\n"
    told = sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    with direct.cursor() as cursor, cursor.copy(told) as copy:
        left = itertools.chain([first], rows)
        while some := list(itertools.islice(left, _LINES)):
            copy.write("".join(line.format_map(row) for row in some).replace("\\", "\\\\"))


def _figures(stocks: list[Stock]) -> Iterator[Figure]:
    """Each thing at each size over the smallest: medians, over blocks; and the slowest in a hundred."""
    smallest = stocks[0]
    for name in TIMES:
        if name == "select":
            continue
        budget = BUDGETS.get(name)
        for stock in stocks[1:]:
            title = f"{name}, {stock.count:,} keys"
            yield _over(title, stock.took[name], smallest.took[name], budget=budget)
            slow, floor = (each.all(name) for each in (stock, smallest))
            high, low = slow[len(slow) * 99 // 100], floor[len(floor) * 99 // 100]
            yield Figure(f"{title}, p99", high / low, high / low, high / low, high, low, "µs")
    for stock in stocks:
        yield _over(f"cold check over a SELECT, {stock.count:,} keys", stock.took["cold check"], stock.took["select"])
    for stock in stocks:
        size, least = stock.bytes_a_key, smallest.bytes_a_key
        yield Figure(f"on disk, {stock.count:,} keys", size / least, size / least, size / least, size, least, "bytes")


def _over(name: str, subject: list[list[float]], floor: list[list[float]], *, budget: float | None = None) -> Figure:
    above, below = ([statistics.median(block) for block in blocks] for blocks in (subject, floor))
    ratios = sorted(one / other for one, other in zip(above, below, strict=True))
    quarter, three = ratios[len(ratios) // 4], ratios[3 * len(ratios) // 4]
    return Figure(
        name,
        statistics.median(ratios),
        quarter,
        three,
        statistics.median(above),
        statistics.median(below),
        "µs",
        budget,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--full", action="store_true")
    print(json.dumps(as_rows(run(full=parser.parse_args().full))))

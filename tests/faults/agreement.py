"""Everything that tells how much was used, put beside the readings: to the last one it has to tell the same.

What the readings come to is added up here, by arithmetic of its own; then every door that shows usage is asked every
question that it answers, about the API as a whole, one owner, and one key.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import httpx2
import pyarrow.parquet
from typer.testing import CliRunner

from limen.app import App
from limen.cli.main import app as commands
from limen.control import keys, statistics, usage
from limen.control.statistics import Asked
from limen.core.profile import BUILT_IN
from limen.http.gate import Door
from limen.http.public import Public
from limen.server import bring_up_to_date
from tests.db import dump
from tests.faults.installation import Installation

API = "creator"
GRAINS = {"minute": 60, "hour": 3_600, "day": 86_400}
DIMENSIONS = ("code", "operation", "version", "status")
FIGURES = ("calls", "admitted", "refused", "answered", "succeeded", "client_errors", "server_errors")
COUNTS = ("calls", *(f"answered_{each}xx" for each in range(1, 6)))
Figures = tuple[int, ...]
Answer = Any


class Fact(NamedTuple):
    """So many readings of one minute, key, operation, version, code and class of status (0: not known)."""

    at: int
    key: str
    owner: str
    operation: str
    version: str
    code: str
    status: int
    calls: int


def facts(installation: Installation) -> list[Fact]:
    """What the readings come to."""
    place = dump.place_of(installation.app)
    second = "cast(floor(at) as bigint)" if isinstance(place, str) else "cast(at as integer)"
    rows = dump.rows(
        place,
        f"select {second} / 60 * 60 as minute, r.locator, r.operation, r.version, r.code, coalesce(r.status / 100, 0)"
        f" as class, count(*) from readings r where r.api = '{API}' group by 1, 2, 3, 4, 5, 6",
    )
    whose = {bytes(row[0]): row[1:] for row in dump.rows(place, "select locator, key, owner from keys")}
    return [Fact(int(row[0]), *whose[bytes(row[1])], *row[2:6], row[6]) for row in rows]


def figures(some: Iterable[Fact]) -> Figures:
    """What *some* come to, as ``FIGURES`` are named."""
    count: Counter[int] = Counter()
    calls = admitted = 0
    for fact in some:
        calls += fact.calls
        if fact.code == "ok":
            admitted += fact.calls
            count[fact.status] += fact.calls
    answered = admitted - count[0]
    return calls, admitted, calls - admitted, answered, answered - count[4] - count[5], count[4], count[5]


def parted(some: Iterable[Fact], by: Callable[[Fact], Any]) -> dict[Any, Figures]:
    """What they come to, by what *by* says of each."""
    found: dict[Any, list[Fact]] = defaultdict(list)
    for fact in some:
        found[by(fact)].append(fact)
    return {value: figures(each) for value, each in found.items()}


def span(at: int, grain: str) -> int:
    """Where the span begins that *at* lies in."""
    if grain == "month":
        return int(datetime.fromtimestamp(at, UTC).replace(day=1, hour=0, minute=0, second=0).timestamp())
    return at - at % GRAINS[grain]


class Telling(Protocol):
    """Somebody who shows usage: *what* is asked, how, and about whom."""

    def __call__(self, what: str, how: dict[str, str], whose: dict[str, str]) -> Answer:
        """The answer, as plain data; of an export its bytes."""


def verbs(installation: Installation) -> Telling:
    """The questions of ``control.statistics``."""

    def tell(what: str, how: dict[str, str], whose: dict[str, str]) -> Answer:
        asked = Asked(**whose)
        with installation.app.reading() as reader:
            if what == "totals":
                return asdict(statistics.totals(reader, asked))
            if what == "series":
                return [asdict(each) for each in statistics.series(reader, asked, **how)]
            return [asdict(each) for each in statistics.by(reader, asked, **how)]

    return tell


class Web:
    """The applications that servers run, the management API and the gate's door, and who calls them."""

    def __init__(self, installation: Installation, runner: asyncio.Runner) -> None:
        bring_up_to_date(installation.app)
        self.app, self._runner = installation.app, runner
        self._public, self._door = Public(installation.app), Door(installation.app, {}, None)

    def telling(self, owner: str, key_class: str, scope: str) -> Telling:
        """What the management API shows to *owner*, by a new key of this class and *scope*."""
        held = self.app.act(keys.issue, keys.NewKey(BUILT_IN, owner, "a key", key_class=key_class, scopes=(scope,)))

        def tell(what: str, how: dict[str, str], whose: dict[str, str]) -> Answer:
            answer = self._get(self._public, f"https://limen.example/v1/usage/{what}", whose | how, held.text)
            if what == "export":
                return answer.content
            return answer.json() if what == "totals" else answer.json()["items"]

        return tell

    def metrics(self) -> str:
        """What a monitor is told."""
        return self._get(self._door, "http://gate/metrics", {}).text

    def _get(self, app: Any, address: str, query: dict[str, str], key: str = "") -> httpx2.Response:
        async def ask() -> httpx2.Response:
            async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app, client=("127.0.0.1", 1))) as client:
                headers = {"Authorization": f"Bearer {key}"} if key else {}
                return await client.get(address, params=query, headers=headers)

        answer = self._runner.run(ask())
        assert answer.status_code == 200, (address, answer.text)
        return answer


def terminal(installation: Installation) -> Telling:
    """The command ``limen usage``."""
    written = iter(range(10**6))

    def run(*words: str) -> str:
        done = CliRunner().invoke(commands, ["usage", *words], env=installation.environment)
        assert done.exit_code == 0, (words, done.stdout, done.stderr, done.exception)
        return done.stdout

    def tell(what: str, how: dict[str, str], whose: dict[str, str]) -> Answer:
        options = [word for name, value in whose.items() for word in (f"--{name}", value)]
        if what == "export":
            file = installation.folder / f"usage{next(written)}.{how['format']}"
            run("export", str(file), "--by", how["granularity"], *options)
            return file.read_bytes()
        if what == "series":
            options += ["--by", how["granularity"]]
        elif what in ("by", "top"):
            options = [how["of"], *options, *(["--order", how["order"]] if "order" in how else [])]
        return json.loads(run(what, *options, "--json"))

    return tell


def _unix(moment: Any) -> int:
    return int(moment if isinstance(moment, int | float) else datetime.fromisoformat(moment).timestamp())


def _shown(row: dict[str, Any]) -> Figures:
    return tuple(row[name] for name in FIGURES)


def _lines(form: str, content: bytes) -> Iterator[dict[str, Any]]:
    if form == "csv":
        yield from csv.DictReader(io.StringIO(content.decode()))
    elif form == "jsonl":
        yield from map(json.loads, content.splitlines())
    else:
        for row in pyarrow.parquet.read_table(io.BytesIO(content)).to_pylist():
            yield row | {"at": row["at"].timestamp()}


def exported(form: str, content: bytes) -> dict[tuple[Any, ...], Figures]:
    """What a file says: the counts by moment, key, owner, operation, version and code. No line is in it twice."""
    found: dict[tuple[Any, ...], Figures] = {}
    for row in _lines(form, content):
        which = (_unix(row["at"]), *(row[name] for name in ("key", "owner", "operation", "version", "code")))
        assert which not in found, (form, which)
        found[which] = tuple(int(row[name]) for name in COUNTS)
    return found


def _expected_export(some: Iterable[Fact], grain: str) -> dict[tuple[Any, ...], Figures]:
    found: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * len(COUNTS))
    for fact in some:
        counts = found[span(fact.at, grain), fact.key, fact.owner, fact.operation, fact.version, fact.code]
        counts[0] += fact.calls
        if fact.status:
            counts[fact.status] += fact.calls
    return {which: tuple(counts) for which, counts in found.items()}


def told_alike(tell: Telling, some: list[Fact], whose: dict[str, str], *, top: Iterable[str] = ("key",)) -> int:
    """What *tell* says about *whose* usage is what *some* come to, whatever it is asked; how many questions that were.

    *top*: of what it may show the most.
    """
    totals, asked = tell("totals", {}, whose), 1
    assert _shown(totals) == figures(some), ("totals", whose)
    assert (totals["latency"] or {"answers": 0})["answers"] == totals["answered"], ("latency", whose)
    for grain in (*GRAINS, "month"):
        points = tell("series", {"granularity": grain}, whose)
        found = {_unix(point["at"]): _shown(point) for point in points if point["calls"]}
        assert found == parted(some, lambda fact, grain=grain: span(fact.at, grain)), ("series", grain, whose)
        asked += 1
    for of in DIMENSIONS:
        parts = {part["value"]: _shown(part) for part in tell("by", {"of": of}, whose)}
        if of == "status":
            admitted = [fact for fact in some if fact.code == "ok"]
            assert parts == parted(admitted, lambda fact: f"{fact.status}xx" if fact.status else "unknown"), whose
        else:
            assert parts == parted(some, lambda fact, of=of: getattr(fact, of)), ("by", of, whose)
        asked += 1
    for of in top:
        expected = parted(some, lambda fact, of=of: getattr(fact, of))
        for order, rank in (("calls", 0), ("refused", 2), ("errors", None)):
            rows = tell("top", {"of": of, "order": order}, whose)
            assert {row["value"]: _shown(row) for row in rows} == expected, ("top", of, whose)
            ranks = [_shown(row)[rank] if rank is not None else sum(_shown(row)[5:]) for row in rows]
            assert ranks == sorted(ranks, reverse=True), ("top", of, order)
            asked += 1
    return asked


def exported_alike(tell: Telling, some: list[Fact], whose: dict[str, str]) -> int:
    """Each file that *tell* writes, in each form and by each grain, says what *some* come to."""
    for grain in GRAINS:
        expected = _expected_export(some, grain)
        for form in ("csv", "jsonl", "parquet"):
            content = tell("export", {"granularity": grain, "format": form}, whose)
            assert exported(form, content) == expected, (form, grain, whose)
    return 3 * len(GRAINS)


def listed_alike(app: App, some: list[Fact], key: str) -> int:
    """The readings of *key*, listed page by page, are as many as *some* and none is there twice."""
    seen: set[str] = set()
    codes: Counter[str] = Counter()
    after, questions = "", 0
    while True:
        with app.reading() as reader:
            page = usage.listed(reader, key=key, after=after, limit=10_000)
        questions += 1
        if not page:
            break
        seen |= {each.reading for each in page}
        codes += Counter(each.code for each in page)
        after = page[-1].reading
    assert len(seen) == codes.total() == figures(some)[0], "readings listed"
    assert dict(codes) == {code: found[0] for code, found in parted(some, lambda fact: fact.code).items()}
    return questions


def metered_alike(web: Web, some: list[Fact]) -> int:
    """``/metrics`` says what *some* come to, as far as its month and its day cover it."""
    now = int(web.app.clock.read()[0])
    samples = re.findall(r"^(limen_\S+?\{[^\n]*?\}) (\S+)$", web.metrics(), re.MULTILINE)
    found = {name: float(value) for name, value in samples}
    month = [fact for fact in some if span(fact.at, "month") == span(now, "month")]
    for code, told in parted(month, lambda fact: fact.code).items():
        assert found[f'limen_decisions_total{{api="{API}",code="{code}"}}'] == told[0], ("metrics", code)
    today = [fact for fact in some if span(fact.at, "day") == span(now, "day")]
    if today:
        assert found[f'limen_answer_seconds_count{{api="{API}"}}'] == figures(today)[3]
    return 1


def shown_alike(installation: Installation, owner: str) -> int:
    """Every door shows of usage what the readings come to: of all, of *owner*, of one of its keys; how many answers."""
    some = facts(installation)
    theirs = [fact for fact in some if fact.owner == owner]
    key = theirs[0].key
    asked = listed_alike(installation.app, [fact for fact in theirs if fact.key == key], key)
    with asyncio.Runner() as runner:
        web = Web(installation, runner)
        asked += metered_alike(web, some)
        staff, member = (
            web.telling(owner, "staff", "admin"),
            web.telling(owner, "member", "read:usage"),
        )
        for tell in (verbs(installation), staff, terminal(installation)):
            asked += told_alike(tell, some, {"api": API}, top=("key", "owner"))
            asked += told_alike(tell, theirs, {"owner": owner, "api": API}, top=())
            asked += told_alike(tell, [fact for fact in theirs if fact.key == key], {"key": key}, top=())
        asked += told_alike(member, theirs, {}, top=("key",))
        for tell, whose, which in (
            (staff, {"api": API}, some),
            (terminal(installation), {"api": API}, some),
            (member, {}, theirs),
        ):
            asked += exported_alike(tell, which, whose)
    return asked

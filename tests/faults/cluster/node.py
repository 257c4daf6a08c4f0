"""A gate process of a cluster: it asks its own gate all the time, and writes down what it was told.

What it was told stands in a mapped file at once, so that it is there after SIGKILL too.
"""

from __future__ import annotations

import asyncio
import json
import mmap
import random
import struct
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limen.app import App, GateHouse
from limen.core.problems import StoreDown
from limen.core.verdict import LIMIT_EXCEEDED, UNAVAILABLE, Ask, Verdict
from limen.db.hints import Hints
from limen.db.leases import Leases, State
from limen.gate import clock
from limen.reads import Records
from tests.faults.cluster.history import ADMITTED, REFUSED, UNKNOWN, Seen

if TYPE_CHECKING:
    from limen.settings import Settings
    from tests.faults.cluster.nursery import Born

API = "organisation"
RECORDS = 10
"""How few records a node holds, so that keys grow cold again; and how few texts that are nobody's."""

_ENTRY = struct.Struct("<ddHBx")
_COUNT = struct.Struct("<Q")
_ROOM = 150_000


class Ledger:
    """What one process was told, in a file that outlives it."""

    def __init__(self, path: Path) -> None:
        """A new file at *path*, or what another process has in it."""
        if not path.exists():
            with path.open("wb") as file:
                file.truncate(_COUNT.size + _ROOM * _ENTRY.size)
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    @property
    def count(self) -> int:
        """How many entries there are."""
        return int(_COUNT.unpack_from(self._map)[0])

    def add(self, text: int, began: float, ended: float, result: int) -> None:
        """One more entry."""
        count = self.count
        _ENTRY.pack_into(self._map, _COUNT.size + count * _ENTRY.size, began, ended, text, result)
        _COUNT.pack_into(self._map, 0, count + 1)

    def read(self, node: int) -> Iterator[Seen]:
        """All of it, as what *node* was told."""
        entries = self._map[_COUNT.size : _COUNT.size + self.count * _ENTRY.size]
        for began, ended, text, result in _ENTRY.iter_unpack(entries):
            yield Seen(text, node, began, ended, result)

    def clear(self) -> None:
        """Nothing is in it."""
        _COUNT.pack_into(self._map, 0, 0)


def result_of(verdict: Verdict) -> int:
    """What *verdict* says of the key: a limit that refuses is of no key, unless it refuses everything."""
    if verdict.admitted:
        return ADMITTED
    other = verdict.code is LIMIT_EXCEEDED and verdict.limit is not None and verdict.limit.count > 0
    return UNKNOWN if verdict.code is UNAVAILABLE or other else REFUSED


class _Hooks:
    """What the driver may change in this process while it runs."""

    def __init__(self, chance: random.Random) -> None:
        self.chance, self.ahead_s, self.load_s, self.renewal_s = chance, 0.0, 0.0, 0.0

    def install(self) -> None:
        """What is read may be late: a row when it is used, the answer to a renewal. The wall clock may be wrong.

        While answers to renewals are late, no hints are heard: they would make up for it.
        """
        load, renew, heard, real = Records.load, Leases.renew, Hints.heard, time.time

        def slow_load(records: Records, place: bytes) -> Any:
            found = load(records, place)
            time.sleep(self.load_s * self.chance.random())
            return found

        def slow_renewal(leases: Leases, node: str, state: State, **how: Any) -> Any:
            found = renew(leases, node, state, **how)
            time.sleep(self.renewal_s * self.chance.random())
            return found

        def deaf(hints: Hints, within_s: float) -> bool:
            return heard(hints, within_s) and not self.renewal_s

        Hints.heard = deaf  # type: ignore[method-assign]
        Records.load = slow_load  # type: ignore[method-assign]
        Leases.renew = slow_renewal  # type: ignore[method-assign]
        clock.time = lambda: real() + self.ahead_s  # type: ignore[assignment]


class Node:
    """The gate of one process, and its askers."""

    def __init__(self, app: App, house: GateHouse, ledger: Ledger, hooks: _Hooks) -> None:
        self.app, self.house, self.ledger, self.hooks = app, house, ledger, hooks
        self.texts: list[bytes] = []
        self.resting = True
        self.asking: set[asyncio.Task[None]] = set()

    async def ask(self, text: int) -> int:
        """One verification, written down."""
        began = time.monotonic()
        result = result_of(await self.decide(text))
        self.ledger.add(text, began, time.monotonic(), result)
        return result

    async def decide(self, text: int) -> Verdict:
        """What the gate says of a text, asked now."""
        now, at = self.app.clock.read()
        return await self.house.cold.decide(Ask(self.texts[text], b"GET", b"/experiences", b"v1", b"live", now, at))

    async def _ask_on(self, pause_s: float, wanted: list[int]) -> None:
        chance = random.Random(self.hooks.chance.random())
        while not self.resting:
            await self.ask(chance.choice(wanted))
            await asyncio.sleep(pause_s * 2 * chance.random())

    def begin(self, texts: list[str], *, askers: int, pause_s: float) -> None:
        """Ask for *texts* from now on: each asker for two of them, which stay warm, and one more for all of them."""
        self.texts, self.resting = [text.encode() for text in texts], False
        every = list(range(len(texts)))
        wants = [(pause_s, [self.hooks.chance.choice(every) for _ in range(2)]) for _ in range(askers)]
        for pause, wanted in [*wants, (8 * pause_s, every)]:
            task = asyncio.get_running_loop().create_task(self._ask_on(pause, wanted))
            self.asking.add(task)
            task.add_done_callback(self.asking.discard)

    async def rest(self) -> None:
        """Ask no more, once what is asked has been answered."""
        self.resting = True
        if self.asking:
            await asyncio.wait(self.asking)

    async def spend(self, text: str, *, callers: int, seconds: float, pause_s: float) -> dict[str, int]:
        """Let so many *callers* at once ask for one key; only admissions are written down, the rest is counted."""
        self.texts, ends_at, others = [text.encode()], time.monotonic() + seconds, Counter[str]()

        async def call() -> None:
            await asyncio.sleep(pause_s * self.hooks.chance.random())
            while (began := time.monotonic()) < ends_at:
                verdict = await self.decide(0)
                if verdict.admitted:
                    self.ledger.add(0, began, time.monotonic(), ADMITTED)
                    await asyncio.sleep(0)
                else:
                    others[verdict.code.slug] += 1
                    await asyncio.sleep(pause_s * (0.5 + self.hooks.chance.random()))

        await asyncio.gather(*(call() for _ in range(callers)))
        return dict(others)

    async def look(self, seconds: float) -> list[int]:
        """Ask for every text once, and again where that was not answered, for so many *seconds* at most."""
        deadline, left = time.monotonic() + seconds, list(range(len(self.texts)))
        while left and time.monotonic() < deadline:
            left = [text for text in left if await self.ask(text) == UNKNOWN]
            if left:
                await asyncio.sleep(0.01)
        return left

    async def obey(self, order: dict[str, Any]) -> Any:
        """Do what the driver says."""
        match order.pop("do"):
            case "begin":
                self.begin(**order)
            case "rest":
                await self.rest()
            case "spend":
                return await self.spend(**order)
            case "look":
                return await self.look(**order)
        return None


def opened(settings: Settings, *, gate: bool, seconds: float = 20.0) -> App:
    """The installation, as soon as the database can be reached; and its *gate*, if that is asked for."""
    deadline = time.monotonic() + seconds
    while True:
        app = None
        try:
            app = App.open(settings)
            if gate:
                app.gate(API)
            return app
        except StoreDown:
            if app is not None:
                app.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


async def _serve(node: Node, born: Born) -> None:
    if born.order["begin"]:
        node.begin(**born.order["begin"])
    reader, writer = await asyncio.open_unix_connection(sock=born.line)
    writer.write(b'{"ready": true}\n')
    while line := await reader.readline():
        order = json.loads(line)
        if order["do"] == "hooks":  # not answered: the driver has other things to do
            order.pop("do")
            vars(node.hooks).update(order)
            continue
        writer.write(json.dumps({"answer": await node.obey(order)}).encode() + b"\n")
    writer.close()


def live(born: Born) -> None:
    """Be a node until the driver hangs up."""
    hooks = _Hooks(random.Random(born.order["seed"]))
    hooks.install()
    app = opened(replace(born.settings, records=RECORDS, unknown=RECORDS), gate=True)
    node = Node(app, app.gates[API], Ledger(Path(born.order["ledger"])), hooks)
    with suppress(ConnectionError):
        asyncio.run(_serve(node, born))
    app.close()

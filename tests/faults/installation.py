"""An installation for one test: a database with two APIs in a folder of its own, and the processes that work on it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import select

from limen.app import App
from limen.control import apis, keys, owners
from limen.core.limits import Limit
from limen.db.tables import readings
from limen.drain import drain
from limen.drain.chores import settle_outcomes
from limen.profiles import load
from limen.server import command
from limen.settings import read_settings
from tests.faults.processes import START_S, Child, Hand, free_port, wait_until
from tests.faults.wire import Line, once, request

GATE = "limen.server:gate_app"
PLENTY = (Limit("allowance", 1_000_000_000, 60),)
VERSION = "2025-06-26"


class Recorded(NamedTuple):
    """A reading: its id as the client was told it, the decision, and what the API answered."""

    reading: str
    code: str
    status: int | None


class Server:
    """A server process: what ``limen serve`` starts, or another *factory* in its place."""

    def __init__(self, settings: dict[str, str], folder: Path, factory: str = GATE, level: str = "warning") -> None:
        self.port = free_port()
        where = f"127.0.0.1:{self.port}"
        line = [sys.executable, "-m", "tests.faults.listener", factory, where, level]
        if (factory, level) == (GATE, "warning"):
            line = command("gate_app", where, read_settings(settings, folder))
        self.child = Child(line, settings, folder / "server.log")
        self.kill, self.stop, self.said = self.child.kill, self.child.stop, self.child.said
        self.lines: list[Line] = []

    def ready(self) -> Server:
        """This, once it answers."""
        wait_until(self._answers, "a server that answers", START_S)
        return self

    def line(self) -> Line:
        """A connection to it, open until ``close``."""
        self.lines.append(Line(self.port))
        return self.lines[-1]

    def close(self) -> None:
        """End it, and hang up."""
        self.kill()
        for line in self.lines:
            line.close()

    def _answers(self) -> bool:
        status = self.child.process.poll()
        assert status is None, f"the server ended with {status}: {self.said()[-3000:]}"
        try:
            return once(self.port, request("GET", "/livez")).status > 0
        except OSError:
            return False


class Installation:
    """A database with ``creator`` and ``organisation``, and whatever works on it until ``close``."""

    def __init__(self, folder: Path, *, joins: bool = False, **settings: str) -> None:
        """*settings*: as in the environment, without their prefix: ``records="100"``. *joins*: the APIs are there."""
        folder.mkdir(parents=True, exist_ok=True)
        named = {"database_url": f"sqlite:///{folder / 'limen.db'}", **settings}
        self.folder, self.environment = folder, {f"LIMEN_{name.upper()}": value for name, value in named.items()}
        self.settings = read_settings(self.environment, folder)
        self.app = App.initialise(self.settings)
        for api in () if joins else ("creator", "organisation"):
            self.app.act(apis.create, api, load(api))
        self._started: list[Server | Child] = []

    def serve(self, factory: str = GATE, *, level: str = "warning", **settings: str) -> Server:
        """A server process, started; ``ready`` waits for it."""
        server = Server(self.environment | settings, self.folder, factory, level)
        self._started.append(server)
        return server

    def hand(self) -> Hand:
        """Another process that changes things."""
        hand = Hand(self.environment, self.folder / "hand.log")
        self._started.append(hand.child)
        return hand

    def owner(self, owner: str, *, api: str = "creator") -> str:
        """An owner who is admitted to *api* and has no limit to speak of."""
        self.app.act(owners.create, owners.NewOwner("user" if api == "creator" else "organisation", owner=owner))
        self.app.act(owners.allow, owner, api)
        self.app.act(owners.set_plan, owner, api, plan="", limits=PLENTY)
        return owner

    def key(self, owner: str, *scopes: str, api: str = "creator") -> keys.Issued:
        """A key of *owner*."""
        return self.app.act(keys.issue, keys.NewKey(api, owner, "a key", scopes=scopes))

    def keys(self, owner: str, count: int, api: str) -> list[keys.Issued]:
        """*count* keys of *owner* with their classes' own scopes, issued in one transaction."""
        new = keys.NewKey(api, owner, "one of many")
        return self.app.act(lambda tx: [keys.issue(tx, new) for _ in range(count)])

    def state(self, key: str) -> str:
        """What the database says of a key."""
        with self.app.reading() as reader:
            return keys.require(reader, key).state

    def drain(self) -> int:
        """Put what the journals hold into the readings; nobody else may be at it."""
        return drain(self.app)

    def segments(self) -> list[Path]:
        """The segments that wait to be drained."""
        return list((self.settings.state_folder / "journal").glob("*/*.seg"))

    def drain_all(self, segments: list[Path]) -> None:
        """Drain until *segments* are gone: their writer is dead, or dying, and others may be draining them too."""

        def gone() -> bool:
            self.drain()
            return not any(segment.exists() for segment in segments)

        wait_until(gone, "the segments of a dead writer to be drained")
        settle_outcomes(self.app)  # a drain beside the writer may meet what was answered before the decision on it

    def recorded(self, path: str = "/", since: float = 0.0) -> dict[str, list[Recorded]]:
        """The readings since *since* (Unix seconds) whose paths begin with *path*, by their paths."""
        wanted = select(readings).where(readings.c.path.startswith(path), readings.c.at >= since)
        with self.app.reading() as reader:
            rows = reader.connection.execute(wanted).all()
        found: dict[str, list[Recorded]] = {}
        for row in rows:
            recorded = Recorded(f"{row.incarnation:012x}-{row.number:x}", row.code, row.status)
            found.setdefault(row.path, []).append(recorded)
        return found

    def close(self) -> None:
        """End everything that was started, by its handle."""
        for started in self._started:
            started.close()
        self.app.close()


def cli(*words: str) -> list[str]:
    """The command line ``limen`` with *words*, as a process."""
    return [sys.executable, "-m", "limen", *words]

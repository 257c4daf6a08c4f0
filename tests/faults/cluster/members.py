"""A cluster for tests: a PostgreSQL, a way to it for each process, gate processes, and processes that change things."""

from __future__ import annotations

import json
import os
import random
import secrets
import select
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Condition, Thread
from typing import Any

import psycopg

from limen.app import App
from limen.control import apis, keys, owners
from limen.core.problems import StoreDown
from limen.db.postgresql import WRITERS
from limen.profiles import load
from limen.settings import read_settings
from tests.faults.cluster.hand import PLENTY
from tests.faults.cluster.node import API, Ledger
from tests.faults.processes import ANSWER_S, START_S, Child
from tools.servers.postgres import Postgres
from tools.servers.proxy import Proxy
from tools.servers.valkey import Valkey
from tools.servers.wall_clock import WallClock


class Gone(Exception):
    """The process that was to answer does not live any more."""


class Member:
    """One process of the cluster, born again after each death, with ways of its own to the servers."""

    def __init__(self, cluster: Cluster, name: str, role: str) -> None:
        self.cluster, self.name, self.role = cluster, name, role
        self.ways = [proxy.way() for proxy in cluster.proxies]
        self.folder = cluster.folder / name
        self.folder.mkdir()
        App.initialise(read_settings(cluster.environment(self.folder), self.folder)).close()  # it joins, as a host does
        self.settings = cluster.environment(self.folder, [way.port for way in self.ways])
        self.lives, self.process = 0, -1
        self.line: socket.socket | None = None
        self._left, self._is_ready = b"", False
        self.ledgers: list[Ledger] = []
        self.begin: dict[str, Any] | None = None
        """What a node asks for as soon as it is born."""

    def be_born(self) -> None:
        """Another life, under way; ``ready`` waits for it."""
        self.hang_up()
        self.lives += 1
        order: dict[str, Any] = {"role": self.role, "name": self.name, "settings": self.settings}
        order |= {"folder": str(self.folder), "build": self.cluster.build, "line": self.cluster.address}
        order |= {"seed": self.lives, "begin": self.begin}
        if self.role == "node":
            path = self.folder / f"ledger-{self.lives}"
            self.ledgers.append(Ledger(path))
            order["ledger"] = str(path)
        self.line, pid = self.cluster.birth(self.name, order)
        with suppress(ProcessLookupError):  # by its handle: its number may be another's once it is dead
            self.process = os.pidfd_open(pid)

    def ready(self) -> None:
        """It has opened the installation, when this returns."""
        if not self._is_ready:
            assert self.answer(START_S).get("ready"), self.name
            self._is_ready = True

    def tell(self, **order: Any) -> None:
        """Give an order; ``answer`` waits for it. Raises Gone."""
        line = self.line
        if line is None:  # between two lives
            raise Gone(self.name)
        try:
            line.sendall(json.dumps(order).encode() + b"\n")
        except OSError as error:
            raise Gone(self.name) from error

    def answer(self, seconds: float) -> dict[str, Any]:
        """The next answer. Raises Gone; fails where there is none in time."""
        assert self.line is not None
        deadline = time.monotonic() + seconds
        while b"\n" not in self._left:
            remaining = deadline - time.monotonic()
            assert remaining > 0, f"{self.name} has not answered within {seconds} s\n{self.cluster.said()[-3000:]}"
            if select.select([self.line], [], [], remaining)[0]:
                received = b""
                with suppress(OSError):
                    received = self.line.recv(65_536)
                    self._left += received
                if not received:
                    raise Gone(f"{self.name}: {self.cluster.said()[-2000:]}")
        said, _, self._left = self._left.partition(b"\n")
        return dict(json.loads(said))

    def do(self, seconds: float, **order: Any) -> dict[str, Any]:
        """Give an order, and wait for its answer."""
        self.tell(**order)
        return self.answer(seconds)

    def signal(self, which: signal.Signals) -> None:
        """Send it a signal, if it lives."""
        if self.process >= 0:
            with suppress(OSError):  # it is dead, or was just now
                signal.pidfd_send_signal(self.process, which)

    def kill(self) -> None:
        """It runs no other instruction."""
        self.signal(signal.SIGKILL)

    def lives_now(self) -> bool:
        """Whether it has not ended."""
        return self.process >= 0 and not select.select([self.process], [], [], 0)[0]

    def hang_up(self) -> None:
        """It is dead, and its line is gone."""
        self.kill()
        if self.process >= 0:
            os.close(self.process)
            self.process = -1
        if self.line is not None:
            self.line.close()
        self.line, self._left, self._is_ready = None, b"", False


class Cluster:
    """A PostgreSQL with one API, *nodes* and *hands*, and an App of the test's own, which no fault ever befalls."""

    def __init__(
        self, folder: Path, *, build: str = "sound", nodes: int = 4, hands: int = 2, valkey: bool = False, **more: str
    ) -> None:
        """*valkey*: one counts windows. *more*: settings of all, as in the environment, without their prefix."""
        self.folder, self.build, self.more = folder, build, more
        self.members: dict[str, Member] = {}
        with ExitStack() as undone:
            self.clock = _clock(undone)
            self.postgres = Postgres(environment=self.clock.environment if self.clock else None)
            undone.callback(self.postgres.remove)
            self.database = self.postgres.start().create()
            self.proxies = [Proxy(self.postgres.port)]
            self.valkey = Valkey().start() if valkey else None
            if self.valkey is not None:
                undone.callback(self.valkey.remove)
                self.proxies.append(Proxy(self.valkey.port))
            for proxy in self.proxies:
                undone.callback(proxy.close)
            (folder / "own").mkdir()
            self.app = App.initialise(read_settings(self.environment(folder / "own"), folder))
            undone.callback(self.app.close)
            self.app.act(apis.create, API, load(API))
            self._listen()
            undone.callback(self._listener.close)
            nursery = [sys.executable, "-m", "tests.faults.cluster.nursery"]
            self.nursery = Child(nursery, {}, folder / "nursery.log", pipes=True)
            undone.callback(self.nursery.kill)
            undone.callback(self._end_members)
            names = [(f"node{number}", "node") for number in range(nodes)]
            names += [(f"hand{number}", "hand") for number in range(hands)]
            for name, role in names:
                self.members[name] = Member(self, name, role)
            self._begin_members()
            self._undone = undone.pop_all()

    def _begin_members(self) -> None:
        for member in self.members.values():
            member.be_born()
        for member in self.members.values():
            member.ready()

    def environment(self, folder: Path, ports: Sequence[int] = ()) -> dict[str, str]:
        """The settings of a process whose files are in *folder*; *ports*: of its ways to the servers."""
        database, counters = [*ports, *(self.postgres.port, self.valkey.port if self.valkey else 0)[len(ports) :]][:2]
        valkey = {"LIMEN_VALKEY_URL": f"redis://127.0.0.1:{counters}/0"} if self.valkey else {}
        return {
            "LIMEN_DATABASE_URL": self.postgres.url(self.database, port=database),
            **valkey,
            "LIMEN_STATE": str(folder / "state"),
            "LIMEN_PEPPER_FILE": str(self.folder / "pepper"),
            **{f"LIMEN_{name.upper()}": value for name, value in self.more.items()},
        }

    @property
    def nodes(self) -> list[Member]:
        """The gate processes."""
        return [member for member in self.members.values() if member.role == "node"]

    @property
    def hands(self) -> list[Member]:
        """The processes that change things."""
        return [member for member in self.members.values() if member.role == "hand"]

    def _listen(self) -> None:
        """Take the calls of whoever is born."""
        self.address = f"\0limen-{secrets.token_hex(8)}"
        self._born: dict[str, tuple[socket.socket, int]] = {}
        self._calls = Condition()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.address)
        self._listener.listen(32)

        def take() -> None:
            with suppress(OSError):
                while True:
                    line, _ = self._listener.accept()
                    said = b""
                    while not said.endswith(b"\n") and (more := line.recv(1)):
                        said += more
                    hello = json.loads(said)
                    with self._calls:
                        self._born[hello["name"]] = (line, hello["pid"])
                        self._calls.notify_all()

        Thread(target=take, name="births", daemon=True).start()

    def birth(self, name: str, order: dict[str, Any]) -> tuple[socket.socket, int]:
        """Let a process be born; its line and its number."""
        stdin = self.nursery.process.stdin
        assert stdin is not None
        with self._calls:
            stdin.write(json.dumps(order).encode() + b"\n")
            stdin.flush()
            assert self._calls.wait_for(lambda: name in self._born, START_S), self.said()
            return self._born.pop(name)

    def said(self) -> str:
        """What the members said on their standard error."""
        return self.nursery.said()

    def prepare(self, owner: str, seeds: list[int]) -> None:
        """New owners ``owner-0`` and so on, with plenty of room, and a key each that is drawn from its seed."""

        def all_of_them(tx: Any) -> None:
            for number, seed in enumerate(seeds):
                name = f"{owner}-{number}"
                owners.create(tx, owners.NewOwner("organisation", owner=name))
                owners.set_plan(tx, name, API, plan="", limits=(PLENTY,))
                tx.entropy, real = random.Random(seed).randbytes, tx.entropy
                keys.issue(tx, keys.NewKey(API, name, "a key"))
                tx.entropy = real

        self.act(all_of_them)

    def act(self, verb: Callable[[Any], Any]) -> Any:
        """Do *verb* by the test's own App, again where the database went away under its connections meanwhile."""
        try:
            return self.app.act(verb)
        except StoreDown:
            return self.app.act(verb)

    def start_database(self) -> None:
        """The database runs, whether it did or not."""
        if not self.postgres.runs():
            self.postgres.start()

    def empty_counters(self) -> None:
        """The Valkey is killed, and started again with nothing in it."""
        if self.valkey is not None:
            self.valkey.stop()
            self.valkey.start()

    def set_clock(self, ahead_s: float) -> None:
        """The database's own wall clock is so far ahead of the truth, where that can be done here."""
        if self.clock is not None:
            self.clock.set_ahead(int(ahead_s))

    def settle(self) -> None:
        """Nobody whose process is dead, or has given up, is at work in the database any more."""

        deadline = time.monotonic() + ANSWER_S
        while busy := self._busy():
            assert time.monotonic() < deadline, f"not at rest: {busy}"
            time.sleep(0.005)

    def _busy(self) -> list[str]:
        """Who still says something, and who writes or waits to write."""
        found = [name for name, member in self.members.items() if member.ways[0].departed()]
        if not found:
            with psycopg.connect(self.postgres.dsn(self.database), autocommit=True) as connection:
                writers = "select pid::text from pg_locks where locktype = 'advisory' and classid = %s and objid = %s"
                high, low = divmod(WRITERS, 1 << 32)
                found = [who for (who,) in connection.execute(writers, [high, low])]
        return found

    def _end_members(self) -> None:
        for member in self.members.values():
            member.hang_up()

    def close(self) -> None:
        """Nothing of it is left."""
        self._undone.close()


def _clock(undone: ExitStack) -> WallClock | None:
    """The wall clock of the database, where it can be set on this machine."""
    folder = Path(undone.enter_context(tempfile.TemporaryDirectory(prefix="limen-clock-")))
    folder.chmod(0o755)
    try:
        clock = WallClock(folder)
    except RuntimeError:
        return None
    undone.callback(clock.close)
    return clock

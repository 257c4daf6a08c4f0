"""A cluster on a real PostgreSQL: processes with gates, and a hand of this process's own."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from limen.app import App
from limen.control import apis, keys, owners
from limen.core.limits import Limit
from limen.db import leases
from limen.db.leases import Node
from limen.profiles import load
from limen.settings import read_settings
from tests.faults.processes import START_S, Child
from tools.servers.postgres import Postgres

API = "organisation"
LEASE_S = 0.5


class Process:
    """A process with a gate (``tests.cluster.member``)."""

    def __init__(self, settings: dict[str, str], log: Path) -> None:
        self.child = Child([sys.executable, "-m", "tests.cluster.member"], settings, log, pipes=True)

    def ready(self) -> Process:
        """This, once it has a lease."""
        self._answer()
        return self

    def tell(self, order: str, *args: Any) -> None:
        """Give an order; ``hear`` waits for its end."""
        stdin = self.child.process.stdin
        assert stdin is not None
        stdin.write(json.dumps([order, *args]).encode() + b"\n")
        stdin.flush()

    def _answer(self) -> dict[str, Any]:
        stdout = self.child.process.stdout
        assert stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            assert select.select([stdout], [], [], START_S)[0], "no answer from the other process"
            received = os.read(stdout.fileno(), 65_536)
            assert received, f"the other process ended: {self.child.said()[-2000:]}"
            line += received
        return dict(json.loads(line))

    def hear(self) -> Any:
        """What the order came to."""
        said = self._answer()
        return said.get("returned", said.get("problem"))

    def do(self, order: str, *args: Any) -> Any:
        """Give an order, and wait for its end."""
        self.tell(order, *args)
        return self.hear()

    def code(self, text: str) -> str:
        """Its verdict on a key."""
        return str(self.do("ask", text)["code"])

    def warm(self, text: str) -> str | None:
        """Its verdict from memory alone."""
        found: str | None = self.do("warm", text)["code"]
        return found

    def signal(self, what: signal.Signals) -> None:
        """Send a signal to it alone."""
        os.kill(self.child.process.pid, what)


class Cluster:
    """An installation with one API, an owner and no keys, and the processes that were started on it."""

    def __init__(self, folder: Path, postgres: Postgres, **settings: str) -> None:
        self.postgres, self.folder, self.name = postgres, folder, postgres.create()
        self.settings = {
            "LIMEN_DATABASE_URL": postgres.url(self.name),
            "LIMEN_PEPPER_FILE": str(folder / "pepper"),
            "LIMEN_LEASE_MS": str(round(LEASE_S * 1_000)),
            **settings,
        }
        self.app = App.initialise(read_settings(self._of(0), folder))
        self.app.act(apis.create, API, load(API))
        self.app.act(owners.create, owners.NewOwner("organisation", owner="acme"))
        self.app.act(owners.set_plan, "acme", API, plan="", limits=(Limit("allowance", 1_000_000, 60),))
        self.processes: list[Process] = []

    def _of(self, number: int, **settings: str) -> dict[str, str]:
        return self.settings | {"LIMEN_STATE": str(self.folder / f"state-{number}")} | settings

    def start(self, count: int, **settings: str) -> list[Process]:
        """So many more processes, each as if it were on a host of its own."""
        started = []
        for _ in range(count):
            number = len(self.processes) + 1
            mine = self._of(number, **settings)
            App.initialise(read_settings(mine, self.folder)).close()
            started.append(Process(mine, self.folder / f"member-{number}.log"))
            self.processes.append(started[-1])
        return [process.ready() for process in started]

    def key(self) -> keys.Issued:
        """A new key."""
        return self.app.act(keys.issue, keys.NewKey(API, "acme", "a key"))

    def revoke(self, key: str) -> tuple[float, bool]:
        """Revoke *key*: how long that took, and whether it is effective."""
        began = time.monotonic()
        done = self.app.change(keys.revoke, key)
        return time.monotonic() - began, done.effective

    def nodes(self) -> list[Node]:
        """What the database knows of processes."""
        with self.app.reading() as reader:
            return leases.listed(reader)

    def close(self) -> None:
        """End everything that was started."""
        for process in self.processes:
            process.child.kill()
        self.app.close()
        self.postgres.drop(self.name)


@pytest.fixture
def cluster(tmp_path: Path, postgres: Postgres) -> Iterator[Cluster]:
    """A cluster without processes; its lease is half a second."""
    made = Cluster(tmp_path, postgres)
    yield made
    made.close()

"""``limen serve --workers 3``: reloaded, bereft of workers and of a listener, and stopped, while callers come."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from threading import Event
from typing import NamedTuple

import pytest

from limen.core.profile import Profile
from limen.server import STEADY_S
from tests.faults.processes import ANSWER_S, START_S, wait_until
from tests.journeys.stage import ADDRESS, VERSION, Stage

WORKERS = 3
LIMIT = 50
RELOAD_S = 60.0
"""How long a reload of three workers may take: each new one runs beside the old one for 3 s."""

NEW, KEPT = 3, 3
"""How many callers come with a connection a request, and how many keep theirs."""

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("workers")]


class House:
    """A stage with three workers, and what the kernel says of them."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.port = stage, stage.gate_port
        self.opened_at = 0.0
        self.pid = 0  # of the supervisor, while it serves

    def open(self) -> House:
        """It serves; nothing where it does already."""
        if not self.pid:
            self.stage.open("--workers", str(WORKERS))
            assert self.stage._server is not None
            self.pid, self.opened_at = self.stage._server.process.pid, time.monotonic()
            self.complete()
        return self

    @property
    def listener(self) -> int | None:
        """The process that holds the socket of the gate's door."""
        return next((pid for pid in _children(self.pid) if "gate_app" in _line(pid)), None)

    def workers(self) -> set[int]:
        """The processes that answer there."""
        if self.listener is None:
            return set()
        return {pid for pid in _children(self.listener) if (line := _line(pid)) and "resource_tracker" not in line}

    def complete(self) -> set[int]:
        """All workers, once there are as many as were asked for."""
        wait_until(lambda: len(self.workers()) == WORKERS, "three workers", START_S)
        return self.workers()

    def holder(self, connection: HTTPConnection, workers: set[int]) -> int:
        """Which of the *workers* has the other end of *connection*; 0 where none has accepted it yet."""
        ends = f" 0100007F:{self.port:04X} 0100007F:{connection.sock.getsockname()[1]:04X} "
        found = next(line for line in Path("/proc/net/tcp").read_text().splitlines() if ends in line)
        name = f"socket:[{found.split()[9]}]"
        return next((pid for pid in workers if name in _files(pid)), 0)

    @contextmanager
    def one_each(self, text: str) -> Iterator[dict[int, HTTPConnection]]:
        """A connection to each worker, on which *text* has been admitted."""
        with ExitStack() as stack:
            found: dict[int, HTTPConnection] = {}
            workers = self.workers()
            for _ in range(500):
                connection = stack.enter_context(closing(self.connect()))
                assert asked(connection, text) == 200
                found.setdefault(self.holder(connection, workers), connection)
                if len(found) == WORKERS:
                    break
            assert set(found) == workers
            yield found

    def ready(self) -> bool:
        """Whether the gate's door says that it can decide."""
        with suppress(OSError, HTTPException), closing(self.connect()) as connection:
            connection.request("GET", "/readyz")
            with connection.getresponse() as answer:
                return answer.status == 200
        return False

    def connect(self) -> HTTPConnection:
        """A connection to the gate's door; nothing is sent yet."""
        return HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)


def _children(pid: int) -> list[int]:
    """Those that *pid* has started. The kernel's own list of them leaves some out while others end."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def _line(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def _files(pid: int) -> set[str]:
    with suppress(OSError):
        return {str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()}
    return set()


def asked(connection: HTTPConnection, text: str, api: str = "creator") -> int:
    """The status that the door gives to a request with *text*."""
    told = {"X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/users/me", "X-Forwarded-Proto": "https"}
    more = {"X-Forwarded-For": ADDRESS, "X-Fanvue-API-Version": VERSION, "X-Fanvue-API-Key": text}
    connection.request("GET", f"/gate/auth/{api}", headers=told | more)
    with connection.getresponse() as answer:
        answer.read()
        return answer.status


class Came(NamedTuple):
    """What callers met: the answers by status, requests without an answer, and kept connections found closed."""

    statuses: dict[int, int]
    lost: list[str]
    closed: int


class Load:
    """Callers who ask, one request after another, until it ends."""

    def __init__(self, house: House, text: str) -> None:
        self._house, self._text, self._over = house, text, Event()
        self.answered = 0
        """How many answers there were so far, about."""

    def __enter__(self) -> Load:
        self._threads = ThreadPoolExecutor(NEW + KEPT)
        self._kinds: dict[str, list[Future[Came]]] = {
            "new": [self._threads.submit(self._new) for _ in range(NEW)],
            "kept": [self._threads.submit(self._kept) for _ in range(KEPT)],
        }
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._threads.shutdown()

    def came(self, kind: str) -> Came:
        """What all callers of this *kind* met, once it has ended."""
        all_of_them = [each.result() for each in self._kinds[kind]]
        statuses = [list(each.statuses.items()) for each in all_of_them]
        summed = {status: sum(n for each in statuses for s, n in each if s == status) for status in (200, 503)}
        assert sum(summed.values()) == sum(n for each in statuses for _, n in each), statuses
        return Came(summed, [line for each in all_of_them for line in each.lost], sum(c.closed for c in all_of_them))

    def _new(self) -> Came:
        statuses: dict[int, int] = {}
        lost: list[str] = []
        while not self._over.wait(0.002):
            try:
                with closing(self._house.connect()) as connection:
                    status = asked(connection, self._text)
                statuses[status] = statuses.get(status, 0) + 1
                self.answered += 1
            except (OSError, HTTPException) as error:
                lost.append(repr(error))
        return Came(statuses, lost, 0)

    def _kept(self) -> Came:
        statuses: dict[int, int] = {}
        lost: list[str] = []
        closed, connection, used = 0, self._house.connect(), False
        while not self._over.wait(0.002):
            try:
                status = asked(connection, self._text)
                statuses[status], used = statuses.get(status, 0) + 1, True
                self.answered += 1
            except (OSError, HTTPException) as error:
                connection.close()
                if used and isinstance(error, (ConnectionResetError, BrokenPipeError)):
                    closed += 1  # closed while it was idle, as any client of a proxy's has to expect; it asks again
                else:
                    lost.append(repr(error))
                connection, used = self._house.connect(), False
        connection.close()
        return Came(statuses, lost, closed)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shut(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, altered: Callable[..., Profile]
) -> Iterator[House]:
    """Three workers over ``creator``, whose limit nobody reaches, and ``few``, with one of 50; not serving yet."""
    folder = tmp_path_factory.mktemp(request.param)
    profiles = {
        "creator": altered("creator", {"limits.default": "100000000 per 60 s"}),
        "few": altered("creator", {"limits.default": f"{LIMIT} per 600 s"}),
    }
    settings: dict[str, str] = {}
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres")
        settings = {"database_url": server.url(server.create()), "state": str(folder / "state")}
        settings |= {"pepper_file": str(folder / "pepper"), "tombstones": str(folder / "tombstones")}
    with Stage(folder, profiles, **settings) as made:
        yield House(made)
        made.shut()


@pytest.fixture
def house(shut: House) -> House:
    """The same, serving."""
    return shut.open()


@pytest.fixture
def text(house: House) -> str:
    """A key of ``creator``."""
    made: str = house.stage.issue(house.stage.user(), "read:self")["text"]
    return made


def test_a_worker_that_leaves_answers_whoever_had_come_to_it(house: House, text: str) -> None:
    workers = house.complete()
    with ExitStack() as stack:
        kept = stack.enter_context(house.one_each(text))
        fresh = [stack.enter_context(closing(house.connect())) for _ in range(4 * WORKERS)]
        for each in fresh:
            each.connect()
        wait_until(lambda: all(house.holder(each, workers) for each in fresh), "all are accepted")
        holders = [house.holder(each, workers) for each in fresh]
        leaving = max(workers, key=holders.count)
        os.kill(leaving, signal.SIGTERM)
        time.sleep(0.2)  # it knows
        for connection, holder in [*zip(fresh, holders, strict=True), (kept[leaving], leaving)]:
            assert asked(connection, text) == 200
            assert (connection.sock is None) == (holder == leaving), "it said that it closes, and nobody else did"
    wait_until(lambda: leaving not in house.workers(), "it has gone")

    def another() -> bool:
        with closing(house.connect()) as connection:
            assert asked(connection, text) == 200
            return house.holder(connection, house.workers() - workers) != 0

    wait_until(another, "one that came in its place answers", START_S)


def test_a_reload_replaces_every_worker_and_loses_no_request(house: House, text: str) -> None:
    before = house.complete()
    with Load(house, text) as load:
        wait_until(lambda: load.answered > 50, "callers are answered")
        os.kill(house.pid, signal.SIGHUP)
        wait_until(lambda: not house.workers() & before, "every worker is another", RELOAD_S)
        house.complete()
        came_by = load.answered
        wait_until(lambda: load.answered > came_by + 50, "callers are answered")
    new, kept = load.came("new"), load.came("kept")
    assert (new.lost, kept.lost) == ([], [])
    assert new.statuses[503] == kept.statuses[503] == 0
    assert kept.closed <= KEPT * WORKERS  # each worker that ended, at most once


def test_a_worker_that_is_killed_is_replaced(house: House, text: str) -> None:
    before = house.complete()
    with house.one_each(text) as connections, Load(house, text) as load:
        victim, others = min(before), set(before) - {min(before)}
        os.kill(victim, signal.SIGKILL)
        for pid in others:
            assert asked(connections[pid], text) == 200  # nobody else has noticed
        wait_until(lambda: victim not in house.workers(), "it is gone")
        assert house.complete() > others
        came_by = load.answered
        wait_until(lambda: load.answered > came_by + 50, "callers are answered")
    came = load.came("new")
    assert len(came.lost) <= NEW, came.lost  # what the killed one was answering
    assert came.statuses[503] == 0
    with house.one_each(text) as connections:
        assert set(connections) == house.workers() > others


def test_a_key_revoked_by_a_command_is_refused_by_every_worker(house: House) -> None:
    stage = house.stage
    made = stage.issue(stage.user(), "read:self")
    with house.one_each(made["text"]) as connections:
        stage.limen("keys", "revoke", made["key"], "--reason", "a journey", "--yes")
        statuses = {pid: asked(each, made["text"]) for pid, each in connections.items()}
        assert statuses == dict.fromkeys(house.workers(), 401)


def test_workers_count_together_through_a_reload(house: House, text: str) -> None:
    stage, before = house.stage, house.complete()
    few = stage.issue(stage.user(api="few"), "read:self", api="few")["text"]

    def statuses() -> list[int]:
        with house.one_each(text) as connections, ThreadPoolExecutor(WORKERS) as threads:
            turns = [[each] * 10 for each in connections.values()]
            return [s for got in threads.map(lambda t: [asked(c, few, "few") for c in t], turns) for s in got]

    first = statuses()
    assert first == [200] * 10 * WORKERS
    os.kill(house.pid, signal.SIGHUP)
    wait_until(lambda: not house.workers() & before, "every worker is another", RELOAD_S)
    house.complete()
    assert sorted(statuses()) == [200] * (LIMIT - len(first)) + [429] * (10 * WORKERS - LIMIT + len(first))


def test_a_listener_that_is_killed_is_started_anew(house: House, text: str) -> None:
    before, listener = house.complete(), house.listener
    assert listener is not None
    time.sleep(max(0.0, house.opened_at + STEADY_S + 0.5 - time.monotonic()))
    os.kill(listener, signal.SIGKILL)
    wait_until(lambda: house.listener not in (None, listener), "another listener")
    house.opened_at = time.monotonic()
    after = house.complete()
    assert not after & before
    wait_until(house.ready, "the door stands open", START_S)
    with house.one_each(text) as connections:
        assert set(connections) == after
    assert not any(_line(pid) for pid in before)


def test_what_was_accepted_is_answered_when_it_is_told_to_end(house: House, text: str) -> None:
    body = json.dumps({"api": "creator", "method": "GET", "path": "/users/me", "credential": text, "version": VERSION})
    with ExitStack() as stack:
        waiting = []
        for _ in range(6):
            waiting.append(stack.enter_context(socket.create_connection(("127.0.0.1", house.port), ANSWER_S)))
            head = "POST /gate/verify HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\n"
            waiting[-1].sendall(f"{head}Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n".encode())
            assert waiting[-1].recv(100).startswith(b"HTTP/1.1 100 ")  # it is being read
        below = {pid for child in _children(house.pid) for pid in [child, *_children(child)]}
        os.kill(house.pid, signal.SIGTERM)
        time.sleep(0.5)
        for each in waiting:
            each.sendall(body.encode())
        for each in waiting:
            answer = HTTPResponse(each)
            answer.begin()
            with closing(answer):
                assert (answer.status, json.loads(answer.read())["code"]) == (200, "ok")
    house.pid = 0
    house.stage.shut()  # its exit status is 0
    assert not any(_line(pid) for pid in below)
    alive = [node for node in house.stage.json("nodes") if node["dead_at"] is None]
    assert alive == []  # no change waits for one that has gone

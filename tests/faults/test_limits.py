"""A limit is a limit at however many processes: a crowd with one key, kill -9 within, and builds that leak."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import pytest

from limen.control import owners
from limen.core.limits import Limit
from tests.faults.conftest import Install
from tests.faults.crowd import Answered, Crowd, excess
from tests.faults.installation import VERSION, Installation, Server
from tests.faults.processes import START_S, Child, free_port, wait_until
from tests.faults.pulse import Pulse
from tests.faults.wire import once, request

WINDOW_S = 2
EXACT, SHARES = (Limit("allowance", count, WINDOW_S) for count in (300, 1_200))
GUARDED, APART, CHECKED, ALIGNED = (
    f"tests.faults.builds:{name}" for name in ("guarded", "counting_apart", "checking_first", "aligned_windows")
)
PROCESSES, CALLERS, TRIES = 4, 1_000, 3
"""How often it is tried at most: again where the machine stood still, which lets no window be used up."""


class Arena:
    """Four processes that guard one API on one database, and a key under one limit."""

    def __init__(self, installation: Installation, limit: Limit, factory: str = GUARDED) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8_192)), hard))
        self.limit = limit
        owner = installation.owner("u1")
        text = installation.key(owner, "read:chat").text
        installation.app.act(owners.set_plan, owner, "creator", plan="", limits=(limit,))
        window = {"FAULTS_WINDOW": str(limit.window_s), "LIMEN_DRAIN": "0"}
        self.servers: list[Server] = [installation.serve(factory, **window) for _ in range(PROCESSES)]
        ports = [server.ready().port for server in self.servers]
        headers = [("x-fanvue-api-key", text), ("x-fanvue-api-version", VERSION)]
        for port in ports:  # the key is known, and nothing is counted: the scope is missing
            assert once(port, request("POST", "/chats/1-200-1/message", headers)).status == 403
        self.crowd = Crowd(ports, CALLERS // PROCESSES, request("GET", "/chats/1-200-1/messages", headers))

    def run(self, seconds: float, *, killing: int | None = None) -> int:
        """Let the crowd ask; by how many more than the limit a window admitted. *killing*: which process is killed."""
        kill = None if killing is None else self.servers[killing].kill
        self.crowd.run(seconds, meanwhile=kill, after_s=0.4 * seconds)
        found = excess(self.crowd.seen, self.limit.count, self.limit.window_s)
        print(f"{self.limit}: {self.crowd.statuses()} in {seconds} s, {found} too many")
        return found


kinds = pytest.mark.parametrize("limit", [EXACT, SHARES], ids=["exact", "shares"])


@pytest.mark.req("R41", "R115")
@pytest.mark.check("C058")
@kinds
def test_a_crowd_at_four_processes_is_admitted_as_often_as_the_limit_says(install: Install, limit: Limit) -> None:
    for _ in range(TRIES):
        arena = Arena(install(), limit)
        with Pulse() as pulse:
            assert arena.run(3.5 * WINDOW_S) == 0
        if not pulse.stood_still:
            break
    assert set(arena.crowd.statuses()) == {200, 429}
    assert arena.crowd.admitted() >= 0.95 * 3 * limit.count
    assert min(arena.crowd.admitted(place) for place in range(PROCESSES)) > 0


@pytest.mark.check("C058")
@kinds
def test_a_process_that_is_killed_in_the_crowd_lets_nobody_in_beyond_the_limit(install: Install, limit: Limit) -> None:
    """What it held is lost until its window ends, and the others use the next as before."""
    arena = Arena(install(), limit)
    assert arena.run(3.5 * WINDOW_S, killing=1) == 0
    assert arena.crowd.admitted() >= 0.85 * 3 * limit.count


@pytest.mark.parametrize("factory", [APART, CHECKED, ALIGNED])
def test_a_build_that_leaks_is_caught(install: Install, factory: str) -> None:
    arena = Arena(install(), EXACT, factory)
    assert arena.run(1.5 * WINDOW_S) > 0


@pytest.mark.req("R41", "R71", "R115")
def test_the_workers_of_one_application_count_together_and_record_what_they_admitted(
    install: Install, tmp_path: Path
) -> None:
    """Four, started at once on one port, each with its own Guard and drain, and started again."""
    installation = install(segment_bytes="65536", drain_ms="20")
    owner = installation.owner("u1")
    text = installation.key(owner, "read:chat").text
    installation.app.act(owners.set_plan, owner, "creator", plan="", limits=(Limit("allowance", 100, 600),))
    headers = [("x-fanvue-api-key", text), ("x-fanvue-api-version", VERSION)]
    admitted = 0
    for start, most in enumerate((60, 200)):
        port = free_port()
        line = [sys.executable, "-m", "granian", "--interface", "asgi", "--factory", "--workers", str(PROCESSES)]
        line += ["--host", "127.0.0.1", "--port", str(port), "--log-level", "info", GUARDED]
        workers = Child(line, installation.environment, tmp_path / f"workers{start}.log")
        try:
            # All of them: a worker of granian that is told to stop before it has started never does.
            wait_until(lambda said=workers.said: said().count("Started worker-") == PROCESSES, "all workers", START_S)  # type: ignore[misc]
            wait_until(lambda port=port: _answers(port), "workers that answer", START_S)  # type: ignore[misc]
            for number in range(most):
                path = f"/chats/{start}-200-{number}/messages"
                admitted += once(port, request("GET", path, headers)).status == 200
            assert workers.stop() == 0, workers.said()
        finally:
            workers.kill()
    assert admitted == 100, "60, and what was left of the window"
    installation.drain_all(installation.segments())
    recorded = [each for found in installation.recorded("/chats/").values() for each in found]
    assert [each.code for each in recorded].count("ok") == 100
    assert len({each.reading for each in recorded}) == len(recorded) == 260


def _answers(port: int) -> bool:
    try:
        return once(port, request("GET", "/nothing")).status > 0
    except OSError:
        return False


def test_what_proves_too_many_is_what_lies_wholly_in_a_window() -> None:
    inside = [Answered(0.1 * number, 0.1 * number + 0.01, 0, 200) for number in range(10)]
    assert excess(inside, 10, 1) == 0
    assert excess([*inside, Answered(0.5, 0.6, 0, 200)], 10, 1) == 1
    assert excess([*inside, Answered(0.5, 1.6, 0, 200), Answered(0.5, 0.6, 0, 429)], 10, 1) == 0

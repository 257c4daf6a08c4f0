"""Requests under way at once: over all processes, until each has ended, and not of processes that have."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from limen.gate.in_flight import InFlight
from tests.gate.scene import python

HOLDS = """
import sys
from pathlib import Path
from limen.gate.in_flight import InFlight
counted = InFlight(Path(sys.argv[1]), "creator")
print(sum(counted.enter(b"a", 5) for _ in range(3)), flush=True)
sys.stdin.read()
"""


@contextmanager
def _counted(folder: Path) -> Iterator[InFlight]:
    made = InFlight(folder, "creator")
    try:
        yield made
    finally:
        made.close()


@contextmanager
def _holding_three(folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = python(HOLDS, str(folder))
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "3\n", process.communicate()[1]
        yield process
    finally:
        process.kill()
        process.communicate(timeout=30)


def test_no_more_than_so_many_are_under_way_at_once_over_all_processes(tmp_path: Path) -> None:
    with _counted(tmp_path) as one, _counted(tmp_path) as other:
        entered = [each.enter(b"a", 5) for each in (one, other, one, other, one, other, one)]
        assert entered == [True] * 5 + [False] * 2
        assert other.enter(b"b", 1)
        other.leave(b"a")
        assert [each.enter(b"a", 5) for each in (one, other)] == [True, False]
        assert one.enter(b"a", 6), "a limit that was raised"
        for _ in range(5):
            one.leave(b"a")
        other.leave(b"a")
        assert [other.enter(b"a", 5) for _ in range(7)] == [True] * 5 + [False] * 2


def test_what_a_process_had_under_way_goes_with_it(tmp_path: Path) -> None:
    with _counted(tmp_path) as one:
        with _counted(tmp_path) as other:
            assert all(other.enter(b"a", 5) for _ in range(5))
            assert not one.enter(b"a", 5)
        assert one.enter(b"a", 5)


def test_of_a_process_that_is_killed_the_places_are_free_again_before_long(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("limen.gate.in_flight.ALIVE_S", 1.0)
    with _counted(tmp_path) as one, _holding_three(tmp_path) as process:
        assert [one.enter(b"a", 5) for _ in range(3)] == [True, True, False]
        os.kill(process.pid, signal.SIGKILL)
        process.wait(30)
        one._ended.wait(1.1)
        assert [one.enter(b"a", 5) for _ in range(4)] == [True] * 3 + [False]


def test_a_process_that_says_that_it_is_alive_keeps_its_places(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("limen.gate.in_flight.ALIVE_S", 2.0)
    with _counted(tmp_path) as one, _holding_three(tmp_path):
        one._ended.wait(3)
        assert [one.enter(b"a", 5) for _ in range(3)] == [True, True, False]


def test_a_place_that_could_not_be_given_up_at_once_is_given_up_soon(tmp_path: Path) -> None:
    import fcntl

    with _counted(tmp_path) as one, _counted(tmp_path) as other:
        assert one.enter(b"a", 1)
        stopped = os.open(tmp_path / "creator.lock", os.O_RDWR)
        fcntl.flock(stopped, fcntl.LOCK_EX)
        one.leave(b"a")
        assert not other.enter(b"b", 1), "whoever cannot count lets nobody in"
        os.close(stopped)
        one._ended.wait(1.2)
        assert other.enter(b"a", 1)

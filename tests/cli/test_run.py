"""``limen serve`` and ``limen worker``, and the program as a process."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from limen.gate.journal import Journal

SOURCES = Path(__file__).resolve().parents[2] / "src"


def start(*words: str) -> subprocess.Popen[str]:
    """The program, as a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    return subprocess.Popen(
        [sys.executable, "-m", "limen", *words],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def written(limen, count: int) -> None:
    """A journal with *count* entries."""
    journal = Journal(limen.state / "journal" / "creator", "creator", 1, segment_bytes=65_536, segments=8)
    for number in range(count):
        journal.outcome(number + 1, 200, time.time())
    journal.close()


def test_a_worker_drains_once_and_says_how_much(limen) -> None:
    written(limen, 3)
    assert limen.json("worker", "--once") == {"drained": 3, "sent": 0}
    assert limen("worker", "--once").stdout == "0 entries drained.\n"
    written(limen, 1)
    assert limen("worker", "--once").stdout == "1 entry drained.\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_drains_until_it_is_told_to_stop(limen, number: signal.Signals) -> None:
    written(limen, 2)
    worker = start("worker", "--json")
    deadline = time.monotonic() + 60
    while list((limen.state / "journal").glob("*/*.seg")) and time.monotonic() < deadline:
        time.sleep(0.05)
    worker.send_signal(number)
    out, err = worker.communicate(timeout=60)
    assert worker.returncode == 0, err
    assert number.name in out
    assert limen.json("worker", "--once") == {"drained": 0, "sent": 0}


def test_a_worker_says_why_it_cannot_drain_and_goes_on_when_it_can(limen) -> None:
    worker = start("worker")
    assert worker.stderr is not None
    holder = sqlite3.connect(limen.database, isolation_level=None)
    try:
        assert "Draining" in worker.stderr.readline()
        holder.execute("begin immediate")
        written(limen, 1)
        warning = worker.stderr.readline()
        holder.rollback()
        again = worker.stderr.readline()
    finally:
        holder.close()
        worker.terminate()
        worker.communicate(timeout=60)
    assert warning.startswith("warning: ")
    assert "locked" in warning
    assert again == "Draining again.\n"
    assert limen.json("worker", "--once") == {"drained": 0, "sent": 0}


@pytest.mark.parametrize(
    ("words", "workers", "worker"), [((), 1, True), (("--no-worker",), 1, False), (("--workers", "4"), 4, True)]
)
def test_serve_hands_over_to_the_server(
    limen, monkeypatch: pytest.MonkeyPatch, words, workers: int, worker: bool
) -> None:
    from limen import server

    asked = []
    monkeypatch.setattr(server, "run", lambda settings, **how: asked.append((settings, how)) or 0)
    result = limen("serve", *words)
    assert [(settings.database_path, how) for settings, how in asked] == [
        (limen.database, {"workers": workers, "worker": worker})
    ]
    assert "127.0.0.1:8401" in result.stderr


def test_serve_fails_when_a_listener_does(limen, monkeypatch: pytest.MonkeyPatch) -> None:
    from limen import server

    monkeypatch.setattr(server, "run", lambda settings, **how: 1)
    assert "on its own" in limen("serve", expect=3).stderr
    assert limen.problem("serve", expect=3)["code"] == "unavailable"


def test_the_program_as_a_process(limen) -> None:
    limen("owners", "create", "--type", "user", "--id", "u1", "--name", "Zoë")
    environment = {**os.environ, "PYTHONPATH": str(SOURCES), "PYTHONIOENCODING": "ascii"}
    ended = subprocess.run(
        [sys.executable, "-m", "limen", "owners", "list"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "Zo\\xeb" in ended.stdout


def test_a_reader_that_leaves_early_is_no_error(limen) -> None:
    command = f"{sys.executable} -m limen profile show creator | head -1"
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stdout == "profile: creator\n"
    assert "Traceback" not in ended.stderr
    assert "Exception" not in ended.stderr

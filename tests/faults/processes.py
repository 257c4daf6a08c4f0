"""The processes of a test: each is ended by its handle, its whole group at once, and every wait has an end."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_S = 60.0
"""How long a process may take to be ready, on a machine that has other things to do."""

ANSWER_S = 30.0
"""How long anything else may take."""


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """What a child is to see: this tree, *settings*, and nothing of Limen's that this process was started with."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LIMEN_", "PYTHON"))}
    compiled = Path(tempfile.gettempdir()) / f"limen-compiled-{os.getuid()}"
    return kept | {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        "PYTHONPYCACHEPREFIX": str(compiled),  # processes start by the dozen: what they import is compiled once
        "PYTHONUNBUFFERED": "1",
        **settings,
    }


def wait_until(done: Callable[[], Any], what: str, seconds: float = ANSWER_S) -> Any:
    """What *done* returns, once that is true. Fails, naming *what*, when it has not become so in time."""
    deadline = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.005)
    return found


def free_port() -> int:
    """A port on loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Child:
    """A process in a group of its own. What it says is kept in *log*."""

    def __init__(self, line: list[str], settings: Mapping[str, str], log: Path, *, pipes: bool = False) -> None:
        """*pipes*: the test talks to it through its standard input and output."""
        self.log = log
        piped = subprocess.PIPE if pipes else subprocess.DEVNULL
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                line,
                stdin=piped,
                stdout=subprocess.PIPE if pipes else out,
                stderr=out,
                env=environment(settings),
                cwd=log.parent,
                start_new_session=True,
            )

    def said(self) -> str:
        """All that it has written so far."""
        return self.log.read_text("utf-8", "backslashreplace")

    def kill(self) -> None:
        """SIGKILL to it and to all that it started: nobody of them runs another instruction."""
        if self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self._end()

    close = kill

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(ANSWER_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._end()
        return int(self.process.returncode)

    def _end(self) -> None:
        self.process.wait(ANSWER_S)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


class Hand:
    """Another process that does what it is told, one line of JSON at a time (``tests.faults.hand``)."""

    def __init__(self, settings: Mapping[str, str], log: Path) -> None:
        self.child = Child([sys.executable, "-m", "tests.faults.hand"], settings, log, pipes=True)
        self.kill, self.said = self.child.kill, self.child.said

    def tell(self, verb: str, *args: Any, **how: Any) -> None:
        """Give an order; ``answer`` waits for it."""
        stdin = self.child.process.stdin
        assert stdin is not None
        stdin.write(json.dumps({"verb": verb, "args": args, **how}).encode() + b"\n")
        stdin.flush()

    def answer(self) -> dict[str, Any]:
        """What the order came to: *returned* is the moment of ``time.monotonic`` at which it did."""
        stdout = self.child.process.stdout
        assert stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            assert select.select([stdout], [], [], START_S)[0], "no answer from the other process"
            received = os.read(stdout.fileno(), 65_536)
            assert received, f"the other process ended: {self.said()[-2000:]}"
            line += received
        return dict(json.loads(line))

    def do(self, verb: str, *args: Any, **how: Any) -> dict[str, Any]:
        """Give an order, and wait until it is done."""
        self.tell(verb, *args, **how)
        return self.answer()

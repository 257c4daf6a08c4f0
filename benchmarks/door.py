"""The forward-auth door over a bare handler that answers the same headers on the same server, by CPU time.

Requests a second are too noisy to trust; the CPU time that all threads of the serving process were given (its
``schedstat``) is not. Two servers take turns under the same load: pairs, not runs one after the other.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from benchmarks.blocks import Figure

REQUESTS = 3_000
PAIRS = 9
BUDGET = 1.8
EXTRA = [(f"x-header-{number}", "a value of some length, as browsers send them") for number in range(6)]


def run() -> list[Figure]:
    """Both servers, and the ratio of what they cost a request."""
    texts, folder, door = _start("benchmarks.served:door")
    _, _, bare = _start("benchmarks.served:bare")
    try:
        rows = requests(texts)
        for server in (door, bare):
            server.cost(rows[:500])
        pairs = [(door.cost(rows), bare.cost(rows)) for _ in range(PAIRS)]
    finally:
        door.stop()
        bare.stop()
        remove(folder)
    ratios = sorted(a / b for a, b in pairs)
    return [
        Figure(
            "forward-auth door, CPU a request",
            statistics.median(ratios),
            ratios[len(ratios) // 4],
            ratios[3 * len(ratios) // 4],
            statistics.median(a for a, _ in pairs),
            statistics.median(b for _, b in pairs),
            "µs",
            BUDGET,
        )
    ]


class Server:
    """A served ASGI application in a process of its own."""

    def __init__(self, target: str, environment: dict[str, str]) -> None:
        self.port = _free_port()
        line = [
            *[sys.executable, "-m", "granian", "--interface", "asgi", "--factory", target, "--port", str(self.port)],
            *["--workers", "1", "--runtime-mode", "st", "--loop", "uvloop", "--no-ws", "--log-level", "warning"],
        ]
        self._process = subprocess.Popen(line, env=os.environ | environment, start_new_session=True)
        self._await()

    def _await(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.05)
        self.stop()
        raise RuntimeError("the server did not start")

    def cost(self, rows: Sequence[bytes]) -> float:
        """CPU time of the serving process for each of *rows*, µs. Every answer must be 200 or 204."""
        before = self._cpu_ns()
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for row in rows:
                connection.sendall(row)
                answer = connection.recv(65_536)
                if not answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 204")):
                    raise RuntimeError(answer[:200].decode())
        return (self._cpu_ns() - before) / len(rows) / 1_000

    def _cpu_ns(self) -> int:
        """The time on a CPU of all threads of the process's children: the workers."""
        total = 0
        for child in Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split():
            for task in Path(f"/proc/{child}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
        return total

    def stop(self) -> None:
        """End it, and all it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)


def _start(target: str) -> tuple[list[bytes], Path | None, Server]:
    from benchmarks import served

    if target.endswith("bare"):
        return [], None, Server(target, {})
    folder, texts = served.prepare()
    return texts, folder, Server(target, served.environment(folder))


def requests(texts: list[bytes]) -> list[bytes]:
    """What is asked: with headers as a browser sends them, each with one of the keys."""
    drawn = random.Random(7)
    extra = "".join(f"{name}: {value}\r\n" for name, value in EXTRA)
    return [
        (
            f"GET /gate/auth/creator HTTP/1.1\r\nHost: localhost\r\n{extra}X-Forwarded-Method: GET\r\n"
            f"X-Forwarded-Uri: /chats/{uuid4()}/messages?page=1\r\nX-Fanvue-API-Version: 2025-06-26\r\n"
            f"X-Fanvue-API-Key: {drawn.choice(texts).decode()}\r\n\r\n"
        ).encode()
        for _ in range(REQUESTS)
    ]


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def remove(folder: Path | None) -> None:
    """The installation is gone."""
    import shutil

    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)

"""Applications on a real server: one process, started for a module of tests and ended with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.gate.scene import ROOT, Scene, named

START_S = 60.0
STOP_S = 20.0

_BOUND = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: it ends with the tests, however they end
os.execv(sys.argv[1], sys.argv[1:])
"""


def free_port() -> int:
    """A port of this host that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def environment(scene: Scene, **more: str) -> dict[str, str]:
    """The environment in which a process finds the scene's installation."""
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LIMEN_")}
    return kept | named(scene.settings) | {"PYTHONPATH": paths} | more


@contextmanager
def listening(line: list[str], of: dict[str, str], log: Path, *, socket_path: Path | None = None) -> Iterator[None]:
    """Run the server of *line* until the end of the block; it has answered before the block begins."""
    with log.open("wb") as out:
        bound = [sys.executable, "-c", _BOUND, *line]
        server = subprocess.Popen(bound, cwd=ROOT, env=of, stdout=out, stderr=out, start_new_session=True)
        try:
            _await_answer(server, _port(line), socket_path, log)
            yield
        finally:
            server.terminate()
            with suppress(subprocess.TimeoutExpired):
                server.wait(STOP_S)
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)  # whatever of it did not stop
            server.wait()


def _port(line: list[str]) -> int:
    """The port that a command line names, as ``HOST:PORT`` or by ``--port``; 0 where it names none."""
    named = [word.removeprefix("127.0.0.1:") for word in line if word.startswith("127.0.0.1:")]
    return int(named[0]) if named else int(line[line.index("--port") + 1]) if "--port" in line else 0


def _await_answer(server: subprocess.Popen[bytes], port: int, socket_path: Path | None, log: Path) -> None:
    deadline = time.monotonic() + START_S
    place: tuple[int, object] = (socket.AF_INET, ("127.0.0.1", port))
    if socket_path is not None:
        place = (socket.AF_UNIX, str(socket_path))
    while True:
        with socket.socket(place[0]) as connection, suppress(OSError):
            connection.settimeout(5)
            connection.connect(place[1])
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            if connection.recv(1):
                return
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(log.read_text(errors="replace"))
        time.sleep(0.05)


def granian(application: str, port: int, *options: str) -> list[str]:
    """The command line that serves *application*, a factory, as Limen serves its own."""
    return [
        *[sys.executable, "-m", "granian", "--interface", "asgi", "--factory", application],
        *["--workers", "1", "--runtime-mode", "st", "--loop", "uvloop", "--log-level", "warning"],
        *["--host", "127.0.0.1", "--port", str(port), *options],
    ]


def talk(port: int, sent: bytes, *, seconds: float = 20.0) -> bytes:
    """What the server answers to these very bytes, until it closes the connection or has said a whole answer."""
    heard = b""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        try:
            connection.sendall(sent)
            while b"\r\n\r\n" not in heard:
                part = connection.recv(65_536)
                if not part:
                    break
                heard += part
        except (ConnectionResetError, BrokenPipeError):
            pass  # the server had heard enough
    return heard

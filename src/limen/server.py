"""What a server process runs: importable factories, one a listener, and the supervisor that starts them.

The gate's listener and the public one are processes of their own: the gate decides from its memory and shares its core
with nobody. The worker's drain runs in the supervisor.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limen.app import App
from limen.control import apis
from limen.core.people import Actor
from limen.core.problems import ProblemError
from limen.core.profile import BUILT_IN
from limen.deliver import Sender
from limen.drain import Drainer, work
from limen.http.gate import Door
from limen.http.leaving import Leaving
from limen.profiles import built_in
from limen.settings import Settings

STOP_S = 10.0
"""How long a listener may take to stop before it is killed."""

STEADY_S = 10.0
"""How long a listener must have run to be started anew when it ends."""

ASGIApp = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]


def gate_app() -> ASGIApp:
    """The gate's listener: opens the gates of every API that the settings name."""
    _belong()
    app = App.open()
    with app.reading() as reader:
        known = [found.api for found in apis.listed(reader)]
    wanted = app.settings.apis or tuple(known)
    if BUILT_IN in wanted:
        raise ProblemError("setting_wrong", f"LIMEN_APIS: leave {BUILT_IN!r} out; the public listener decides for it.")
    houses = {name: app.gate(name, own_process=True) for name in wanted}
    for name, house in houses.items():
        if house.gate.rules.in_flight:
            raise ProblemError(
                "guard_only",
                f"limits.in_flight of {name!r}: this door never learns when a request has ended. "
                "Leave the API out of LIMEN_APIS, and guard it in its process.",
            )
    return Leaving(Door(app, houses, _secret(app.settings.gate_secret_file)))


def public_app() -> ASGIApp:
    """The public listener: opens the gate of the management API, whose profile is that of this release."""
    from limen.http.public import Public  # here: the web framework that it brings is of no use to commands

    _belong()
    app = App.open()
    bring_up_to_date(app)
    return Leaving(Public(app))


def bring_up_to_date(app: App) -> None:
    """The built-in API is there, and goes by this release's profile. A read where it does already.

    Raises ``profile_conflict`` where keys that exist do not fit it, and StoreDown.
    """
    stated = built_in()
    with app.reading() as reader:
        held = [each.api for each in apis.listed(reader, built_in=True)]
        if BUILT_IN in held and apis.profile_of(reader, BUILT_IN).document == stated.document:
            return
    app.act(apis.ensure_built_in, stated, actor=Actor("worker", "release"))


def _secret(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise ProblemError(
            "setting_wrong", f"LIMEN_GATE_SECRET_FILE: {path} cannot be read: {error.strerror}."
        ) from error
    if len(secret) < 32:
        raise ProblemError(
            "setting_wrong", f"LIMEN_GATE_SECRET_FILE: {path} holds {len(secret)} bytes, at least 32 are needed."
        )
    return secret


def die_with_parent() -> None:
    """End, at once, when the process that started this one ends, however it does. Linux alone has a way to say so.

    A kill is no harm here, and the server loses a gentler signal that comes while it starts.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def command(factory: str, listen: str, settings: Settings, workers: int = 1) -> list[str]:
    """The command line that serves *factory* at *listen*, by so many processes of one thread each."""
    tls = []
    if settings.tls_cert is not None and settings.tls_key is not None and factory == "public_app":
        tls = [str(settings.tls_cert), str(settings.tls_key)]
    return [sys.executable, "-m", "limen.listener", factory, listen, str(workers), *tls]


def _belong() -> None:
    """In a listener's worker: end with the server that spawned it, even if that has ended already."""
    die_with_parent()
    if os.getppid() == 1:
        raise SystemExit("the server that spawned this worker has ended")


def _start(line: list[str]) -> subprocess.Popen[bytes]:
    # S603: the line is our own. PLW1509: what runs there between fork and exec takes no lock.
    return subprocess.Popen(line, preexec_fn=_before_exec)  # noqa: S603, PLW1509


def _before_exec() -> None:
    """In a listener that does not run yet: nothing is there to be reloaded, and a SIGHUP would end it."""
    die_with_parent()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


@dataclass(slots=True)
class _Child:
    """A listener: how it is started, and the process that it is now."""

    line: list[str]
    process: subprocess.Popen[bytes]
    started_at: float

    @classmethod
    def start(cls, line: list[str]) -> _Child:
        return cls(line, _start(line), time.monotonic())

    def stands(self) -> bool:
        """Whether it runs, by now: one that ended is started anew, unless it ended right after its start."""
        if self.process.poll() is None:
            return True
        if time.monotonic() - self.started_at < STEADY_S:
            return False  # what ended it ends it again: whoever started us hears of it
        self.process, self.started_at = _start(self.line), time.monotonic()
        return True


def run(settings: Settings, *, workers: int = 1, worker: bool = True) -> int:
    """Serve until told to stop (SIGTERM, SIGINT), or until a listener ends right after its start; the exit status.

    At SIGHUP the listeners' workers are replaced one by one, by those of the code and the settings' file as they are
    then; no request that has been sent is lost. *workers*: of the gate's listener. *worker*: drain and deliver too,
    here. Raises ProblemError before anything is started where the installation is not ready.
    """
    app = App.open(settings)
    stopping: list[int] = []
    reloading: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: stopping.append(received))
    signal.signal(signal.SIGHUP, lambda received, _frame: reloading.append(received))
    children = [
        _Child.start(command("gate_app", settings.gate_listen, settings, workers)),
        _Child.start(command("public_app", settings.listen, settings)),
    ]
    drainer, sender = (Drainer(app), Sender(app)) if worker else (None, None)
    try:
        while not stopping and all(child.stands() for child in children):
            if reloading:
                reloading.clear()
                for child in children:
                    child.process.send_signal(signal.SIGHUP)
            time.sleep(0.1)
        return 0 if stopping else 1
    finally:
        _stop([child.process for child in children])
        if drainer is not None and sender is not None:
            sender.stop()
            drainer.stop()
            with suppress(ProblemError, OSError):
                work(app)  # what the listeners wrote last
        app.close()


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """All of them have ended: once what they accepted is answered, or after ``STOP_S``."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + STOP_S
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()

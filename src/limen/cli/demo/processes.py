"""The demo's processes: started with their output in a file, watched, and ended whatever happens to the demo."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread, main_thread

from limen.server import die_with_parent

READY_S = 45.0
"""How long a process may take until it answers."""
STOP_S = 10.0
"""How long it may take to end before it is killed."""
_LOOK_S = 0.05
_SAID_CHARS = 2_000
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class NotUp(Exception):
    """The demo cannot start, or something that it stands on has ended. Its text says what, and what to do."""


class Process:
    """One running process."""

    def __init__(self, name: str, line: Sequence[str], *, env: Mapping[str, str], folder: Path) -> None:
        """Start *line*, from a thread that outlives it: Linux ends a process with the thread that started it."""
        self.name, self._log = name, folder / f"{name.replace(' ', '-')}.log"
        with self._log.open("wb") as log:
            # A session of its own: Ctrl-C at the terminal is for the demo, which then ends its processes in order.
            self._process = subprocess.Popen(  # noqa: S603 - the line is our own
                line,
                cwd=folder,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - no other thread runs when the demo starts one
            )

    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def said(self) -> str:
        """The end of what it wrote."""
        return self._log.read_text("utf-8", "replace")[-_SAID_CHARS:].strip() or "It said nothing."

    def wait_for(self, answers: Callable[[], bool]) -> None:
        """Wait until *answers* is true. Raises NotUp when the process ends before, or takes longer than ``READY_S``."""
        deadline = time.monotonic() + READY_S
        while not answers():
            if not self.running():
                raise NotUp(f"The {self.name} ended at its start: {self.said()}")
            if time.monotonic() > deadline:
                raise NotUp(f"The {self.name} does not answer after {READY_S:.0f} s: {self.said()}")
            time.sleep(_LOOK_S)

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def finish(self, deadline: float) -> None:
        """Wait until it has ended; past *deadline* (``time.monotonic``) kill it with all that it started."""
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)  # it leads its own group, and is not yet waited for
            self._process.wait()


class Processes:
    """Processes that end together with the block, however the block ends."""

    def __init__(self) -> None:
        self._running: list[Process] = []

    def start(self, name: str, line: Sequence[str], *, env: Mapping[str, str], folder: Path) -> Process:
        """Start one."""
        process = Process(name, line, env=env, folder=folder)
        self._running.append(process)
        return process

    def watch(self) -> None:
        """Raises NotUp where one has ended on its own."""
        for process in self._running:
            if not process.running():
                raise NotUp(f"The {process.name} ended on its own: {process.said()}")

    def end(self) -> None:
        """End all of them."""
        with undisturbed():
            for process in self._running:
                process.terminate()
            deadline = time.monotonic() + STOP_S
            for process in self._running:
                process.finish(deadline)
            self._running = []

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as Ctrl-C does, with KeyboardInterrupt, so that it can clean up."""
    with _handled(_SIGNALS, _interrupt):
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """A second Ctrl-C does not keep the block, which is short, from cleaning up."""
    with _handled(_SIGNALS, signal.SIG_IGN):
        yield


@contextmanager
def _handled(numbers: Sequence[int], handler: object) -> Iterator[None]:
    if current_thread() is not main_thread():  # where no handler can be set, and no signal arrives
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}  # type: ignore[arg-type]  # either kind
    try:
        yield
    finally:
        for number, held in before.items():
            signal.signal(number, held)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def free_addresses(count: int) -> list[str]:
    """So many addresses on loopback that nothing listens at. Held together while they are drawn, so that all differ."""
    held = [socket.socket() for _ in range(count)]
    try:
        for each in held:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in held]
    finally:
        for each in held:
            each.close()

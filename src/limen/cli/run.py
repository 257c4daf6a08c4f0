"""``limen serve`` and ``limen worker``: what runs until it is told to stop."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType
from typing import Annotated

import typer

from limen.app import App
from limen.cli import show
from limen.cli.door import opened
from limen.cli.options import AsJson
from limen.core.problems import ProblemError
from limen.deliver import Sender, send_due
from limen.drain import Drainer, Unpushed, work
from limen.settings import read_settings

_LOOK_S = 0.5
"""How often a running worker is asked whether its last round failed."""


def serve(
    workers: Annotated[
        int,
        typer.Option("--workers", metavar="N", min=1, max=256, help="Processes that decide; they share limits."),
    ] = 1,
    worker: Annotated[
        bool,
        typer.Option("--worker/--no-worker", help="Whether to do a worker's work too; without it, run 'limen worker'."),
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Serve the gate's door and the public one.

    Ends at SIGTERM or SIGINT. At SIGHUP its processes are replaced one by one, by those of the code that is installed
    then; each answers what it was sent before it ends. A process that ends is started anew.
    """
    from limen.server import run

    settings = read_settings()
    if not as_json:
        typer.echo(f"The gate's door: {settings.gate_listen}. The public one: {settings.listen}.", err=True)
    if run(settings, workers=workers, worker=worker):
        raise ProblemError("unavailable", "A listener ended on its own. What it said stands above.")
    if as_json:
        show.json_out({"listen": settings.listen, "gate_listen": settings.gate_listen})


def worker(
    once: Annotated[bool, typer.Option("--once", help="Do what is there to do by now, and end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Drain the gates' journals into the readings, do the chores, and deliver mail and webhooks.

    The chores: the audit's chain is laid, keys that ended by their date are marked, events are handed on to whoever is
    to be told, what is old goes. Ends at SIGTERM or SIGINT. One worker drains at a time: where another is at it, --once
    drains nothing. Any number may deliver.
    """
    with opened() as app:
        if once:
            done = work(app)
            for name, error in done.failures.items():
                if not isinstance(error, Unpushed):
                    raise error
                typer.echo(show.printable(f"warning: {name}: {error}"), err=True)  # nothing else waits for a collector
            count, sent = done.drained, send_due(app)
            if as_json:
                show.json_out({"drained": count, "sent": sent})
            else:
                told = f", {sent} {'delivery' if sent == 1 else 'deliveries'} tried" if sent else ""
                typer.echo(f"{count} {'entry' if count == 1 else 'entries'} drained{told}.")
            return
        stopped_by = _work(app)
    if as_json:
        show.json_out({"stopped_by": stopped_by})


def _work(app: App) -> str:
    """Drain and deliver until a signal says to stop; which one."""
    drainer, sender, said = Drainer(app), Sender(app), ""
    typer.echo(f"Draining the journal every {app.settings.drain_ms} ms.", err=True)
    try:
        with _told_to_stop() as (stop, received):
            while not stop.wait(_LOOK_S):
                failed = "; ".join(filter(None, (drainer.failure, sender.failure)))
                if failed != said:
                    said = failed
                    typer.echo(show.printable(f"warning: {said}" if said else "Draining again."), err=True)
    finally:
        sender.stop()
        drainer.stop()
    return received[0]


@contextmanager
def _told_to_stop() -> Iterator[tuple[Event, list[str]]]:
    """An event that SIGTERM and SIGINT set, and the names of the signals that came."""
    stop, received = Event(), list[str]()

    def take(number: int, _frame: FrameType | None) -> None:
        received.append(signal.Signals(number).name)
        stop.set()

    before = {number: signal.signal(number, take) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop, received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

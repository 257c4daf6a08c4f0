"""``limen doctor``: looks at everything that an installation stands on, and says what to do. It changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import typer
from rich.text import Text

from limen.cli import show
from limen.cli.doctor import process, store, worker
from limen.cli.doctor.counters import counters
from limen.cli.doctor.finding import FAIL, OK, WARN, Finding, settled
from limen.cli.doctor.nodes import nodes
from limen.cli.doctor.post import mail, post
from limen.cli.doctor.tombstones import tombstones
from limen.cli.door import REFUSED
from limen.cli.options import AsJson
from limen.core.problems import ProblemError
from limen.gate.clock import Clock
from limen.settings import Settings, read_settings

__all__ = ["doctor"]

_STYLES = {OK: "green", WARN: "yellow", FAIL: "bold red"}


def doctor(as_json: AsJson = False) -> None:
    """Check the installation, and say what to do.

    Settings, database, schema, pepper, state folder, files, tombstones, epoch, gates, nodes, counters, journal, worker,
    audit, delivery, mail, disk and clock. Nothing is changed. Exit code 1 where a check fails.
    """
    found = list(_check_up(Clock()))
    healthy = all(each.state != FAIL for each in found)
    if as_json:
        show.json_out({"ok": healthy, "checks": found})
    else:
        table = show.columned("CHECK", "STATE", "FOUND", "WHAT TO DO")
        for each in found:
            state = Text(each.state, style=_STYLES[each.state])
            table.add_row(each.check, state, *(Text(show.printable(part)) for part in (each.found, each.advice)))
        show.table_out(table)
    if not healthy:
        raise typer.Exit(REFUSED)


def _check_up(clock: Clock) -> Iterator[Finding]:
    try:
        settings = read_settings()
    except ProblemError as error:
        yield Finding("settings", FAIL, error.detail, "Mend it; nothing else can be checked before.")
        return
    yield from settled("settings", lambda: store.settings_files(settings))
    yield from _of(settings, clock)


def _of(settings: Settings, clock: Clock) -> Iterator[Finding]:
    with store.examined(settings) as ward:
        yield from ward.findings
        yield from settled("pepper", lambda: store.pepper_file(ward))
        yield from settled("state", lambda: store.state_folder(ward))
        yield from settled("files", lambda: store.files(settings))
        yield from settled("tombstones", lambda: tombstones(ward))
        yield from settled("epoch", lambda: process.epoch(settings))
        yield from settled("gates", lambda: process.gates(ward))
        yield from settled("nodes", lambda: nodes(ward))
        yield from settled("counters", lambda: counters(ward))
        yield from settled("journal", lambda: process.journals(ward))
        yield from settled("worker", lambda: worker.rounds(settings))
        yield from settled("audit", lambda: worker.chain(ward))
        yield from settled("delivery", lambda: post(ward))
        yield from settled("mail", lambda: mail(settings))
        yield from settled("disk", lambda: process.disk(settings))
        yield from settled("clock", lambda: process.wall_clock(ward, clock))

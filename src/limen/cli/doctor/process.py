"""Checks of what runs: the epoch, who decides for which API, the journal, room on the disk, and the clock."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path

from limen.cli.doctor.finding import FAIL, OK, WARN, Finding
from limen.cli.doctor.store import Ward
from limen.control import apis, recording
from limen.core.usage import Tally
from limen.core.versions import iso_instant
from limen.db.doctor import is_held, newest_moment, read_epoch
from limen.drain import decode
from limen.gate import journal
from limen.gate.clock import ALARM_S, Clock
from limen.settings import Settings

RELEASED_AT = 1_735_689_600.0
"""2025-01-01: no clock that is right shows an earlier moment than this code's own."""
LATE_S = 60.0
"""How old the oldest entry of a journal may be before it counts as forgotten."""

_START = "Start 'limen serve', or the application with its guard."


def epoch(settings: Settings) -> Iterator[Finding]:
    """The epoch is even, or somebody is at work. On PostgreSQL there are leases instead: see ``nodes``."""
    if not settings.on_one_host:
        return
    folder = settings.state_folder
    if not folder.exists():
        yield Finding("epoch", WARN, "Not checked: the state folder is not there.")
        return
    try:
        found = read_epoch(folder)
    except FileNotFoundError:
        advice = "Restart every process of this installation, so that all of them map the same file."
        yield Finding("epoch", FAIL, f"The epoch is gone from {folder}.", advice)
    except ValueError as error:
        yield Finding(
            "epoch", FAIL, f"{folder / 'epoch'} is no epoch: {error}.", "Stop every process, and remove the file."
        )
    else:
        if found.value & 1 and not found.held:
            advice = "Nothing: the next change mends it. Until then every check reads the change log."
            yield Finding(
                "epoch", WARN, f"{found.value}, odd: a process was killed while it committed a change.", advice
            )
        else:
            yield Finding("epoch", OK, f"{found.value}, {'while a change is being made' if found.held else 'at rest'}.")


def gates(ward: Ward) -> Iterator[Finding]:
    """Which processes of this host decide for which API. On PostgreSQL ``nodes`` says it of every host."""
    if not ward.settings.on_one_host:
        return
    folder = ward.settings.state_folder
    if ward.reader is not None:
        names = [each.api for each in apis.listed(ward.reader)]
    else:
        names = sorted(path.stem.removeprefix("gate-") for path in folder.glob("gate-*.lock"))
    if not names:
        yield Finding("gates", WARN, "There are no APIs.", "Make one with 'limen apis create'.")
    for name in names:
        path = folder / f"gate-{name}.lock"
        process = path.read_text("ascii", "replace").strip() if path.exists() else ""
        if is_held(path):
            yield _holders(name, process.split())
        elif process:
            yield Finding("gates", WARN, f"{name}: no process decides for it. The last was {process}.", _START)
        else:
            yield Finding("gates", WARN, f"{name}: no process has decided for it yet.", _START)


def _holders(name: str, processes: list[str]) -> Finding:
    there = [process for process in processes if process.isdigit() and Path(f"/proc/{process}").exists()]
    if len(there) > 1:
        return Finding("gates", OK, f"{name}: processes {', '.join(there)} decide for it, and count together.")
    if there:
        return Finding("gates", OK, f"{name}: process {there[0]} decides for it.")
    found = f"{name}: it is decided for by a process that is not {', '.join(processes) or 'named'}."
    return Finding(
        "gates", WARN, found, "It runs in another container, or is a child of that process: end it if it should not be."
    )


def journals(ward: Ward) -> Iterator[Finding]:
    """How much of each API's journal waits to be drained, and since when."""
    folders = sorted(path for path in (ward.settings.state_folder / "journal").glob("*") if path.is_dir())
    if not folders:
        yield Finding("journal", OK, "No gate has written one yet.")
    now = Clock().read()[0]
    for folder in folders:
        segments = sorted(folder.glob("*.seg"))
        size = sum(path.stat().st_size for path in segments)
        found = f"{folder.name}: {len(segments)} of {ward.settings.segments} segments, {size / 1e6:.1f} MB"
        oldest = _oldest(ward, segments)
        late = now - oldest if oldest is not None else 0.0
        found += f"; the oldest entry to drain is {late:.0f} s old." if oldest is not None else "; nothing to drain."
        advice = "Start 'limen worker', or 'limen serve' without --no-worker; 'limen worker --once' drains now."
        if len(segments) >= ward.settings.segments:
            yield Finding("journal", FAIL, f"{found} It is full: the gate refuses with 503.", advice)
        elif 2 * len(segments) > max(ward.settings.segments, 4) or late > LATE_S:
            yield Finding("journal", WARN, found, advice)
        else:
            yield Finding("journal", OK, found)


def _oldest(ward: Ward, segments: list[Path]) -> float | None:
    """When the oldest entry was made that is in no reading yet; None where there is none, or it cannot be told."""
    if ward.reader is None:
        return None
    moments = []
    for path in segments:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size <= journal.HEADER.size:
                continue
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as segment:
                if segment[: len(journal.MAGIC)] != journal.MAGIC:
                    continue
                for number, body, _ in journal.entries(segment, recording.mark_of(ward.reader, path.name)):
                    entry = decode(number, body)
                    moments.append(entry.minute * 60.0 if isinstance(entry, Tally) else entry.at)
                    break
    return min(moments, default=None)


def disk(settings: Settings) -> Iterator[Finding]:
    """Room for the journal: for a segment now, and for as many as may wait."""
    folder = settings.state_folder if settings.state_folder.exists() else settings.state_folder.absolute().parent
    room = os.statvfs(folder)
    free = room.f_bavail * room.f_frsize
    found, whole = f"{free / 1e6:,.0f} MB are free at {folder}.", settings.segment_bytes * settings.segments
    if free < 2 * settings.segment_bytes:
        yield Finding(
            "disk", FAIL, f"{found} The journal has no room for a segment.", "Make room: the gate refuses with 503."
        )
    elif free < whole:
        advice = f"Make room, or lower LIMEN_SEGMENTS: a journal may grow to {whole / 1e6:,.0f} MB."
        yield Finding("disk", WARN, found, advice)
    else:
        yield Finding("disk", OK, found)


def wall_clock(ward: Ward, clock: Clock) -> Iterator[Finding]:
    """The clock shows no moment that has been: not before this release, not before the newest change on record."""
    now = clock.read()[0] - clock.set_back_s()
    newest = newest_moment(ward.reader.connection) if ward.reader is not None else None
    behind = max(clock.set_back_s(), (newest or 0.0) - now, RELEASED_AT - now)
    if behind > ALARM_S:
        advice = "Set the clock (NTP), then restart the server: a clock set back lets expired keys in again."
        yield Finding("clock", FAIL, f"{iso_instant(now)} lies {behind:.0f} s before what has been already.", advice)
    else:
        yield Finding("clock", OK, f"{iso_instant(now)}, and never set back as far as is known.")

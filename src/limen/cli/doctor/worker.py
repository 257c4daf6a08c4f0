"""Checks of what the worker does: whether its last round failed, whether the audit's chain keeps up and is whole."""

from __future__ import annotations

from collections.abc import Iterator

from limen.cli.doctor.finding import FAIL, OK, WARN, Finding
from limen.cli.doctor.store import Ward
from limen.control import audit
from limen.drain import LOCK
from limen.settings import Settings

LATE_S = 60.0
"""How old the oldest entry without a link may be, beside two rounds: a worker that runs links it within a second."""
LAST = 1_000
"""How many links are verified: those in which somebody is likely to have meddled yesterday."""


def rounds(settings: Settings) -> Iterator[Finding]:
    """What failed when the journals were drained and the chores were done the last time."""
    path = settings.state_folder / "journal" / LOCK
    said = path.read_text("utf-8", "backslashreplace") if path.exists() else ""
    if said:
        advice = (
            "What failed is tried again every round; 'limen worker --once' tries now. What else is said here may tell."
        )
        yield Finding("worker", WARN, f"In its last round failed {said}.", advice)
    else:
        yield Finding("worker", OK, "Nothing failed in its last round." if path.exists() else "None has run yet.")


def chain(ward: Ward) -> Iterator[Finding]:
    """The last links of the audit's chain are whole, and no entry waits for its own."""
    if ward.reader is None:
        yield Finding("audit", WARN, "Not checked: the database cannot be read.")
        return
    found, waiting = audit.verify(ward.reader, last=LAST), audit.waiting(ward.reader)
    said = f"{found.position:,} links, the last {found.checked:,} verified; {waiting.count:,} entries wait for theirs"
    late = ward.reader.now - waiting.since if waiting.since is not None else 0.0
    if not found.whole:
        first = found.breaks[0]
        advice = "Run 'limen audit verify --head' with a head that was kept. Whoever did it can write the database."
        yield Finding("audit", FAIL, f"The chain breaks at position {first.position}: {first.how}.", advice)
    elif late > LATE_S + 2 * ward.settings.drain_ms / 1000:
        advice = "Start 'limen worker', or 'limen serve' without --no-worker; 'limen worker --once' links them now."
        yield Finding("audit", WARN, f"{said}, since {late:.0f} s.", advice)
    else:
        yield Finding("audit", OK, f"{said}.")

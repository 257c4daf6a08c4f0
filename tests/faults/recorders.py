"""Builds of what records usage: the product, and broken ones that the comparing must catch.

Each is a function that changes this process by *patch*. ``python -m tests.faults.recorders BUILD`` drains by one of
them, in small batches, and is killed at the worst moment: in the middle of one, before its mark is set. The product
knows nothing of them.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Collection
from typing import Any

import pytest

from limen.app import App
from limen.control import recording
from limen.control.recording import _rows, actions
from limen.control.statistics import rows as exporting
from limen.core import statistics
from limen.core.rollup import Sums
from limen.core.usage import Decided
from limen.db import rollups
from limen.db.transaction import Tx
from limen.drain import drain, journals

BATCH, KILLED_AT = 50, 40
Build = Callable[[pytest.MonkeyPatch], None]


def sound(patch: pytest.MonkeyPatch) -> None:
    """The product as it is."""


def acknowledged_first(patch: pytest.MonkeyPatch) -> None:
    """The mark is set, for good, before what it stands for is recorded. Broken."""
    note, mark = App.note, actions._rows.set_mark

    def early(self: App, verb: Any, *args: Any, **more: Any) -> Any:
        if verb is recording.record:
            note(self, lambda tx: mark(tx.connection, *args[:2]), actor=more["actor"])
        return note(self, verb, *args, **more)

    patch.setattr(App, "note", early)


def added_apart(patch: pytest.MonkeyPatch) -> None:
    """Roll-ups are added to in a transaction of their own, before the readings' and their mark's. Broken."""
    note = App.note

    def twice(self: App, verb: Any, *args: Any, **more: Any) -> Any:
        if verb is not recording.record:
            return note(self, verb, *args, **more)
        with pytest.MonkeyPatch.context() as first:
            first.setattr(_rows, "add_readings", lambda connection, rows: None)
            first.setattr(_rows, "set_mark", lambda connection, segment, offset: None)
            first.setattr(actions, "notice", lambda tx, decided: None)
            note(self, verb, *args, **more)
        with pytest.MonkeyPatch.context() as second:
            second.setattr(rollups, "add", lambda connection, sums: None)
            return note(self, verb, *args, **more)

    patch.setattr(App, "note", twice)


def late_outcomes_lost(patch: pytest.MonkeyPatch) -> None:
    """A status that comes after its decision was recorded is in the reading, and not in the roll-ups. Broken."""
    keep = actions._keep

    def silent(tx: Tx, sums: Sums, told: Any) -> None:
        keep(tx, Sums(), told)

    patch.setattr(actions, "_keep", silent)


def rebuilt_on_top(patch: pytest.MonkeyPatch) -> None:
    """What a day is made of anew is added to what was there. Broken."""
    patch.setattr(rollups, "clear", lambda connection, day: None)


def whole_spans_alone(patch: pytest.MonkeyPatch) -> None:
    """Statistics leave out the span that has not ended. Broken."""
    patch.setattr(statistics, "ceiling", statistics.floor)


def pages_overlap(patch: pytest.MonkeyPatch) -> None:
    """The next page of an export begins a line early. Broken, where a page is full."""
    patch.setattr(exporting, "_STRETCH", 7)
    place = exporting._place

    def before(row: Any) -> tuple[Any, ...]:
        return (*place(row)[:-1], "")

    patch.setattr(exporting, "_place", before)


WHILE_DRAINING: dict[str, Build] = {
    build.__name__: build for build in (sound, acknowledged_first, added_apart, late_outcomes_lost)
}


def _killed_before_a_mark(patch: pytest.MonkeyPatch) -> None:
    """This process is killed in the middle of a batch, when it has recorded some."""
    record, recorded = actions.notice, iter(range(1, 1 << 30))

    def last(tx: Tx, decided: Collection[Decided]) -> None:
        record(tx, decided)
        if next(recorded) == KILLED_AT:
            os.kill(os.getpid(), signal.SIGKILL)

    patch.setattr(actions, "notice", last)


def main() -> None:
    """Drain, and be killed at it."""
    patch = pytest.MonkeyPatch()
    patch.setattr(journals, "BATCH", BATCH)
    _killed_before_a_mark(patch)
    WHILE_DRAINING[sys.argv[1]](patch)
    app = App.open()
    while drain(app):
        continue
    raise SystemExit("nothing was left to be killed at")


if __name__ == "__main__":
    main()

"""From journal entries to readings: exactly once, because the mark moves in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from limen.control.recording import _rows
from limen.control.recording.disregard import notice
from limen.core.rollup import Sums
from limen.core.usage import Decided, Outcome, Tally
from limen.db import rollups
from limen.db.transaction import Reader, Tx

_LAST = 2**63 - 1
"""The highest number that a reading can have in the database. An outcome of a higher one is of no reading."""


def mark_of(reader: Reader, segment: str) -> int:
    """Up to which offset *segment* is in the readings."""
    return _rows.mark(reader.connection, segment)


def record(
    tx: Tx, segment: str, offset: int, *, api: str, incarnation: int, entries: Iterable[Decided | Outcome | Tally]
) -> None:
    """What *segment* held up to *offset* is in the readings, in the roll-ups, and in what keys say of their use.

    All of it once, because the mark moves with it (R71, R103, R219).
    """
    entries = list(entries)
    decided = {entry.number: entry for entry in entries if isinstance(entry, Decided)}
    if decided:  # a number is given once: what is there already, after a database was put back, is the same reading
        for number in _rows.recorded(tx.connection, incarnation, min(decided), max(decided)):
            decided.pop(number, None)
    here: dict[int, Outcome] = {}
    told: dict[tuple[int, int], Outcome] = {}
    tallies = []
    for entry in entries:
        if isinstance(entry, Tally):
            tallies.append({"api": api} | entry.row())
        elif isinstance(entry, Decided):
            continue
        elif entry.incarnation == incarnation and entry.number in decided:
            here.setdefault(entry.number, entry)
        elif max(entry.number, entry.incarnation) <= _LAST:
            told.setdefault((entry.incarnation, entry.number), entry)
    sums = Sums()
    if decided:
        rows = [_row(sums, api, incarnation, entry, here.get(number)) for number, entry in decided.items()]
        _rows.add_readings(tx.connection, rows)
    if told:
        _keep(tx, sums, [(*place, entry.status, entry.at, entry.took_us) for place, entry in sorted(told.items())])
    if tallies:
        _rows.add_refusals(tx.connection, tallies)
    rollups.add(tx.connection, sums)
    if decided:
        notice(tx, decided.values())  # last: from here on whoever changes one of these keys waits for the commit
    _rows.set_mark(tx.connection, segment, offset)


def _row(sums: Sums, api: str, incarnation: int, entry: Decided, outcome: Outcome | None) -> tuple[Any, ...]:
    """A reading's columns, in their order; it is counted."""
    which = (api, entry.locator, int(entry.at), entry.operation, entry.version, entry.code)
    sums.decided(which, entry.address)
    status, took_us = (None, None) if outcome is None else (outcome.status, outcome.took_us)
    if status is not None:
        sums.answered(which, status, took_us)
    place = (incarnation, entry.number, entry.at, api, entry.locator)
    return (
        *place,
        entry.method,
        entry.operation,
        entry.version,
        entry.path,
        entry.code,
        entry.address,
        status,
        took_us,
    )


def _keep(tx: Tx, sums: Sums, told: Sequence[_rows.Told]) -> None:
    """The readings that are there by now learn their status; the rest is kept until theirs are."""
    learned = set()
    for row in _rows.answer(tx.connection, told):
        sums.answered(rollups.which_of(row), row.status, row.took_us)
        learned.add((row.incarnation, row.number))
    _rows.keep_early(tx.connection, [each for each in told if each[:2] not in learned])


def waiting(reader: Reader, after: tuple[int, int] = (-1, -1)) -> bool:
    """Whether outcomes are kept for readings to come, from behind *after* on."""
    return bool(_rows.early(reader.connection, after, 1))


def settle(tx: Tx, after: tuple[int, int] = (-1, -1), limit: int = 5_000) -> tuple[int, int] | None:
    """What was answered before its reading was recorded, or told of long after, is in the reading, if that is there.

    Of at most *limit* outcomes, from behind *after* on; the place of the last, or None where there are no more. What
    has found no reading within a day never will, and goes.
    """
    told = _rows.early(tx.connection, after, limit)
    if not told:
        return None
    sums = Sums()
    for row in _rows.answer(tx.connection, told, near=False):
        sums.answered(rollups.which_of(row), row.status, row.took_us)
    _rows.drop_early(tx.connection, [each[:2] for each in told], before=tx.now - _rows.LATEST_S)
    rollups.add(tx.connection, sums)
    return told[-1][:2] if len(told) == limit else None


def wrong(reader: Reader, day: int) -> int:
    """How many rows of the roll-ups of the Unix day *day* are not what its readings come to. About 6 s a million."""
    return rollups.wrong(reader.connection, day)


def rebuild(tx: Tx, day: int) -> None:
    """The roll-ups of the Unix day *day* are what its readings come to. About 10 s a million readings.

    Whoever records something waits meanwhile. Where readings of that day have gone already, so does what they came to.
    """
    rollups.clear(tx.connection, day)
    rollups.add(tx.connection, rollups.of_day(tx.connection, day))


def unseal(tx: Tx, segment: str) -> None:
    """*segment* is gone, and so is its mark."""
    _rows.drop_mark(tx.connection, segment)

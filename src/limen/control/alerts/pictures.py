"""What is known of keys, drawn from their rows and their roll-ups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from limen.control import statistics, versions
from limen.control.alerts import _rows
from limen.control.statistics import LimitUse
from limen.core import addresses
from limen.core.alerts import DAY_S, Old, Picture, Window
from limen.core.baseline import WEEK, WEEKS
from limen.core.problems import ProblemError
from limen.core.rollup import HOUR_S, MINUTE_S
from limen.core.versions import Stage
from limen.db.transaction import Reader

_LATELY_S = 900
_SEARCHED = 10_000
"""In an hour with more calls than that nobody looks for the key in their paths: it would take too long."""

Rows = Sequence[Any]
Of = dict[bytes, dict[int, Any]]


def by_minute(reader: Reader, rows: Rows, span: int) -> dict[bytes, Picture]:
    """Of each key: the answers of the last quarter of an hour, and how much of its limits is used."""
    now = min(reader.now, (span + 1) * MINUTE_S)
    counts = _rows.counts(reader.connection, "minute", _places(rows), int(now - _LATELY_S))
    answered, failed, limited = defaultdict[bytes, int](int), defaultdict[bytes, int](int), set[bytes]()
    for row in counts:
        answered[row.locator] += row.answered
        failed[row.locator] += row.failed
        if row.limited and row.at >= now - 2 * MINUTE_S:
            limited.add(row.locator)
    windows = _windows(reader, rows, limited)
    return {
        row.locator: Picture(
            now=reader.now,
            created_at=row.created_at,
            windows=windows.get(row.locator, ()),
            answered=answered[row.locator],
            failed=failed[row.locator],
        )
        for row in rows
    }


def by_hour(reader: Reader, rows: Rows, hour: int) -> dict[bytes, Picture]:
    """Of each key: what it did up to the end of the Unix hour *hour*, as far back as rules look."""
    places_of, end = _places(rows), (hour + 1) * HOUR_S
    hours: Of = defaultdict(dict)
    for row in _rows.counts(reader.connection, "hour", places_of, (hour - WEEK * (WEEKS + 1)) * HOUR_S):
        if row.at < end:
            hours[row.locator][row.at // HOUR_S] = row.calls
    places = blocks(reader, [row.locator for row in rows], end - 30 * int(DAY_S), end)
    operations, old = first_calls(reader, rows, end), old_versions(reader, rows, end)
    searched = [row.locator for row in rows if 0 < hours[row.locator].get(hour, 0) <= _SEARCHED]
    in_url = _rows.in_paths(reader.connection, searched, hour)
    return {
        row.locator: Picture(
            now=float(end),
            created_at=row.created_at,
            hour=hour,
            hours=hours[row.locator],
            places=places[row.locator],
            operations=operations[row.locator],
            versions=old[row.locator].get(int(end // DAY_S), ()),
            in_url=in_url.get(row.locator, 0),
        )
        for row in rows
    }


def by_day(reader: Reader, rows: Rows, _span: int) -> dict[bytes, Picture]:
    """Of each key: its dates."""
    return {
        row.locator: Picture(
            now=reader.now,
            created_at=row.created_at,
            live=row.environment == "live",
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
        )
        for row in rows
    }


def blocks(reader: Reader, locators: Collection[bytes], begin: int, end: int) -> Mapping[bytes, dict[int, Any]]:
    """From which blocks of addresses keys were used, by Unix hour."""
    found: dict[bytes, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in _rows.addresses(reader.connection, locators, begin):
        if row.at < end and (block := addresses.block(row.address.partition("/")[0])):
            found[row.locator][row.at // HOUR_S].add(block)
    told: dict[bytes, dict[int, Any]] = defaultdict(dict)
    for locator, hours in found.items():
        told[locator] = {hour: frozenset(each) for hour, each in hours.items()}
    return told


def first_calls(reader: Reader, rows: Rows, end: int) -> dict[bytes, dict[str, float]]:
    """When each operation was called first: by the day, and of late by the hour."""
    places, lately = _places(rows), (end // int(DAY_S) - 2) * int(DAY_S)
    found: dict[bytes, dict[str, float]] = defaultdict(dict)
    for row in _rows.first_called(reader.connection, "day", places):
        found[row.locator][row.operation] = float(row.first)
    for row in _rows.first_called(reader.connection, "hour", places, lately):
        if found[row.locator].get(row.operation, lately) >= lately:
            found[row.locator][row.operation] = float(row.first)
    return defaultdict(dict, {place: {n: at for n, at in of.items() if at < end} for place, of in found.items()})


def old_versions(reader: Reader, rows: Rows, end: int, days: int = 1) -> dict[bytes, dict[int, tuple[Old, ...]]]:
    """Deprecated versions that keys called in the week up to a day, by Unix day: of the last *days* of them."""
    api_of = {row.locator: row.api for row in rows}
    old = {
        (api, each.name): each.sunset_at
        for api in set(api_of.values())
        for each in versions.listed(reader, api)
        if each.stage(end) is Stage.DEPRECATED
    }
    last = int(end // DAY_S)
    if not old:
        return defaultdict(dict)
    calls: dict[bytes, dict[int, dict[str, int]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    for row in _rows.versions_called(reader.connection, _places(rows), (last - days - 6) * int(DAY_S)):
        if (api_of[row.locator], row.version) in old:
            day = row.at // int(DAY_S)
            for each in range(max(day, last - days + 1), min(day + 7, last + 1)):
                calls[row.locator][each][row.version] += row.calls
    told: dict[bytes, dict[int, tuple[Old, ...]]] = defaultdict(dict)
    for place, of in calls.items():
        api = api_of[place]
        told[place] = {day: tuple(Old(v, n, old[api, v]) for v, n in by.items()) for day, by in of.items()}
    return told


def _places(rows: Rows) -> list[tuple[str, bytes]]:
    return [(row.api, row.locator) for row in rows]


def uses(reader: Reader, rows: Rows) -> dict[bytes, list[LimitUse]]:
    """The limits of each key that it may come near to, and how much of a window it may have used."""
    found: dict[bytes, list[LimitUse]] = {}
    for api in {row.api for row in rows}:
        with suppress(ProblemError):  # the API is gone
            found |= statistics.windows(reader, api, [row.locator for row in rows if row.api == api])
    return {
        place: [
            each for each in of if each.count > 0 and each.source != "emergency" and not each.limit.startswith("shadow")
        ]
        for place, of in found.items()
    }


def _windows(reader: Reader, rows: Rows, limited: Collection[bytes]) -> dict[bytes, tuple[Window, ...]]:
    """The keys' limits, and how much of them is used: all of the fullest where a call was refused, as of *limited*."""
    found = {}
    for place, of in uses(reader, rows).items():
        windows = [Window(each.operation or each.source, each.count, each.window_s, each.used_at_most) for each in of]
        if place in limited and windows and not any(each.used >= each.limit for each in windows):
            fullest = max(windows, key=lambda each: each.used / each.limit)
            windows.append(Window(fullest.name, fullest.limit, fullest.window_s, fullest.limit))
        found[place] = tuple(windows)
    return found

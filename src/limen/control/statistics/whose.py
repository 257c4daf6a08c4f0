"""Whose calls are asked for, which of them, and of what time: found, and rounded to what is kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from limen.control import apis, owners
from limen.control.statistics import _rows
from limen.core import statistics
from limen.core.problems import ProblemError
from limen.core.rollup import DAY_S, GRAINS
from limen.core.versions import iso_instant
from limen.db.transaction import Reader


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose calls, which of them, and of what time. What is empty matches every one; of which time: the last 24 hours.

    Those of one key, of all keys of an owner, or of whole APIs. Limen's own API counts where it is named, or its key.
    """

    key: str = ""
    owner: str = ""
    api: str = ""
    operation: str = ""
    version: str = ""
    code: str = ""
    since: float | None = None
    """Unix seconds, as *until* is."""
    until: float | None = None


class Time(NamedTuple):
    """A time, rounded to what is kept of it."""

    asked: tuple[float, float]
    since: int
    until: int
    pieces: list[_rows.Piece]
    before: list[_rows.Piece] | None
    """Those of the time before, which is as long; None: that is not kept."""


def whose_of(reader: Reader, asked: Asked) -> _rows.Whose:
    """Whose calls, and which. Raises ``key_unknown``, ``owner_unknown``, ``api_unknown``."""
    wanted: _rows.Wanted = {"operation": asked.operation, "version": asked.version, "code": asked.code}
    if asked.api:
        apis.require(reader, asked.api)
    if asked.key:
        row = _rows.place_of(reader.connection, asked.key)
        if row is None or asked.owner not in ("", row.owner) or asked.api not in ("", row.api):
            raise ProblemError("key_unknown", f"There is no such key {asked.key!r}.")
        return _rows.Whose((row.api,), wanted, row.owner, row.locator)
    if asked.owner:
        owners.require(reader, asked.owner)
    named = (asked.api,) if asked.api else tuple(each.api for each in apis.listed(reader))
    return _rows.Whose(named, wanted, asked.owner)


def require_key(asked: Asked) -> None:
    """Raises ``request_malformed`` where no key is named."""
    if not asked.key:
        raise ProblemError("request_malformed", "key: it has to be named.")


def time_of(reader: Reader, asked: Asked, whose: _rows.Whose, *, gone_too: bool = False) -> Time:
    """Of what time, by the finest roll-ups that its length asks for, and that are kept; rather with the time before.

    *gone_too*: it does not matter whether it is kept. Raises ``request_malformed`` for a time that ends before it
    begins, or is yet to come, and ``usage_gone``.
    """
    until = reader.now if asked.until is None else min(asked.until, reader.now)
    since = until - DAY_S if asked.since is None else asked.since
    if since >= until:
        raise ProblemError("request_malformed", "since: allowed is a moment before 'until', and in the past.")
    if gone_too:
        return Time((since, until), int(since), int(until), [], None)
    named = tuple(GRAINS)
    kept = {grain: kept_since(reader, whose.apis, grain) for grain in named}
    fit = []
    for grain in named[named.index(statistics.exactness(until - since)) :]:
        begin, end = statistics.floor(since, grain), statistics.ceiling(until, grain)
        if begin >= kept[grain]:
            back = begin - (end - begin)
            before = list(statistics.pieces(back, begin, grain)) if back >= kept[grain] else None
            fit.append(Time((since, until), begin, end, list(statistics.pieces(begin, end, grain)), before))
    if not fit:
        raise ProblemError("usage_gone", f"What was used by the day is kept since {iso_instant(float(kept['day']))}.")
    return next((each for each in fit if each.before is not None), fit[0])


def kept_since(reader: Reader, names: Iterable[str], grain: str) -> int:
    """Since when (Unix seconds) the roll-ups by *grain* of all APIs in *names* are kept: whole days."""
    spans = [getattr(apis.profile_of(reader, name).retention, f"{grain}s_s") for name in names]
    known = [each for each in spans if each is not None]
    return max(0, int(reader.now - min(known)) // DAY_S * DAY_S) if known else 0

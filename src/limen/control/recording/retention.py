"""What was recorded goes when its time is over, or its owner was erased (R71, R73).

A whole day at a time: on PostgreSQL the readings of a day that no API keeps any longer are dropped with their
partition, which reads nothing of them.
"""

from __future__ import annotations

from limen.control import apis
from limen.control.recording import _rows
from limen.core.profile import Retention
from limen.core.rollup import DAY_S
from limen.db import partitions
from limen.db.transaction import Reader, Tx


def purge(tx: Tx, limit: int = 5_000) -> bool:
    """At most *limit* rows of each kind and API that are older than its profile says are gone; whether there are more.

    5,000 rows take 0.1 s, for as long as other writers wait on SQLite.
    """
    kept = _kept(tx)
    oldest = [retention.readings_s for retention in kept.values()]
    if oldest and None not in oldest:
        partitions.drop(tx, before_day=_cutoff(tx.now, max(each for each in oldest if each is not None)) // DAY_S)
    most = _rows.drop_erased(tx.connection, limit)
    for api, retention in kept.items():
        spans = (retention.readings_s, retention.minutes_s, retention.hours_s, retention.days_s)
        for tables, kept_s in zip(_rows.AGEING, spans, strict=True):
            if kept_s is not None:
                before = _cutoff(tx.now, kept_s)
                most = max(most, *(_rows.drop_old(tx.connection, each, api, before, limit) for each in tables))
    return most >= limit


def whole_since(reader: Reader) -> float:
    """From which moment on (Unix seconds, the beginning of a day) no readings have gone: by age, or with an owner."""
    spans = [retention.readings_s for retention in _kept(reader).values()]
    shortest = min((span for span in spans if span is not None), default=None)
    by_age = 0 if shortest is None else _cutoff(reader.now, shortest) + DAY_S
    used_at = _rows.erased_use(reader.connection)
    return float(by_age if used_at is None else max(by_age, _cutoff(used_at, 0) + DAY_S))


def _kept(reader: Reader) -> dict[str, Retention]:
    every = [found.api for built_in in (False, True) for found in apis.listed(reader, built_in=built_in)]
    return {api: apis.profile_of(reader, api).retention for api in every}


def _cutoff(now: float, kept_s: int) -> int:
    """The beginning of the first day of which something is kept."""
    return int(now - kept_s) // DAY_S * DAY_S

"""A rule tried on what was: when it would have fired."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from limen.control import apis
from limen.control.alerts import _rows, pictures
from limen.control.alerts.actions import require_numbers
from limen.control.alerts.views import settings_of
from limen.control.statistics import LimitUse
from limen.core.alerting import CALM_S, PACE_OF, in_force
from limen.core.alerts import DAY_S, Window
from limen.core.baseline import WEEK, WEEKS
from limen.core.hindsight import History, Hour, spans
from limen.core.hindsight import pictures as seen_by_hour
from limen.core.problems import ProblemError
from limen.core.rollup import HOUR_S
from limen.db.transaction import Reader

LONGEST_S = 90 * DAY_S
MOST_KEYS = 200

_BLIND: Mapping[str, str] = {
    "limit_near": "Of windows shorter than an hour only refusals are known.",
    "error_rate": "By whole hours, in place of a quarter of one.",
    "key_in_url": "Paths are not searched again: nothing is found.",
    "new_address_range": "From where keys were used is known for 30 days at most, or less where the profile says so.",
    "many_addresses": "From where keys were used is known for 30 days at most, or less where the profile says so.",
    "suspected_sharing": "From where keys were used is known for 30 days at most, or less where the profile says so.",
}


@dataclass(frozen=True, slots=True)
class Trial:
    """An alert that would have fired. Moments are Unix seconds, at which an hour is over."""

    rule: str
    key: str
    owner: str
    api: str
    fired_at: float
    resolved_at: float | None
    """None: it would be firing still."""
    severity: str
    text: str


@dataclass(frozen=True, slots=True)
class Trials:
    """What a rule would have said."""

    rule: str
    since_at: float
    keys: int
    """How many keys were looked at: 200 at most."""
    more: bool
    """Whether there are more of them than were looked at."""
    blind: str
    """What cannot be known any more; empty: nothing."""
    trials: tuple[Trial, ...]


def try_rule(
    reader: Reader,
    kind: str,
    *,
    since: float,
    whose: Mapping[str, str],
    numbers: Mapping[str, float] | None = None,
    key_days: int = MOST_KEYS * 90,
) -> Trials:
    """When the rule would have fired since then (Unix seconds): as it is set, or with other *numbers*.

    *whose*: ``owner``, ``api``, ``key``. It looks at what is kept of each hour, up to the last whole one: some 2 ms of
    a core a key and day, *key_days* of them at most, for 200 keys at most. Raises ``alert_rule_wrong``, and
    ``request_malformed`` for more than 90 days.
    """
    require_numbers(kind, numbers or {})
    if not reader.now - LONGEST_S <= since < reader.now:
        raise ProblemError("request_malformed", "since: allowed is a moment of the last 90 days.")
    dated = PACE_OF[kind] == "day"
    most = min(MOST_KEYS, max(1, int(key_days * DAY_S / (reader.now - since))))
    found = _rows.chosen(reader.connection, whose, since=int(since), dated=dated, limit=most + 1)
    rows = _rows.keys_at(reader.connection, found[:most])
    begin, end = int(since) // HOUR_S, int(reader.now) // HOUR_S
    histories = _histories(reader, kind, rows, begin, end)
    settings = settings_of(reader, {row.owner for row in rows})
    calm = int(CALM_S[PACE_OF[kind]] // HOUR_S)
    told = []
    for row in rows:
        rule = in_force(kind, row.owner, row.api, settings, apis.profile_of(reader, row.api).alerts)
        seen = seen_by_hour(histories[row.locator], begin, end)
        told += [
            Trial(kind, row.key, row.owner, row.api, each.at, each.until, each.severity, each.text)
            for each in spans(kind, {**rule.numbers, **(numbers or {})}, seen, calm)
        ]
    told.sort(key=lambda each: (each.fired_at, each.key))
    return Trials(kind, since, len(rows), len(found) > most, _BLIND.get(kind, ""), tuple(told))


def _histories(reader: Reader, kind: str, rows: Any, begin: int, end: int) -> dict[bytes, History]:
    places_of = [(row.api, row.locator) for row in rows]
    counts: dict[bytes, dict[int, Any]] = defaultdict(dict)
    for each in _rows.counts(reader.connection, "hour", places_of, (begin - WEEK * (WEEKS + 1)) * HOUR_S):
        counts[each.locator][each.at // HOUR_S] = each
    until = end * HOUR_S
    from_where = kind in ("new_address_range", "many_addresses", "suspected_sharing")
    locators = [row.locator for row in rows] if from_where else []
    blocks = pictures.blocks(reader, locators, (begin - 30 * 24) * HOUR_S, until)
    operations = pictures.first_calls(reader, rows if kind in ("new_operation", "silent_key_wakes") else [], until)
    days = (end - begin) // 24 + 2
    old = pictures.old_versions(reader, rows if kind == "deprecated_version" else [], until, days)
    limits = pictures.uses(reader, rows) if kind == "limit_near" else {}
    found = {}
    for row in rows:
        mine = counts[row.locator]
        found[row.locator] = History(
            created_at=row.created_at,
            live=row.environment == "live",
            expires_at=row.expires_at,
            hours={hour: each.calls for hour, each in mine.items()},
            places=blocks[row.locator],
            operations=operations[row.locator],
            each=_each(limits.get(row.locator, ()), mine, begin) if kind in ("error_rate", "limit_near") else {},
            versions=old[row.locator],
        )
    return found


def _each(uses: Iterable[LimitUse], counts: Mapping[int, Any], begin: int) -> dict[int, Hour]:
    """The answers of each hour, and the windows that ended with it: by the limits of today."""
    limits, found = [each for each in uses if not each.operation], {}
    for hour, each in counts.items():
        if hour < begin:
            continue
        windows = []
        for limit in limits:
            back = limit.window_s // HOUR_S
            span = [counts[at] for at in range(hour - back + 1, hour + 1) if at in counts]
            used = limit.count if each.limited and not back else sum(one.calls - one.limited for one in span)
            windows.append(Window(limit.source, limit.count, limit.window_s, min(used, limit.count)))
        found[hour] = Hour(each.answered, each.failed, tuple(windows))
    return found

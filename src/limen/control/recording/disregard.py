"""Who goes on although told when to come again (R103): found in what is recorded, and told once an hour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from limen.control.recording import _rows
from limen.core import events
from limen.core.rollup import HOUR_S
from limen.core.usage import Decided
from limen.core.verdict import LIMIT_EXCEEDED, OK
from limen.db.transaction import Tx

_ADMITTED, _LIMITED = OK.slug, LIMIT_EXCEEDED.slug

TOLD_AT = 20
"""At how many disregards of a key in an hour this is told: ``key.limit_disregarded``."""


def notice(tx: Tx, decided: Collection[Decided]) -> None:
    """The keys of *decided* were used by then; what of it came inside a ``Retry-After`` is counted (R103).

    Whoever is refused for a limit is told when there is room again. A further refusal for a limit, without an admission
    in between, came before that. Once it is ``TOLD_AT`` in an hour, an event says so, once.
    """
    last: dict[bytes, float] = {}
    for entry in decided:
        last[entry.locator] = max(entry.at, last.get(entry.locator, 0.0))
    refused = {entry.locator for entry in decided if entry.code == _LIMITED}
    before = _rows.limited(tx.connection, refused) if refused else {}
    limited, counts = _followed(decided, before)
    _rows.used(tx.connection, last, limited)
    if counts:
        _tell(tx, counts, _rows.add_disregards(tx.connection, counts))


def _followed(
    entries: Iterable[Decided], before: Mapping[bytes, float]
) -> tuple[dict[bytes, float | None], Counter[tuple[bytes, int]]]:
    """Since when each key has been refused for its limit, after *entries*; and its disregards by Unix hour."""
    limited: dict[bytes, float | None] = {}
    counts: Counter[tuple[bytes, int]] = Counter()
    for entry in entries:
        if entry.code == _ADMITTED:
            limited[entry.locator] = None
        elif entry.code == _LIMITED:
            since = limited[entry.locator] if entry.locator in limited else before.get(entry.locator)
            if since is not None:
                counts[entry.locator, int(entry.at // HOUR_S)] += 1
            limited[entry.locator] = entry.at if since is None else since
    return limited, counts


def _tell(tx: Tx, counts: Mapping[tuple[bytes, int], int], totals: Mapping[tuple[bytes, int], int]) -> None:
    """Say it of each key and hour whose count has just reached ``TOLD_AT``."""
    reached = [which for which, total in totals.items() if total - counts[which] < TOLD_AT <= total]
    holders = _rows.holders(tx.connection, {place for place, _ in reached}) if reached else {}
    for place, hour in reached:
        if (held := holders.get(place)) is not None:
            happened = events.KeyLimitDisregarded(
                api=held.api,
                subject=held.key,
                owner=held.owner,
                hour_at=float(hour * HOUR_S),
                count=totals[place, hour],
            )
            tx.record("usage.notice", happened)

"""What the readings tell of abuse: who is refused, and who goes on although told when to come again (R100 to R103)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from limen.control.usage import _rows
from limen.core import events
from limen.core.usage import Decided
from limen.core.verdict import LIMIT_EXCEEDED, OK
from limen.db.transaction import Reader, Tx

TOLD_AT = 20
"""At how many disregards of a key in an hour this is told: ``key.limit_disregarded``."""

HOUR_S = 3_600


@dataclass(frozen=True, slots=True)
class Disregard:
    """How often a key called inside its ``Retry-After`` in the hour that began at *hour_at* (Unix seconds)."""

    key: str
    api: str
    owner: str
    hour_at: float
    count: int


@dataclass(frozen=True, slots=True)
class Refusals:
    """How often something was refused with *code*, and first and last when.

    Of a known key, *key* and *owner* are given. Of strangers *prefix* and *block* are what is known: the block has 24
    bits of an IPv4 address or 48 of an IPv6 one; and the moments are those at which a minute began.
    """

    api: str
    code: str
    prefix: str
    block: str
    key: str
    owner: str
    count: int
    first_at: float
    last_at: float


def notice(tx: Tx, decided: Iterable[Decided], last: Mapping[bytes, float]) -> None:
    """The keys of *decided* were last used at *last*; what of it came inside a ``Retry-After`` is counted (R103).

    Whoever is refused for a limit is told when there is room again. A further refusal for a limit, without an admission
    in between, came before that. Once it is ``TOLD_AT`` in an hour, an event says so, once.
    """
    entries = list(decided)
    refused = {entry.locator for entry in entries if entry.code == LIMIT_EXCEEDED.slug}
    before = _rows.limited(tx.connection, refused) if refused else {}
    limited, counts = _followed(entries, before)
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
        if entry.code == OK.slug:
            limited[entry.locator] = None
        elif entry.code == LIMIT_EXCEEDED.slug:
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


def disregards(
    reader: Reader, *, since: float = 0.0, api: str = "", key: str = "", limit: int = 100
) -> list[Disregard]:
    """Keys that went on inside their ``Retry-After``, by hour, the newest first; *since*: Unix seconds (R103)."""
    return [
        Disregard(row.key, row.api, row.owner, float(row.hour * HOUR_S), row.times)
        for row in _rows.disregards_page(reader.connection, since=since, api=api, key=key, limit=limit)
    ]


def refusals(
    reader: Reader, *, since: float = 0.0, api: str = "", limit: int = 100, shadow: bool = False
) -> list[Refusals]:
    """Refusals of strangers since *since* (Unix seconds), by API, code, prefix and block, the most first (R100).

    *shadow*: what shadow limits would have refused, which nobody was; their names stand as prefixes.
    """
    return [
        Refusals(
            api=row.api,
            code=row.code,
            prefix=row.prefix,
            block=row.block,
            key="",
            owner="",
            count=row.times,
            first_at=float(row.first * 60),
            last_at=float(row.last * 60),
        )
        for row in _rows.refusals_page(reader.connection, since=since, api=api, limit=limit, shadow=shadow)
    ]


def refused_keys(reader: Reader, *, since: float = 0.0, api: str = "", limit: int = 100) -> list[Refusals]:
    """Refusals of known keys since *since* (Unix seconds), by key and code, the most first (R101)."""
    return [
        Refusals(
            api=row.api,
            code=row.code,
            prefix="",
            block="",
            key=row.key,
            owner=row.owner,
            count=row.times,
            first_at=row.first,
            last_at=row.last,
        )
        for row in _rows.refused_page(reader.connection, since=since, api=api, limit=limit)
    ]

"""What the readings tell of abuse: who is refused, and who goes on although told when to come again (R100 to R103)."""

from __future__ import annotations

from dataclasses import dataclass

from limen.control.usage import _rows
from limen.core.rollup import HOUR_S
from limen.db.transaction import Reader


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

"""The demo's profile of the creator platform: the shipped one, with versions in every stage of life."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from limen.profiles import load

ACTIVE, DEPRECATED, SUNSET = "2025-06-26", "2025-01-15", "2024-09-01"
"""A version in each stage. Both that end lead to the active one."""

BURST = 100
"""How many requests a window admits."""


@dataclass(frozen=True, slots=True)
class Dates:
    """When the versions that end were deprecated, and stop or stopped working. The days begin at midnight UTC."""

    deprecated: date
    deprecated_sunset: date
    sunset_deprecated: date
    sunset: date


def dates(today: date) -> Dates:
    """A version that was deprecated last month and works for months to come; one that stopped working last month."""

    def away(days: int) -> date:
        return today + timedelta(days=days)

    return Dates(away(-30), away(150), away(-400), away(-30))


def midnight(day: date) -> float:
    """The Unix second at which *day* begins, in UTC."""
    return datetime.combine(day, time(), UTC).timestamp()


def write_profile(path: Path, ends: Dates, *, window_s: int, style: str) -> None:
    """Write the profile: its window, and the style of its refusals (``problem`` or ``compat``). Writes one file."""
    import yaml

    document = copy.deepcopy(dict(load("creator").document))
    document["versioning"]["versions"] = {
        SUNSET: {"deprecated": str(ends.sunset_deprecated), "sunset": str(ends.sunset), "successor": ACTIVE},
        DEPRECATED: {"deprecated": str(ends.deprecated), "sunset": str(ends.deprecated_sunset), "successor": ACTIVE},
        ACTIVE: {},
    }
    document["limits"]["default"] = f"{BURST} per {window_s} s"
    document["errors"]["style"] = style
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110), "utf-8")

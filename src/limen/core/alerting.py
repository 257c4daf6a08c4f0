"""When alerts are looked for, when they are over, and what holds of a rule where several have set it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from limen.core.alerts import KINDS

PACES: Final[Mapping[str, int]] = {"minute": 60, "hour": 3_600, "day": 86_400}
"""How often a rule is looked at, in seconds."""

PACE_OF: Final[Mapping[str, str]] = {
    kind: {"limit_near": "minute", "error_rate": "minute", "unused_key": "day", "expiring": "day"}.get(kind, "hour")
    for kind in KINDS
} | {"rotation_due": "day"}
"""The pace of each kind: what changes within minutes, what is a matter of hours, and what of dates."""

CALM_S: Final[Mapping[str, float]] = {"minute": 1_800.0, "hour": 21_600.0, "day": 0.0}
"""For how long nothing must be found for an alert to be over, by its pace."""

PERIOD_S: Final = 3_600.0
"""An owner is told of one rule's alerts once in such a time: alone if it is one, else in a digest."""

STAFF: Final = ""


@dataclass(frozen=True, slots=True)
class Setting:
    """What somebody set of a rule: an owner, or staff (empty); on one API, or on all (empty)."""

    owner: str
    api: str
    kind: str
    enabled: bool
    numbers: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class InForce:
    """What holds of a rule, and who set it last: ``default``, ``profile``, ``staff`` or ``owner``."""

    enabled: bool
    numbers: Mapping[str, float]
    source: str


def in_force(
    kind: str,
    owner: str,
    api: str,
    settings: Iterable[Setting],
    profile: Mapping[str, tuple[bool, Mapping[str, float]]],
) -> InForce:
    """What holds of the rule for keys of *owner* on *api*.

    The profile first, then staff, then the owner; of each what is for every API before what is for this one. Who sets
    less than all numbers leaves the others as they were.
    """
    enabled, said = profile.get(kind, (True, {}))
    source = "default" if enabled and not said else "profile"
    numbers = {**KINDS[kind].defaults(), **said}
    mine = [each for each in settings if each.kind == kind and each.owner in (STAFF, owner) and each.api in ("", api)]
    for each in sorted(mine, key=lambda setting: (setting.owner, setting.api)):
        enabled, source = each.enabled, "owner" if each.owner else "staff"
        numbers |= each.numbers
    return InForce(enabled, numbers, source)

"""Every setting that may change at run time: a closed list, each with what is allowed, a default and its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Value = str | int


@dataclass(frozen=True, slots=True)
class Spec:
    """One setting: what it may be."""

    default: Value
    fits: Callable[[Value], bool]
    allowed: str
    reason: str


def _whole(default: int, least: int, most: int, reason: str) -> Spec:
    def fits(value: Value) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most

    return Spec(default, fits, f"a whole number from {least:,} to {most:,}", reason)


CATALOGUE: dict[str, Spec] = {
    "invitations.days": _whole(
        7, 1, 90, "For how many days an invitation can be accepted: whoever was away for a week may ask again."
    ),
    "replies.hours": _whole(
        24, 1, 720, "For how long the reply to an Idempotency-Key is kept: a day outlasts every retry that is sane."
    ),
    "requests.lapse_days": _whole(
        14, 1, 365, "For how many days a granted key may be revealed: a grant that nobody takes up is to end."
    ),
}
"""Every setting, by its name."""

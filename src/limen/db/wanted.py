"""Which keys are wanted, as it is asked and as SQL has it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

from limen.core.names import beyond, folded
from limen.core.problems import ProblemError
from limen.core.profile import BUILT_IN
from limen.db.walks import Walk

STATES = ("active", "inactive", "expired", "revoked")
LIVE = ("active", "inactive")
"""The states, by its row, of a key that has not ended, but for its date."""

LEAST = 3
"""By how many characters an id is looked for, at least: by fewer, too many keys would be found to be worth it."""

Span = tuple[Any, Any]
"""From the first value on, and before the second; None: without a bound."""


class Wanted(TypedDict, total=False):
    """Which keys are wanted. What is empty, or left out, matches every key that is not deleted.

    Without ``api``: of every API but Limen's own. Moments are Unix seconds: from *after* on, and before *before*.
    """

    api: str
    owner: str
    created_by: str
    """Who made them, as the audit writes it: ``member:u-1024``."""
    state: str
    """One of ``STATES``: as it is at the moment of the question, not as the row says."""
    key_class: str
    environment: str
    prefix: str
    """How that begins which lists show of a key: ``sk_live_``, or ``sk_live_4fQ0``."""
    id: str
    """How its id begins: three characters, or more."""
    name: str
    """How its name begins, upper and lower case alike."""
    created_after: float | None
    created_before: float | None
    used_after: float | None
    used_before: float | None
    never_used: bool
    expiring_after: float | None
    expiring_before: float | None
    """It has a date, which is still to come, and it has not ended otherwise."""
    weak: bool
    leaked: bool
    hidden: bool
    """Deleted ones too (for staff)."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a key must be: the column that decides it, and SQL."""

    column: str
    sql: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def answered_by(self, walk: Walk) -> bool:
        """Whether every row that *walk* comes by is so."""
        return self.column in (*walk.by, walk.order[0]) or self.sql in walk.only


def check(wanted: Wanted) -> None:
    """Raises ``request_malformed`` where nothing can be as it is asked."""
    state = wanted.get("state", "")
    if state and state not in STATES:
        raise ProblemError("request_malformed", f"State {state!r} is none of {', '.join(STATES)}.")
    used = (wanted.get("used_before"), wanted.get("used_after"))
    if wanted.get("never_used") and used != (None, None):
        raise ProblemError("request_malformed", "A key that was never used was used neither before nor after a moment.")
    if 0 < len(wanted.get("id", "")) < LEAST:
        raise ProblemError("request_malformed", f"An id is looked for by {LEAST} of its characters, or more.")
    for name, value in wanted.items():
        if isinstance(value, float | int) and not math.isfinite(value):
            raise ProblemError("request_malformed", f"{name} is no moment.")
        if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            raise ProblemError("request_malformed", f"{name} is not text.")


def spans_of(wanted: Wanted, now: float) -> dict[str, Span]:
    """What columns have to be between, where anything is said of it."""
    found: dict[str, Span] = {
        "created_at": (wanted.get("created_after"), wanted.get("created_before")),
        "last_used_at": (wanted.get("used_after"), wanted.get("used_before")),
        "expires_at": (wanted.get("expiring_after"), wanted.get("expiring_before")),
    }
    for column, beginning in (
        ("key", wanted.get("id", "")),
        ("hint", wanted.get("prefix", "")),
        ("folded", folded(wanted.get("name", ""))),
    ):
        found[column] = (beginning, beyond(beginning)) if beginning else (None, None)
    found = {column: span for column, span in found.items() if span != (None, None)}
    if "expires_at" in found:
        low, high = found["expires_at"]
        found["expires_at"] = (just_after(now) if low is None else max(low, just_after(now)), high)
    return found


def just_after(now: float) -> float:
    """The first moment behind *now*: a key of this date has not expired yet."""
    return math.nextafter(now, math.inf)


def conditions(wanted: Wanted, spans: Mapping[str, Span], states: Collection[str], now: float) -> Iterator[Condition]:
    """All that a wanted key is."""
    yield from _equals(wanted)
    yield from _flags(wanted)
    yield from _within(spans)
    yield from _in_states(states, now)


def _equals(wanted: Wanted) -> Iterator[Condition]:
    if api := wanted.get("api"):
        yield Condition("api", "api = :api", {"api": api})
    else:
        yield Condition("api", "api <> :api", {"api": BUILT_IN})
    for column, value in (
        ("owner", wanted.get("owner")),
        ("created_by", wanted.get("created_by")),
        ("class", wanted.get("key_class")),
        ("environment", wanted.get("environment")),
    ):
        if value:
            yield Condition(column, f'"{column}" = :{column}', {column: value})


def _flags(wanted: Wanted) -> Iterator[Condition]:
    for column, sql, asked in (
        ("deleted_at", "deleted_at is null", not wanted.get("hidden")),
        ("leaked_at", "leaked_at is not null", wanted.get("leaked")),
        ("weak", "weak", wanted.get("weak")),
        ("last_used_at", "last_used_at is null", wanted.get("never_used")),
    ):
        if asked:
            yield Condition(column, sql)


def _within(spans: Mapping[str, Span]) -> Iterator[Condition]:
    for column, (low, high) in spans.items():
        parts = ["state in ('active', 'inactive')"] if column == "expires_at" else []
        values = {}
        for sign, end, bound in ((">=", "low", low), ("<", "high", high)):
            if bound is not None:
                parts.append(f'"{column}" {sign} :{column}_{end}')
                values[f"{column}_{end}"] = bound
        yield Condition(column, " and ".join(parts), values)


def _in_states(states: Collection[str], now: float) -> Iterator[Condition]:
    """A key that has not ended otherwise expires by its date (C15), so that an index by state alone says too much."""
    if set(states) == set(STATES):
        return
    if set(states) == {"revoked"}:
        yield Condition("state", "state = 'revoked'")
        return
    parts = [f"state = '{state}' and (expires_at is null or expires_at > :now)" for state in LIVE if state in states]
    if "expired" in states:
        parts.append("state = 'expired' or state in ('active', 'inactive') and expires_at <= :now")
    if "revoked" in states:
        parts.append("state = 'revoked'")
    yield Condition("expires_at", f"({' or '.join(parts)})", {"now": now})

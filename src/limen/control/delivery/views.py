"""Deliveries as control shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from limen.control.delivery import _rows
from limen.core.problems import ProblemError
from limen.db.transaction import Reader

STATES = ("due", "done", "dead", "dropped")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try. Moments are Unix seconds."""

    number: int
    """From 1."""
    at: float
    result: str
    """``ok``, ``timeout``, ``unreachable``, ``tls``, ``http``, ``blocked``, ``dns`` or ``mail``."""
    status: int | None
    """The HTTP status that was answered, if one was."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one channel. Moments are Unix seconds."""

    delivery: str
    """Also the message's id, the same at every attempt."""
    channel: str
    owner: str
    event: str
    at: float
    """When it happened."""
    state: str
    """``due``, ``done``, ``dead`` (given up; it can be retried) or ``dropped`` (the channel ended or was muted)."""
    result: str
    """Of the last attempt; empty: there was none."""
    created_at: float
    due_at: float | None
    """When it is tried next."""
    settled_at: float | None
    attempts: tuple[Attempt, ...]
    """Of one delivery that is shown; in a list: none."""


def shown(reader: Reader, delivery: str) -> Delivery:
    """The delivery, with its attempts. Raises ``delivery_unknown``."""
    row = _rows.one(reader.connection, delivery)
    if row is None:
        raise ProblemError("delivery_unknown", f"There is no delivery {delivery!r}.")
    return _view(row, tuple(_attempt(each) for each in _rows.attempts(reader.connection, delivery)))


def listed(
    reader: Reader,
    *,
    channel: str = "",
    owner: str | None = None,
    state: str = "",
    after: str = "",
    limit: int = 100,
) -> list[Delivery]:
    """Deliveries, the newest first, from behind the delivery *after* on: to a channel, of an *owner* (empty: of staff).

    Raises ``delivery_unknown`` for an *after* that is none, ``request_malformed`` for a state that there is not.
    """
    if state and state not in STATES:
        raise ProblemError("request_malformed", f"State {state!r} is none of {', '.join(STATES)}.")
    before = (math.inf, "")
    if after:
        row = _rows.one(reader.connection, after)
        if row is None or (owner is not None and row.owner != owner):
            raise ProblemError("delivery_unknown", f"There is no delivery {after!r}.")
        before = (row.created_at, row.delivery)
    rows = _rows.page(reader.connection, channel=channel, owner=owner, state=state, before=before, limit=limit)
    return [_view(row, ()) for row in rows]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What there is to do."""

    events: bool
    """Events that were not handed on."""
    deliveries: bool
    """Deliveries that are due and that nobody is at."""


def waiting(reader: Reader, kinds: Sequence[str] = ("email", "webhook")) -> Waiting:
    """What there is to do now, for whoever can send to channels of these *kinds*. Two short reads."""
    events = bool(_rows.waiting(reader.connection, 1))
    return Waiting(events, _rows.is_due(reader.connection, reader.now, kinds))


def _attempt(row: Any) -> Attempt:
    return Attempt(row.number + 1, row.at, row.result, row.status)


def _view(row: Any, attempts: tuple[Attempt, ...]) -> Delivery:
    return Delivery(
        delivery=row.delivery,
        channel=row.channel,
        owner=row.owner,
        event=row.event,
        at=row.at,
        state=row.state,
        result=row.result,
        created_at=row.created_at,
        due_at=row.due_at if row.state == "due" else None,
        settled_at=row.settled_at,
        attempts=attempts,
    )

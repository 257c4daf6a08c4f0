"""Requests for keys as control shows them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Unpack

from limen.control.requests import _rows
from limen.core.problems import ProblemError
from limen.db.transaction import Reader

STATES = ("open", "granted", "refused", "withdrawn", "revealed", "lapsed")


@dataclass(frozen=True, slots=True)
class Request:
    """A request for a key. Moments are Unix seconds; *state* is the state at the moment of the question."""

    request: str
    api: str
    owner: str
    name: str
    key_class: str
    environment: str
    scopes: Mapping[str, str]
    """What was asked for: each scope, and why it is needed."""
    use_case: str
    expires_at: float | None
    origins: tuple[str, ...] | None
    addresses: tuple[str, ...] | None
    pinned: str | None
    state: str
    """``open``, then ``granted`` or ``refused``; a grant is ``revealed``, or ``lapsed``. Both may be ``withdrawn``."""
    asked_by: str
    asked_at: float
    granted: tuple[str, ...]
    """The scopes that staff granted: all that were asked for, or fewer."""
    decided_by: str
    decided_at: float | None
    reason: str
    """What staff said to it."""
    lapses_at: float | None
    """Until when a granted key may be revealed."""
    key: str
    """The key's id, once it was revealed."""


def view(row: Any, now: float) -> Request:
    """The request of *row* as it is at *now*."""
    wish = row.wish
    return Request(
        request=row.request,
        api=row.api,
        owner=row.owner,
        name=wish["name"],
        key_class=wish["key_class"],
        environment=wish["environment"],
        scopes=dict(wish["scopes"]),
        use_case=row.use_case,
        expires_at=wish["expires_at"],
        origins=None if wish["origins"] is None else tuple(wish["origins"]),
        addresses=None if wish["addresses"] is None else tuple(wish["addresses"]),
        pinned=wish["pinned"],
        state="lapsed" if row.state == "granted" and row.lapses_at <= now else row.state,
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        granted=tuple(row.granted or ()),
        decided_by=row.decided_by or "",
        decided_at=row.decided_at,
        reason=row.reason or "",
        lapses_at=row.lapses_at,
        key=row.key or "",
    )


def require(reader: Reader, request: str) -> Request:
    """The request. Raises ``request_unknown``. One read."""
    row = _rows.one(reader.connection, request)
    if row is None:
        raise ProblemError("request_unknown", f"There is no request {request!r}.")
    return view(row, reader.now)


def listed(reader: Reader, *, after: str = "", limit: int = 100, **wanted: Unpack[_rows.Wanted]) -> list[Request]:
    """Requests, the newest first, from behind the request *after* on, at most *limit*.

    *wanted*: ``api``, ``owner``, ``state``. Raises ``request_malformed`` for a state that requests do not have,
    ``request_unknown`` for an *after* that is no request.
    """
    state = wanted.get("state", "")
    if state and state not in STATES:
        raise ProblemError("request_malformed", f"State {state!r} is none of {', '.join(STATES)}.")
    before = (math.inf, "")
    if after:
        last = require(reader, after)
        before = (last.asked_at, last.request)
    rows = _rows.page(reader.connection, wanted, now=reader.now, before=before, limit=limit)
    return [view(row, reader.now) for row in rows]

"""Keys as control shows them: everything but the secret, which nobody has."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Unpack

from limen.control.keys import _rows
from limen.core.limits import read_limits, warnings
from limen.core.problems import ProblemError
from limen.db.listing import Position, page
from limen.db.transaction import Reader
from limen.db.wanted import LIVE, STATES, Wanted


@dataclass(frozen=True, slots=True)
class Key:
    """A key. Moments are Unix seconds; *state* is the state at the moment of the question (C15)."""

    key: str
    api: str
    owner: str
    key_class: str
    environment: str
    name: str
    hint: str
    scopes: tuple[str, ...]
    origins: tuple[str, ...] | None
    addresses: tuple[str, ...] | None
    limits: str
    """The key's own limits, as they are written; empty: none."""
    pinned: str
    """The version that a request without one is for; empty: none."""
    state: str
    predecessor: str
    created_at: float
    created_by: str
    expires_at: float | None
    ended_at: float | None
    ended_reason: str
    last_used_at: float | None
    warnings: tuple[str, ...] = ()
    """What is odd about its limits."""
    weak: bool = False
    """Imported, and easier to guess than Limen's own."""
    leaked_at: float | None = None
    """When it was first reported as leaked."""


def view(row: Any, now: float) -> Key:
    """The key of *row* as it is at *now*."""
    state = row.state
    if state in LIVE and row.expires_at is not None and row.expires_at <= now:
        state = "expired"
    return Key(
        key=row.key,
        api=row.api,
        owner=row.owner,
        key_class=getattr(row, "class"),
        environment=row.environment,
        name=row.name,
        hint=row.hint,
        scopes=tuple(row.scopes),
        origins=None if row.origins is None else tuple(row.origins),
        addresses=None if row.addresses is None else tuple(row.addresses),
        limits=row.limits or "",
        pinned=row.pinned or "",
        state=state,
        predecessor=row.predecessor or "",
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
        ended_reason=row.ended_reason or "",
        last_used_at=row.last_used_at,
        warnings=warnings(read_limits(row.limits, "allowance")) if row.limits else (),
        weak=row.weak,
        leaked_at=row.leaked_at,
    )


def require(reader: Reader, key: str) -> Key:
    """The key. Raises ``key_unknown``, for a deleted one too. One read."""
    row = _rows.one(reader.connection, key)
    if row is None or row.deleted_at is not None:
        raise ProblemError("key_unknown", f"There is no key {key!r}.")
    return view(row, reader.now)


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list."""

    items: tuple[Key, ...]
    next: str
    """Where the next page begins; empty: there is none. It means nothing to anybody else."""


def listed(
    reader: Reader, *, after: str = "", limit: int = 100, states: Collection[str] = STATES, **wanted: Unpack[Wanted]
) -> Page:
    """The *wanted* keys (``limen.db.wanted``) in one of *states*, at most *limit*, from where a page before this said.

    The newest come first; ``limen.db.listing`` says which lists have another order. A page shows each key once, also
    where keys come and go meanwhile. It may be short, or empty, and have a next: where several things are wanted that
    few keys are at once. Raises ``request_malformed``.
    """
    rows, behind = page(reader.connection, wanted, states, now=reader.now, after=_place(after), limit=limit)
    return Page(tuple(view(row, reader.now) for row in rows), _written(behind))


def _written(place: Position | None) -> str:
    return (
        "" if place is None else urlsafe_b64encode(json.dumps(place, ensure_ascii=False).encode()).decode().rstrip("=")
    )


def _place(written: str) -> Position | None:
    if not written:
        return None
    try:
        order, *values = json.loads(urlsafe_b64decode(written.encode("ascii") + b"=="))
        return (str(order), *(value.encode().decode() if isinstance(value, str) else float(value) for value in values))
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise ProblemError(
            "request_malformed", "No page ended with what is given as the place to go on from."
        ) from None

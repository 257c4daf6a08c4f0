"""Channels as control shows them, and the questions about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from limen.control.channels import _rows
from limen.core.problems import ProblemError
from limen.db.transaction import Reader

LATELY_S = 7 * 86_400.0
"""Of which time it is told how many deliveries arrived."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to somebody. Moments are Unix seconds."""

    channel: str
    owner: str
    """Empty: staff."""
    kind: str
    """``email`` or ``webhook``."""
    address: str
    api: str
    """The API whose events it is sent; empty: every one's."""
    dialect: str
    """How a webhook is signed: ``standard``, or ``profile`` as the API's profile says."""
    events: tuple[str, ...]
    """Names of events, or ``key.*``, or ``*``; none: those that are told by default."""
    state: str
    """``on``, ``unconfirmed`` (until whoever reads the address said that it is theirs), ``muted`` or ``disabled``."""
    created_at: float
    created_by: str
    confirmed_at: float | None
    muted_at: float | None
    disabled_at: float | None
    disabled_why: str
    """``hand``, ``gone`` (the endpoint answered 410) or ``failures``; empty: it is not."""
    failures: int
    """How many attempts failed in a row."""
    failing_at: float | None
    """Since when they do."""
    old_secret_ends_at: float | None
    """Until when the secret before this one holds too."""
    tried_7d: int
    """How many deliveries of the last 7 days were tried, however often."""
    arrived_7d: int
    """How many of them arrived."""
    last_arrived_at: float | None
    """When one of them last did; None: none did."""
    last_failed_at: float | None
    """When an attempt at one of them last failed; None: none did."""


def require(reader: Reader, channel: str) -> Channel:
    """The channel. Raises ``channel_unknown``. Two reads."""
    return _views(reader, [row_of(reader, channel)])[0]


def row_of(reader: Reader, channel: str) -> Any:
    """The channel's row. Raises ``channel_unknown``."""
    row = _rows.one(reader.connection, channel)
    if row is None:
        raise ProblemError("channel_unknown", f"There is no channel {channel!r}.")
    return row


def listed(reader: Reader, *, owner: str | None = None, after: str = "", limit: int = 100) -> list[Channel]:
    """Channels of *owner* (empty: of staff; None: of anybody), in the order of their ids, from behind *after* on.

    Two reads, however many there are.
    """
    return _views(reader, _rows.page(reader.connection, owner=owner, after=after, limit=limit))


def outdated(reader: Reader, pepper: int) -> bool:
    """Whether a webhook's secret is sealed under an older pepper than this. One read."""
    return bool(_rows.sealed_before(reader.connection, pepper, 1))


def _views(reader: Reader, rows: Sequence[Any]) -> list[Channel]:
    """The channels of *rows*, as they are now."""
    found = _rows.sent(reader.connection, [row.channel for row in rows], reader.now - LATELY_S) if rows else ()
    sent = {each.channel: each for each in found}
    return [_view(row, sent.get(row.channel), reader.now) for row in rows]


def _view(row: Any, sent: Any, now: float) -> Channel:
    if row.disabled_at is not None:
        state = "disabled"
    elif row.confirmed_at is None:
        state = "unconfirmed"
    else:
        state = "on" if row.muted_at is None else "muted"
    held = row.old_until is not None and row.old_until > now
    return Channel(
        channel=row.channel,
        owner=row.owner,
        kind=row.kind,
        address=row.address,
        api=row.api,
        dialect=row.dialect,
        events=tuple(row.events),
        state=state,
        created_at=row.created_at,
        created_by=row.created_by,
        confirmed_at=row.confirmed_at,
        muted_at=row.muted_at,
        disabled_at=row.disabled_at,
        disabled_why=row.disabled_why,
        failures=row.failures,
        failing_at=row.failing_since,
        old_secret_ends_at=row.old_until if held else None,
        tried_7d=0 if sent is None else sent.tried,
        arrived_7d=0 if sent is None else sent.arrived,
        last_arrived_at=None if sent is None else sent.arrived_at,
        last_failed_at=None if sent is None else sent.failed_at,
    )

"""The verbs of the inbox. Reading a message is nobody else's business: the audit says nothing of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from limen.control.inbox import _rows
from limen.core.keys import draw_id
from limen.core.messages import message_of
from limen.core.problems import ProblemError
from limen.db.transaction import Tx

KEPT_S = 180 * 86_400.0
_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Letter:
    """An event that is to be in the inbox of *owner*, once for each *source*."""

    owner: str
    source: str
    event: str
    at: float
    payload: Mapping[str, Any]


def put(tx: Tx, letters: Iterable[Letter]) -> None:
    """The letters are in their owners' inboxes, in words. One that is there by its source stays as it is."""
    rows = []
    for each in letters:
        said = message_of(each.event, each.payload)
        rows.append(
            {
                "message": draw_id(tx.entropy),
                "owner": each.owner,
                "source": each.source,
                "at": each.at,
                "event": each.event,
                "api": str(each.payload.get("api", "")),
                "subject": str(each.payload.get("subject", "")),
                "importance": said.importance,
                "title": said.title,
                "text": said.text,
                "read_at": None,
            }
        )
    if rows:
        _rows.put(tx.connection, rows)


def mark_read(tx: Tx, owner: str, message: str = "", *, until: float | None = None) -> int:
    """The owner's *message* is read; without one, all of theirs up to *until* (now). How many were not.

    Raises ``message_unknown``.
    """
    if message and _rows.one(tx.connection, owner, message) is None:
        raise ProblemError("message_unknown", f"There is no message {message!r}.")
    latest = tx.now if until is None else until
    return _rows.mark(tx.connection, owner, message=message, until=latest, now=tx.now)


def trim(tx: Tx) -> bool:
    """Messages of more than 180 days ago are gone, or some thousands of them: whether there may be more."""
    return _rows.drop(tx.connection, tx.now - KEPT_S, _AT_ONCE) == _AT_ONCE

"""Messages of the inbox as control shows them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from limen.control.inbox import _rows
from limen.core.problems import ProblemError
from limen.db.transaction import Reader


@dataclass(frozen=True, slots=True)
class InboxMessage:
    """Something that an owner was told. Moments are Unix seconds."""

    message: str
    owner: str
    """Empty: staff."""
    at: float
    event: str
    api: str
    subject: str
    importance: str
    """``info``, ``warning`` or ``critical``."""
    title: str
    text: str
    read_at: float | None


def listed(
    reader: Reader, owner: str, *, unread_only: bool = False, after: str = "", limit: int = 100
) -> list[InboxMessage]:
    """The owner's messages (empty: those of staff), the newest first, from behind the message *after* on.

    Raises ``message_unknown`` for an *after* that is none of theirs.
    """
    before = (math.inf, "")
    if after:
        row = _rows.one(reader.connection, owner, after)
        if row is None:
            raise ProblemError("message_unknown", f"There is no message {after!r}.")
        before = (row.at, row.message)
    rows = _rows.page(reader.connection, owner, unread=unread_only, before=before, limit=limit)
    return [_message(row) for row in rows]


def unread(reader: Reader, owner: str) -> int:
    """How many messages the owner has not read."""
    return _rows.unread(reader.connection, owner)


def _message(row: Any) -> InboxMessage:
    return InboxMessage(
        message=row.message,
        owner=row.owner,
        at=row.at,
        event=row.event,
        api=row.api,
        subject=row.subject,
        importance=row.importance,
        title=row.title,
        text=row.text,
        read_at=row.read_at,
    )

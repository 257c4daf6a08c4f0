"""Keeping replies, finding them again, and forgetting them. A reply is kept in the transaction of what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from limen.control import run_settings
from limen.control.replies import _rows
from limen.core.problems import ProblemError
from limen.db.transaction import Reader, Tx

HOUR_S = 3600.0
BATCH = 1_000
"""How many replies are forgotten in one transaction."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its status, and its body as JSON has it, without what is shown only once."""

    status: int
    body: Any


def find(reader: Reader, caller: str, name: str, *, fingerprint: bytes) -> Reply | None:
    """What was answered to *caller*'s write of this *name*; None where it is new, or was forgotten.

    Raises ``idempotency_mismatch`` where that was another write. One or two reads.
    """
    row = _rows.one(reader.connection, caller, name)
    if row is None or row.at <= _oldest(reader):
        return None
    if row.fingerprint != fingerprint:
        raise ProblemError("idempotency_mismatch")
    return Reply(row.status, row.body)


def keep(tx: Tx, caller: str, name: str, *, fingerprint: bytes, reply: Reply) -> None:
    """The write is answered with *reply* from now on, for as long as the setting ``replies.hours`` says."""
    _rows.put(tx.connection, caller, name, fingerprint=fingerprint, status=reply.status, body=reply.body, at=tx.now)


def forget_old(tx: Tx) -> int:
    """Replies past their time are gone, at most ``BATCH`` of them; how many that was."""
    return _rows.drop_before(tx.connection, _oldest(tx), BATCH)


def _oldest(reader: Reader) -> float:
    hours: int = run_settings.value(reader, "replies.hours")
    return reader.now - hours * HOUR_S

"""What a verb is handed: the connection of its transaction, the moment, and where to say what it did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Connection, insert, update

from limen.core.events import Event
from limen.core.keys import Digest, Entropy
from limen.core.people import Actor
from limen.db import tables


class Reader(Protocol):
    """What a question is handed: a connection and the moment. A ``Tx`` is one, and so is a ``Snapshot``."""

    @property
    def connection(self) -> Connection:
        """The connection to read by."""
        ...

    @property
    def now(self) -> float:
        """Wall clock, Unix seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A read transaction: one state of the database."""

    connection: Connection
    now: float


@dataclass(slots=True)
class Tx:
    """One write transaction. What is said here is committed with it, or not at all."""

    connection: Connection
    now: float
    """Wall clock, Unix seconds: one moment for the whole transaction."""
    actor: Actor
    entropy: Entropy
    pepper: int
    """The version of the pepper that new keys are stored under."""
    digest: Digest
    """The digest under that pepper."""
    changed: bool = field(default=False, init=False)
    """Whether something that gates know has changed."""

    def change(self, kind: str, *, api: str = "", subject: bytes = b"") -> None:
        """Tell every gate: *kind* is ``key`` (*subject*: locator), ``owner`` (id), ``rules`` or ``profile`` (of *api*).

        Numbers are given in the order of commits: the head's row is locked until then.
        """
        seq = self.connection.execute(
            update(tables.change_head).values(seq=tables.change_head.c.seq + 1).returning(tables.change_head.c.seq)
        ).scalar_one()
        self.connection.execute(
            insert(tables.changes).values(seq=seq, kind=kind, api=api, subject=subject, at=self.now)
        )
        self.changed = True

    def record(self, verb: str, happened: Event, **detail: Any) -> None:
        """Write the audit's row and the event into the outbox. A change that cannot be audited does not happen."""
        self.connection.execute(
            insert(tables.audit).values(
                at=self.now,
                actor=str(self.actor),
                verb=verb,
                api=happened.api,
                subject=happened.subject,
                detail=detail,
            )
        )
        self.connection.execute(
            insert(tables.outbox).values(at=self.now, event=happened.name, payload=happened.payload())
        )


NewTx = Callable[[Connection], Tx]
"""Makes what a verb is handed, from the connection that it is to work on."""

"""What a verb is handed: the connection of its transaction, the moment, and where to say what it did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Connection, insert, update

from limen.core.audit import SALT_BYTES, personal_digest
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

    def record(
        self,
        verb: str,
        happened: Event,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        personal: Mapping[str, str] | None = None,
        **detail: Any,
    ) -> None:
        """Write the audit's row and the event into the outbox. A change that cannot be audited does not happen.

        *before* and *after*: what changed, as it was and as it is. What is *personal*, by its name, is kept beside the
        row, which has a salted digest of it: it can be erased, and the chain over the rows stays whole (R73).
        """
        told = {name: value for name, value in (personal or {}).items() if value}
        if self.actor.origin:
            told["origin"] = self.actor.origin
        salts = {name: self.entropy(SALT_BYTES) for name in told}
        digests = {name: personal_digest(salts[name], value) for name, value in told.items()}
        number = self.connection.execute(
            insert(tables.audit)
            .values(
                at=self.now,
                actor=str(self.actor),
                verb=verb,
                api=happened.api,
                subject=happened.subject,
                before=before,
                after=after,
                detail=detail | ({"personal": digests} if digests else {}),
            )
            .returning(tables.audit.c.id)
        ).scalar_one()
        for name, value in told.items():
            self.connection.execute(
                insert(tables.audit_personal).values(id=number, field=name, salt=salts[name], value=value)
            )
        self.connection.execute(
            insert(tables.outbox).values(at=self.now, event=happened.name, payload=happened.payload())
        )


NewTx = Callable[[Connection], Tx]
"""Makes what a verb is handed, from the connection that it is to work on."""

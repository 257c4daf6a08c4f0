"""What a verb is handed: the connection of its transaction, the moment, and where to say what it did."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, Protocol

from sqlalchemy import Connection, func, insert, select, update

from limen.core.audit import SALT_BYTES, personal_digest
from limen.core.event import Event
from limen.core.keys import Digest, Entropy
from limen.core.people import Actor
from limen.core.problems import ProblemError
from limen.core.schemes import Keyring
from limen.core.tombstones import Stone
from limen.db import tables


class TurnNeeded(Exception):
    """What was begun beside the writers cannot be done so. Nothing of it has happened: do it again, with the turn."""


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
    keyring: Keyring = field(default_factory=Keyring)
    """All peppers and secrets of this process."""
    beside: bool = field(default=False, init=False)
    """Whether others write meanwhile: then nothing is done that has its place among all changes."""
    changed: bool = field(default=False, init=False)
    """Whether something that gates know has changed."""
    stones: list[Stone] = field(default_factory=list, init=False)
    """What the store writes into the tombstones."""
    _gathered: _Gathered | None = field(default=None, init=False)

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Within, ``change`` and ``record`` keep what they are told, and a few statements write it down at the end.

        So a verb that is done a thousand times over costs half. What is kept is not seen by a question asked within.
        """
        self._gathered = gathered = _Gathered()
        try:
            yield
        finally:
            self._gathered = None
        for kind, changes in groupby(gathered.changes, key=itemgetter(0)):
            self.change_all(kind, (change[1:] for change in changes))
        for verb, happenings in groupby(gathered.records, key=itemgetter(0)):
            self.record_all(verb, (happening for _, happening in happenings))

    @contextmanager
    def attempting(self) -> Iterator[None]:
        """Within, all of it happens, or where it raises a problem, nothing; what the transaction did before stands."""
        stones, laid = self.stones, len(self.stones)
        gathered = self._gathered or _Gathered()
        changes, records = len(gathered.changes), len(gathered.records)
        self.connection.exec_driver_sql("savepoint attempt")  # SQLAlchemy's own take three times as long
        try:
            yield
        except ProblemError:
            self.connection.exec_driver_sql("rollback to attempt")
            self.connection.exec_driver_sql("release attempt")
            self.stones = stones[:laid]
            del gathered.changes[changes:], gathered.records[records:]
            raise
        self.connection.exec_driver_sql("release attempt")  # after another error the whole transaction is undone

    def _require_turn(self) -> None:
        if self.beside:
            raise TurnNeeded

    def change(self, kind: str, *, api: str = "", subject: bytes = b"") -> None:
        """Tell every gate: *kind* is ``key`` (*subject*: locator), ``owner`` (id), ``rules`` or ``profile`` (of *api*).

        Numbers are given in the order of commits: the head's row is locked until then.
        """
        self._require_turn()
        self.changed = True
        if self._gathered is not None:
            self._gathered.changes.append((kind, api, subject))
            return
        seq = self.connection.execute(
            update(tables.change_head).values(seq=tables.change_head.c.seq + 1).returning(tables.change_head.c.seq)
        ).scalar_one()
        self.connection.execute(
            insert(tables.changes).values(seq=seq, kind=kind, api=api, subject=subject, at=self.now)
        )

    def tombstone(self, kind: str, subject: str, what: str, *, expires_at: float | None = None) -> None:
        """Say outside the database too that a key ended or sleeps, or how an owner stands (``core.tombstones.Stone``).

        An end is on the disk before the transaction commits, and what takes one back after that.
        """
        self._require_turn()
        self.stones.append(Stone(self.now, kind, subject, what, expires_at))

    def change_all(self, kind: str, subjects: Iterable[tuple[str, bytes]]) -> None:
        """As ``change`` for many keys or owners, each with its API: two statements for all of them."""
        told = list(subjects)
        if not told:
            return
        self._require_turn()
        head = tables.change_head
        last = self.connection.execute(update(head).values(seq=head.c.seq + len(told)).returning(head.c.seq))
        first = last.scalar_one() - len(told) + 1
        self.connection.execute(
            insert(tables.changes),
            [
                {"seq": seq, "kind": kind, "api": api, "subject": subject, "at": self.now}
                for seq, (api, subject) in enumerate(told, first)
            ],
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
        self.record_all(verb, [Happening(happened, detail, before, after, personal or {})])

    def record_all(self, verb: str, happenings: Iterable[Happening]) -> None:
        """As ``record`` for many: a few statements for all of them."""
        happened = list(happenings)
        if self._gathered is not None:
            self._gathered.records.extend((verb, each) for each in happened)
            return
        if not happened:
            return
        self._require_turn()
        audit = tables.audit
        first = (self.connection.execute(select(func.max(audit.c.id))).scalar() or 0) + 1  # the store's lock is held
        via = {"via": self.actor.via} if self.actor.via else {}
        rows, sealed = [], []
        for number, each in enumerate(happened, first):
            told = {name: value for name, value in each.personal.items() if value}
            if self.actor.origin:
                told["origin"] = self.actor.origin
            salts = {name: self.entropy(SALT_BYTES) for name in told}
            digests = {name: personal_digest(salts[name], value) for name, value in told.items()}
            rows.append(
                {
                    "id": number,
                    "at": self.now,
                    "actor": str(self.actor),
                    "verb": verb,
                    "api": each.event.api,
                    "subject": each.event.subject,
                    "before": each.before,
                    "after": each.after,
                    "detail": {**each.detail, **via, **({"personal": digests} if digests else {})},
                }
            )
            sealed += [
                {"id": number, "field": name, "salt": salts[name], "value": value} for name, value in told.items()
            ]
        self.connection.execute(insert(audit), rows)
        if sealed:
            self.connection.execute(insert(tables.audit_personal), sealed)
        self.connection.execute(
            insert(tables.outbox),
            [  # with the row's own number: one that the database gave would be lost with a transaction that fails
                {"id": number, "at": self.now, "event": each.event.name, "payload": each.event.payload()}
                for number, each in enumerate(happened, first)
            ],
        )


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that a verb did: what ``Tx.record`` is told of it."""

    event: Event
    detail: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    personal: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Gathered:
    """What is written down later: changes by kind, API and subject, and what is recorded, by its verb."""

    changes: list[tuple[str, str, bytes]] = field(default_factory=list)
    records: list[tuple[str, Happening]] = field(default_factory=list)


NewTx = Callable[[Connection], Tx]
"""Makes what a verb is handed, from the connection that it is to work on."""

"""Where verbs are tried: at moments that the test names, with everything that they wrote laid open."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from limen.cluster import boottime
from limen.core.people import Actor
from limen.core.problems import ProblemError
from limen.core.verdict import Ask
from limen.db.transaction import Snapshot, Tx
from tests.db.dump import Dump, dump, place_of, rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from limen.app import App


class Said(NamedTuple):
    """One thing that was done: the audit's row, and the event in the outbox."""

    verb: str
    event: str
    api: str
    subject: str


class Desk:
    """An installation, and a clock that stands still until the test moves it."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.path = place_of(app)
        self.now = float(int(app.clock.read()[0]) + 3600)
        """Wall clock, Unix seconds: later than whatever the fixtures did."""
        self.actor = Actor("terminal", "tester")
        self.keyring = app.ring.keyring

    def tx(self, connection: Connection) -> Tx:
        """What a verb is handed, at this desk's moment."""
        return self.app.ring.tx(connection, self.now, self.actor, secrets.token_bytes)

    def act(self, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Do *verb* in a transaction of its own, now; what gates know holds when this returns."""
        cluster = self.app.cluster
        with self.app.store.write(self.tx) as tx:
            found = verb(tx, *args, **kwargs)
            awaited = cluster.awaited(tx) if cluster is not None and tx.changed else None
        if cluster is not None and awaited is not None:
            cluster.settle(awaited, boottime(), waits=True)
        return found

    def ask(self, question: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What *question* answers now."""
        with self.app.store.read() as connection:
            return question(Snapshot(connection, self.now), *args, **kwargs)

    def refused(self, code: str, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
        """*verb* is refused with *code*, and nothing has changed; what is said of it."""
        before, epoch = self.dump(), self.epoch
        with pytest.raises(ProblemError) as caught:
            self.act(verb, *args, **kwargs)
        assert caught.value.problem.code == code
        assert self.dump() == before
        assert self.epoch == epoch
        return caught.value.detail

    def dump(self) -> Dump:
        """Everything in the database."""
        return dump(self.path)

    @property
    def epoch(self) -> int:
        """What tells gates that something has changed: two more for each transaction in which it has.

        The epoch, where there is one; on PostgreSQL the change log alone.
        """
        epoch = self.app.store.epoch
        if epoch is not None:
            return int(epoch.cell[0])
        told: int = self.rows("select count(distinct xmin::text) from changes")[0][0]
        return 2 * told

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What *statement* finds."""
        return rows(self.path, statement, *values)

    def said(self) -> list[Said]:
        """All that was ever done, in its order. Each row of the audit has its event, of the same moment."""
        found = self.rows(
            "select verb, event, api, subject, audit.at, outbox.at, payload->>'api',"
            " payload->>'subject' from audit left join outbox on outbox.id = audit.id order by audit.id"
        )
        assert self.rows("select count(*) from outbox") == [(len(found),)]
        for _, _, api, subject, at, told_at, told_api, told_subject in found:
            assert (api, subject, at) == (told_api, told_subject, told_at)
        return [Said(*row[:4]) for row in found]

    def verdict(self, text: str, *, version: str = "2025-06-26", call: str = "GET /users/me") -> str:
        """What the gate of ``creator`` says now of a request with the key *text*: the slug of its code."""
        method, _, path = call.encode().partition(b" ")
        ask = Ask(text.encode(), method, path, version.encode(), b"live", self.now, self.app.clock.read()[1])
        return self.app.gate("creator").cold.decide_now(ask).code.slug

    def answered(self, text: str, *, version: str = "", **more: Any) -> tuple[str, str]:
        """As ``verdict``, of a request that may name no version: the slug, and the version that it is answered in.

        *more*: other parts of the ask.
        """
        now, at = self.now, self.app.clock.read()[1]
        parts = {"method": b"GET", "path": b"/users/me", "environment": b"live", "now": now, "at": at} | more
        ask = Ask(text.encode(), version=version.encode() or None, **parts)
        found = self.app.gate("creator").cold.decide_now(ask)
        return found.code.slug, "" if found.version is None else found.version.name

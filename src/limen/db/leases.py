"""The processes with gates, as PostgreSQL knows them: who they are, what each has applied, and whom nobody waits for.

On PostgreSQL alone: on one SQLite file processes see the same epoch. The dates in these rows are shown to people, and
decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from limen.db.engine import store_errors
from limen.db.tables import change_head, nodes
from limen.db.transaction import Reader

if TYPE_CHECKING:
    from limen.db.hints import Hints

_HEAD = select(change_head.c.seq).scalar_subquery()
_ALIVE = nodes.c.dead_at.is_(None)


@dataclass(frozen=True, slots=True)
class Node:
    """A process with gates, from its registration on."""

    node: str
    host: str
    process: int
    apis: tuple[str, ...]
    lease_ms: int
    applied: int
    """The change up to which all of its gates are right."""
    behind: int
    """How many changes there are that it has not said to have applied."""
    registered_at: float
    renewed_at: float
    dead_at: float | None
    """When it was taken for dead: whoever changed something waited for it in vain. It is heard of again as another."""
    outages: int
    """How often what counts limits has stopped answering it since it started."""
    outage_at: float | None
    """Since when that has not answered it; None while it does, or nobody knows."""


class Joining(NamedTuple):
    """Who registers."""

    node: str
    host: str
    process: int
    apis: tuple[str, ...]
    lease_s: float
    applied: int


class State(NamedTuple):
    """What a node says of itself with a renewal."""

    applied: int
    apis: tuple[str, ...]
    outages: int = 0
    gone_for_s: float = 0.0
    """For how long what counts limits has not answered it; 0 while it does."""


class Renewed(NamedTuple):
    """What a renewal found, in the snapshot in which it was taken note of."""

    head: int
    nodes: int
    """How many there are that nobody took for dead."""


class Awaited(NamedTuple):
    """What whoever changes something has to wait for."""

    seq: int
    """Its change, and with it all before."""
    lease_s: float
    """The longest lease that anybody may hold who has not applied it; 0: there is nobody."""


def awaited(connection: Connection) -> Awaited:
    """What there is to wait for, once the write transaction of *connection* is committed.

    Every process that registers later does so after that, and knows nothing that is older.
    """
    longest = select(func.coalesce(func.max(nodes.c.lease_s), 0.0)).where(_ALIVE).scalar_subquery()
    row = connection.execute(select(_HEAD.label("seq"), longest.label("lease_s"))).one()
    return Awaited(row.seq, row.lease_s)


def listed(reader: Reader) -> list[Node]:
    """Every process with gates, those that are alive first, by host and process."""
    known = select(nodes, (_HEAD - nodes.c.applied).label("behind"))
    order = (nodes.c.dead_at.is_not(None), nodes.c.host, nodes.c.process, nodes.c.registered_at, nodes.c.node)
    return [
        Node(
            node=row.node,
            host=row.host,
            process=row.process,
            apis=tuple(row.apis.split(",")) if row.apis else (),
            lease_ms=round(row.lease_s * 1_000),
            applied=row.applied,
            behind=max(0, row.behind),
            registered_at=row.registered_at,
            renewed_at=row.renewed_at,
            dead_at=row.dead_at,
            outages=row.outages,
            outage_at=row.outage_at,
        )
        for row in reader.connection.execute(known.order_by(*order)).all()
    ]


class Leases:
    """The way to these rows: each call is one short statement. Each may raise ``StoreDown``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def _asking(self, within_s: float | None = None) -> Iterator[Connection]:
        """A connection on which each statement is a transaction, and may take *within_s* (default: the engine's)."""
        with store_errors(), self._engine.connect() as plain:
            connection = plain.execution_options(isolation_level="AUTOCOMMIT")
            driver: Any = connection.connection.driver_connection
            usual = driver.answer_s
            driver.answer_s = usual if within_s is None else min(within_s, usual)
            try:
                yield connection
            finally:
                driver.answer_s = usual

    def register(self, joining: Joining, now: float) -> None:
        """*joining* is waited for from now on, by whoever commits a change after this."""
        row = joining._asdict() | {"apis": ",".join(joining.apis), "registered_at": now, "renewed_at": now}
        with store_errors(), self._engine.connect() as plain:
            connection = plain.execution_options(limen_writes=True)
            with connection.begin():  # who writes is alone: a change is before this, or finds this node
                connection.execute(insert(nodes).values(row))

    def renew(self, node: str, state: State, *, now: float) -> Renewed | None:
        """Take note of what *node* has applied; None where it is not known, or taken for dead."""
        change = (
            update(nodes)
            .where(nodes.c.node == node, _ALIVE)
            .values(
                applied=func.greatest(nodes.c.applied, state.applied),
                apis=",".join(state.apis),
                renewed_at=now,
                outages=state.outages,
                outage_at=now - state.gone_for_s if state.gone_for_s else None,
            )
            .returning(_HEAD.label("head"), select(func.count()).where(_ALIVE).scalar_subquery().label("alive"))
        )
        with self._asking() as connection:
            row = connection.execute(change).one_or_none()
        return None if row is None else Renewed(row.head, row.alive)

    def silent(self, seq: int, *, but: str, within_s: float) -> int:
        """How many, without the node *but*, may answer from what they knew before change *seq*: *within_s*."""
        with self._asking(within_s) as connection:
            return connection.execute(select(func.count()).where(*_silent(seq, but))).scalar_one()

    def bury(self, seq: int, *, but: str, within_s: float, now: float) -> list[str]:
        """Take those for dead, whose leases have ended; who they are."""
        buried = update(nodes).where(*_silent(seq, but)).values(dead_at=now).returning(nodes.c.host, nodes.c.process)
        with self._asking(within_s) as connection:
            return [f"process {row.process} on {row.host}" for row in connection.execute(buried).all()]

    def alive(self) -> dict[str, tuple[float, float]]:
        """The nodes that nobody took for dead: their leases in seconds, and when they last renewed them."""
        with self._asking() as connection:
            found = connection.execute(select(nodes.c.node, nodes.c.lease_s, nodes.c.renewed_at).where(_ALIVE)).all()
        return {row.node: (row.lease_s, row.renewed_at) for row in found}

    def bury_unless_renewed(self, node: str, renewed_at: float, *, now: float) -> bool:
        """Take *node* for dead, unless it has renewed its lease since *renewed_at*; whether that was done."""
        gone = update(nodes).where(nodes.c.node == node, nodes.c.renewed_at == renewed_at, _ALIVE).values(dead_at=now)
        with self._asking() as connection:
            return connection.execute(gone).rowcount > 0

    def purge(self, before: float) -> int:
        """The rows of those that have been dead since *before* are gone; how many that were."""
        with self._asking() as connection:
            return connection.execute(delete(nodes).where(nodes.c.dead_at < before)).rowcount

    def hints(self) -> Hints:
        """A connection that hears of changes, until it is closed."""
        from limen.db.hints import Hints  # here: an installation on SQLite needs no driver for it

        return Hints(self._engine)

    def close(self) -> None:
        """Let go of every connection that nobody uses just now."""
        self._engine.dispose()

    def abandon(self) -> None:
        """In a forked child: forget the connections, which are the parent's."""
        self._engine.dispose(close=False)

    def leave(self, node: str) -> None:
        """Nobody waits for *node* any more. It must hold no lease by now."""
        with self._asking() as connection:
            connection.execute(delete(nodes).where(nodes.c.node == node))


def _silent(seq: int, but: str) -> tuple[Any, ...]:
    return _ALIVE, nodes.c.lease_s > 0, nodes.c.applied < seq, nodes.c.node != but

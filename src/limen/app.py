"""The composition root: settings in, store and gates out; and ``act``, the one way in which anything changes."""

from __future__ import annotations

import getpass
import os
import secrets
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any, Concatenate, Generic, TypeVar
from urllib.parse import quote

from limen.cluster import Across, Cluster, boottime
from limen.control import peppers
from limen.core.keys import draw_id
from limen.core.people import Actor
from limen.core.problems import ProblemError, StoreDown
from limen.core.profile import BUILT_IN
from limen.db import copies, installation, pepper, presence, schema, tombstones
from limen.db.engine import Store, open_engine
from limen.db.epoch import Epoch
from limen.db.recognise import Recognised, recognise
from limen.db.rehash import Proof, Rehash
from limen.db.ring import Ring
from limen.db.transaction import NewTx, Snapshot, TurnNeeded, Tx
from limen.gate.check import Gate
from limen.gate.clock import Clock
from limen.gate.cold import Cold
from limen.gate.counting import AuthorityGone
from limen.gate.directory import Directory
from limen.gate.journal import Journal
from limen.gate.lease import HostLease, Lease
from limen.gate.strangers import Attempts, Strangers
from limen.gate.together import HAND_OVER_S, HeldAlone, Together
from limen.reads import Records as _Records
from limen.settings import Settings, read_settings

T = TypeVar("T")
WATCH_S = 0.5
"""How often a process with gates looks whether the state folder is still the one it was."""

_END = 2**62  # a change that no change log has reached


@dataclass(frozen=True, slots=True)
class Changed(Generic[T]):
    """What a verb came to, and since when it holds."""

    result: T
    effective: bool
    """Whether it holds in every process. False: in a moment, at the latest when the longest lease has ended."""
    ms: int
    """How long that took after it was durable; so far."""


class GateHouse:
    """One API's gate in this process, with all that is the process's own: counters, journal, threads."""

    def __init__(self, gate: Gate, cold: Cold, together: Together | Across) -> None:
        self.gate, self.cold, self.together = gate, cold, together

    def ready(self) -> bool:
        """Whether this gate can decide on every key now: the store can be read. One short read."""
        try:
            self.cold.probe()
        except StoreDown:
            return False
        return True

    def close(self) -> None:
        """Write down what was counted, close the journal, leave the windows to whoever counts on."""
        self.cold.close()
        self.gate.strangers.flush()
        self.gate.journal.close()
        self.together.close()
        if self.gate.in_flight is not None:
            self.gate.in_flight.close()


_opened: weakref.WeakSet[App] = weakref.WeakSet()


class App:
    """One process's view of an installation. Everything in it is the process's own and is made anew after a fork."""

    def __init__(self, settings: Settings, store: Store, ring: Ring, *, present: int | None = None) -> None:
        """*present*: the file by which the process says that it works on the installation; closed with the App."""
        self.settings, self.store, self.ring, self._present = settings, store, ring, present
        self.cluster: Cluster | None = None
        """What this process has to do with others on PostgreSQL. On one host there is the epoch instead."""
        if store.epoch is None:
            self.cluster = Cluster(
                settings.database_url,
                settings.lease_ms / 1_000,
                store,
                valkey_url=settings.valkey_url,
                share=settings.limits_gone == "share",
            )
        self._rehash = Rehash(self._store_anew)
        self.clock = Clock()
        self.attempts = Attempts()
        """Failed attempts over all gates of the process: its doors slow whoever makes them."""
        self.gates: dict[str, GateHouse] = {}
        _opened.add(self)

    @classmethod
    def open(cls, settings: Settings | None = None, *, alone: bool = False) -> App:
        """The installation that *settings* (default: the environment's) name, checked: schema, pepper, state folder.

        *alone*: whoever calls keeps all others off it already (``db.presence``). Raises ProblemError:
        ``store_not_ready``, ``pepper_wrong``, ``store_down``, ``setting_wrong``; ``in_use`` while another database is
        put in its place.
        """
        settings = settings or read_settings()
        if settings.on_one_host and not settings.database_path.exists():
            raise ProblemError("store_not_ready", f"There is no database {settings.database_path}. Run 'limen init'.")
        folder = installation.require_folder(settings.state_folder, epoch=settings.on_one_host)
        present = None if alone else presence.enter(folder)
        with ExitStack() as undone:
            if present is not None:
                undone.callback(os.close, present)
            store = _store(settings)
            undone.callback(store.engine.dispose)
            ring = _ring(settings, store)
            with store.read() as connection:
                schema.require_current(connection)
                copies.require_unmarked(connection)
                installation.verify(connection, settings.state_folder)
                pepper.verify(connection, ring.keyring)
                ring.learn(pepper.answers(connection))
            undone.pop_all()
        return cls(settings, store, ring, present=present)

    @classmethod
    def preparing(cls, settings: Settings, database: Path) -> App:
        """An App on the file *database*, at this release's schema, before it takes the place of the installation's own.

        It lays no tombstones. Raises ProblemError: ``pepper_wrong``, ``store_not_ready`` (of a later release),
        ``store_down``.
        """
        url, state = f"sqlite:///{quote(str(database.absolute()))}", database.parent
        settings = replace(settings, database_url=url, state=state, pepper_file=settings.pepper_path)
        store = Store(open_engine(url), Epoch(state))
        schema.upgrade(store)
        return cls(settings, store, _ring(settings, store))

    @classmethod
    def initialise(cls, settings: Settings) -> App:
        """A new installation: state folder, pepper, database. What is there already stays as it is."""
        if not settings.pepper_path.exists():
            if is_there(settings):
                missing = f"The database is there, its pepper {settings.pepper_path} is not: every host needs the same."
                raise ProblemError("pepper_wrong", f"{missing} Copy it from where it is.")
            pepper.write_new(settings.pepper_path, secrets.token_bytes)
        pepper.read(settings.pepper_path)  # before anything is made
        installation.make_folder(settings.state_folder)
        with presence.entered(settings.state_folder):
            cls._found(settings)
        return cls.open(settings)

    @classmethod
    def _found(cls, settings: Settings) -> None:
        store = _store(settings)
        schema.upgrade(store)
        app = cls(settings, store, _ring(settings, store))
        with store.write(app._tx(Actor("terminal", "init"))) as tx:
            pepper.remember(tx.connection, pepper.read(settings.pepper_path), tx.now)
            new_id = draw_id(tx.entropy)
            if settings.on_one_host:
                installation.remember(
                    tx.connection, settings.state_folder, database=settings.database_path, new_id=new_id, now=tx.now
                )
            else:
                installation.join(tx.connection, settings.state_folder, new_id=new_id, now=tx.now)
            if store.tombstones is not None and not store.tombstones.goes_on(tx.connection):
                tx.tombstone("series", "", "begun")
        app.close()

    def act(self, verb: Callable[Concatenate[Tx, ...], T], *args: Any, actor: Actor | None = None, **kwargs: Any) -> T:
        """Do *verb* in one transaction; when this returns, it is durable and holds in every process of every host.

        Raises what the verb raises, and then nothing has changed; StoreDown when the database cannot be written.
        """
        return self.change(verb, *args, actor=actor, **kwargs).result

    def change(
        self,
        verb: Callable[Concatenate[Tx, ...], T],
        *args: Any,
        actor: Actor | None = None,
        waits: bool = True,
        **kwargs: Any,
    ) -> Changed[T]:
        """As ``act``, and says since when it holds. Without *waits* it returns once it is durable."""
        who, cluster = actor or terminal(), self.cluster
        with self.store.write(self._tx(who)) as tx:
            result = verb(tx, *args, **kwargs)
            told = tx.changed or who.kind != "worker"  # what is found done already may not hold everywhere yet
            awaited = cluster.awaited(tx) if cluster is not None and told else None
        committed_at, effective = boottime(), True
        if cluster is not None and awaited is not None:
            effective = cluster.settle(awaited, committed_at, waits=waits)
        elif tx.changed:
            for house in list(self.gates.values()):
                with suppress(StoreDown):  # it is committed and the epoch has moved: that gate asks before it answers
                    house.cold.catch_up()
        return Changed(result, effective, round(1_000 * (boottime() - committed_at)))

    def note(self, verb: Callable[Concatenate[Tx, ...], T], *args: Any, actor: Actor, **kwargs: Any) -> T:
        """As ``act``, for what no other verb decides by: on PostgreSQL beside whoever changes something meanwhile.

        Where *verb* comes to audit something, or another has a row that it needs, it is done again as ``act`` does it.
        """
        with suppress(TurnNeeded), self.store.beside(self._tx(actor)) as tx:
            return verb(tx, *args, **kwargs)
        return self.act(verb, *args, actor=actor, **kwargs)

    def settle(self) -> None:
        """Return when every change that is durable by now holds in every process: for who finds done what it wants."""
        if self.cluster is not None:
            with self.reading() as reader:
                awaited = self.cluster.awaited(reader)
            self.cluster.settle(awaited, boottime(), waits=True)

    def _tx(self, actor: Actor) -> NewTx:
        return lambda connection: self.ring.tx(connection, self.clock.read()[0], actor, secrets.token_bytes)

    def _store_anew(self, proofs: list[Proof]) -> None:
        self.act(peppers.store_anew, proofs, actor=Actor("worker", "rehash"))

    @contextmanager
    def reading(self) -> Iterator[Snapshot]:
        """A read transaction, for the questions of ``control``. Raises StoreDown."""
        with self.store.read() as connection:
            yield Snapshot(connection, self.clock.read()[0])

    def recognise(self, texts: Sequence[str]) -> list[Recognised]:
        """Which key each of *texts* is, if any. One read, and nothing is written. Raises StoreDown."""
        with self.store.read() as connection:
            return recognise(connection, texts, self.ring)

    def gate(self, api: str, *, own_process: bool = False) -> GateHouse:
        """The gate of *api* in this process, opened on first use. *own_process*: nothing else runs in it.

        Raises ProblemError: ``api_unknown``; ``gate_taken`` where another process counts alone and does not hand its
        windows over; ``store_down``.
        """
        if api not in self.gates:
            self.gates[api] = self._open_gate(api, own_process)
            if len(self.gates) == 1:
                Thread(target=self._watch, name="limen-watch", daemon=True).start()
        return self.gates[api]

    def _watch(self) -> None:
        """While there are gates: none of them answers by an epoch that nobody moves any more."""
        epoch = self.store.epoch
        while self.gates and (epoch is None or epoch.stands()):
            sleep(WATCH_S)
        for house in list(self.gates.values()):
            house.cold.close_down()

    def _open_gate(self, api: str, own_process: bool) -> GateHouse:
        settings, cluster = self.settings, self.cluster
        records = _Records(self.store if cluster is None else cluster.reads, api, self.ring, self._rehash)
        head = records.changes(since=_END).head  # before the rules are read: they may be newer, not older
        rules = records.rules()
        together = _together(settings.state_folder, api) if cluster is None else cluster.authorities.join(api)
        try:
            journal = Journal(
                settings.state_folder / "journal" / api,
                api,
                int.from_bytes(secrets.token_bytes(6), "big"),
                segment_bytes=settings.segment_bytes,
                segments=settings.segments,
            )
        except BaseException:
            together.close()
            raise
        directory = Directory(
            self.ring.digests, bound=settings.records, unknown_bound=settings.unknown, freezes=own_process
        )
        directory.clear(head)
        gate = Gate(
            rules,
            self._lease(),
            directory=directory,
            counters=together.counters,
            journal=journal,
            strangers=Strangers(journal.tallies),
            must_record=api != BUILT_IN,  # or a full journal would keep out whoever could make room
        )
        cold = Cold(gate, records, threads=settings.loads, waiting=settings.waiting, proved=records.proved)
        together.tell(lambda counters: setattr(gate, "counters", counters))
        house = GateHouse(gate, cold, together)
        if cluster is not None:
            try:
                cluster.node.join(api, cold)
            except BaseException:
                house.close()
                raise
        return house

    def _lease(self) -> Lease:
        if self.cluster is not None:
            return self.cluster.lease
        return HostLease((1,) if self.store.epoch is None else self.store.epoch.cell)

    def abandon(self) -> None:
        """In a forked child: let go of what is the parent's, without a word to it. This App is of no more use."""
        for house in self.gates.values():
            house.gate.journal.abandon()
            house.together.abandon()
            if house.gate.in_flight is not None:
                house.gate.in_flight.abandon()
        self.gates = {}
        if self.cluster is not None:
            self.cluster.abandon()
        self.store.engine.dispose(close=False)
        self._leave(os.close)  # it stays locked: it is the parent's

    def close(self) -> None:
        """Let go of everything. The installation stays as it is."""
        self._rehash.close()
        if self.cluster is not None:
            self.cluster.leave()
        for house in self.gates.values():
            house.close()
        self.gates = {}
        if self.cluster is not None:
            self.cluster.close()
        self.store.engine.dispose()
        self._leave(presence.leave)

    def _leave(self, let_go: Callable[[int], None]) -> None:
        if self._present is not None:
            let_go(self._present)
            self._present = None


def _store(settings: Settings) -> Store:
    """On PostgreSQL tombstones are laid where a setting says where: they have to be one file for all hosts."""
    on_one_host = settings.on_one_host
    laid = tombstones.Tombstones(settings.tombstones_path) if on_one_host or settings.tombstones is not None else None
    return Store(open_engine(settings.database_url), Epoch(settings.state_folder) if on_one_host else None, laid)


def is_there(settings: Settings) -> bool:
    """Whether there is a database with a schema in it. Raises StoreDown where that cannot be told."""
    if settings.on_one_host:
        return settings.database_path.exists()
    store = Store(open_engine(settings.database_url), None)
    try:
        with store.read() as connection:
            return schema.revision(connection) is not None
    finally:
        store.engine.dispose()


def _ring(settings: Settings, store: Store) -> Ring:
    """What the pepper file holds, and the way to what the database knows of it."""

    def answers() -> pepper.Answers:
        with store.read() as connection:
            return pepper.answers(connection)

    return Ring(settings.pepper_path, answers)


def terminal() -> Actor:
    """Who sits at this process's terminal."""
    return Actor("terminal", getpass.getuser())


def _together(folder: Path, api: str) -> Together:
    """This process's place among those of the host that decide for *api*."""
    try:
        return Together(folder, api)
    except HeldAlone as held:
        raise ProblemError(
            "gate_taken",
            f"Process {held.holders} counts for API {api!r} alone, and did not hand over what it has counted within "
            f"{HAND_OVER_S:g} s. Is it stopped? Let it go on, or end it.",
        ) from None
    except (AuthorityGone, OSError) as error:
        raise StoreDown(f"The windows of API {api!r} in {folder} cannot be used: {error}.") from error


def _after_fork() -> None:
    for app in list(_opened):
        app.abandon()


os.register_at_fork(after_in_child=_after_fork)

"""The composition root: settings in, store and gates out; and ``act``, the one way in which anything changes."""

from __future__ import annotations

import fcntl
import getpass
import os
import secrets
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any, Concatenate, TypeVar
from urllib.parse import quote

from limen.control import peppers
from limen.core.foreign import Foreign
from limen.core.keys import draw_id
from limen.core.people import Actor
from limen.core.problems import ProblemError, StoreDown
from limen.core.profile import BUILT_IN, Profile
from limen.core.record import Record
from limen.core.rules import Rules
from limen.db import copies, installation, pepper, presence, schema, tombstones
from limen.db.changes import changes_since, current_rules
from limen.db.engine import Store, open_engine
from limen.db.epoch import Epoch
from limen.db.recognise import Recognised, recognise
from limen.db.records import SharedTerms, load_record
from limen.db.rehash import Proof, Rehash
from limen.db.ring import Ring
from limen.db.transaction import NewTx, Snapshot, Tx
from limen.gate.check import Gate
from limen.gate.clock import Clock
from limen.gate.cold import Changes, Cold
from limen.gate.counters import MemoryCounters
from limen.gate.directory import Directory
from limen.gate.journal import Journal
from limen.gate.lease import Lease
from limen.gate.strangers import Attempts, Strangers
from limen.settings import Settings, read_settings

T = TypeVar("T")
WATCH_S = 0.5
"""How often a process with gates looks whether the state folder is still the one it was."""

_END = 2**62  # a change that no change log has reached
_NEVER = (1,)  # an epoch that is always odd: every check asks the database


class _Records:
    """What one gate reads by: the store, seen from one API."""

    def __init__(self, store: Store, api: str, ring: Ring, rehash: Rehash) -> None:
        self._store, self._api, self._ring, self._rehash = store, api, ring, rehash
        self._known: tuple[Profile, SharedTerms] | None = None  # one value: terms go with the profile they were made by
        self._foreign: Foreign | None = None

    def changes(self, since: int) -> Changes:
        with self._store.read() as connection:
            found = changes_since(connection, since, api=self._api)
        return Changes(found.head, found.places, found.owners, found.rules, found.everything)

    def rules(self) -> Rules:
        with self._store.read() as connection:
            found = current_rules(connection, self._api)
            self._ring.learn(pepper.answers(connection))
        if found is None:
            raise ProblemError("api_unknown", f"There is no API {self._api!r}.")
        patterns = found.profile.keys.foreign
        self._foreign = Foreign(self._api, patterns, self._ring.keyring) if patterns else None
        self._known = (found.profile, {})
        return replace(found, foreign=self._foreign)

    def load(self, place: bytes) -> tuple[Record | None, int]:
        profile, shared = self._known or (self.rules().profile, {})
        with self._store.read() as connection:
            return load_record(
                connection, place, api=self._api, profile=profile, shared=shared, numbered=self._ring.number
            )

    def proved(self, record: Record, text: bytes) -> None:
        """*text* is that of *record*: where it is stored in an older way than new keys are, it is stored anew."""
        current = self._ring.current
        if record.pepper != current:
            weak = None if self._foreign is None else self._foreign.looks_weak(text)
            self._rehash.put(Proof(record.locator, record.digest, self._ring.digests[current](text), current, weak))


class GateHouse:
    """One API's gate in this process, with all that is the process's own: lock, journal, threads."""

    def __init__(self, gate: Gate, cold: Cold, lock: int) -> None:
        self.gate, self.cold, self.lock = gate, cold, lock

    def ready(self) -> bool:
        """Whether this gate can decide on every key now: the store can be read. One short read."""
        try:
            self.cold.probe()
        except StoreDown:
            return False
        return True

    def close(self) -> None:
        """Write down what was counted, close the journal, let another process decide for the API."""
        self.cold.close()
        self.gate.strangers.flush()
        self.gate.journal.close()
        fcntl.flock(self.lock, fcntl.LOCK_UN)  # closing is not enough: a child forked meanwhile has it open too
        os.close(self.lock)


_opened: weakref.WeakSet[App] = weakref.WeakSet()


class App:
    """One process's view of an installation. Everything in it is the process's own and is made anew after a fork."""

    def __init__(self, settings: Settings, store: Store, ring: Ring, *, present: int | None = None) -> None:
        """*present*: the file by which the process says that it works on the installation; closed with the App."""
        self.settings, self.store, self.ring, self._present = settings, store, ring, present
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
            if _is_there(settings):
                raise ProblemError("pepper_wrong", f"The database is there, its pepper {settings.pepper_path} is not.")
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
        """Do *verb* in one transaction; when this returns, it is durable and holds in every process on this host.

        Raises what the verb raises, and then nothing has changed; StoreDown when the database cannot be written.
        """
        with self.store.write(self._tx(actor or terminal())) as tx:
            result = verb(tx, *args, **kwargs)
        if tx.changed:
            for house in list(self.gates.values()):
                with suppress(StoreDown):  # it is committed and the epoch has moved: that gate asks before it answers
                    house.cold.catch_up()
        return result

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

        Raises ProblemError: ``api_unknown``; ``gate_taken`` where another process decides for it; ``store_down``.
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
        settings, records = self.settings, _Records(self.store, api, self.ring, self._rehash)
        head = records.changes(since=_END).head  # before the rules are read: they may be newer, not older
        rules = records.rules()
        lock = _lock(settings.state_folder / f"gate-{api}.lock", api)
        try:
            journal = Journal(
                settings.state_folder / "journal" / api,
                api,
                int.from_bytes(secrets.token_bytes(6), "big"),
                segment_bytes=settings.segment_bytes,
                segments=settings.segments,
            )
        except BaseException:
            os.close(lock)
            raise
        directory = Directory(
            self.ring.digests, bound=settings.records, unknown_bound=settings.unknown, freezes=own_process
        )
        directory.clear(head)
        gate = Gate(
            rules,
            Lease(_NEVER if self.store.epoch is None else self.store.epoch.cell),
            directory=directory,
            counters=MemoryCounters(),
            journal=journal,
            strangers=Strangers(journal.tallies),
            must_record=api != BUILT_IN,  # or a full journal would keep out whoever could make room
        )
        cold = Cold(gate, records, threads=settings.loads, waiting=settings.waiting, proved=records.proved)
        return GateHouse(gate, cold, lock)

    def abandon(self) -> None:
        """In a forked child: let go of what is the parent's, without a word to it. This App is of no more use."""
        for house in self.gates.values():
            house.gate.journal.abandon()
            os.close(house.lock)
        self.gates = {}
        self.store.engine.dispose(close=False)
        self._leave(os.close)  # it stays locked: it is the parent's

    def close(self) -> None:
        """Let go of everything. The installation stays as it is."""
        self._rehash.close()
        for house in self.gates.values():
            house.close()
        self.gates = {}
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


def _is_there(settings: Settings) -> bool:
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


def _lock(path: Path, api: str) -> int:
    """The lock under which one process decides for *api*; held until its file is closed, by a kill too."""
    file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(file, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(file)
        raise ProblemError(
            "gate_taken",
            f"Process {holder} decides for API {api!r} already. Its counters are in its memory, so there can be one. "
            "Stop it, or leave the API out of its LIMEN_APIS.",
        ) from None
    with suppress(OSError):  # a full disk: the lock holds all the same, and only its holder's name is not told
        os.truncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)
    return file


def _after_fork() -> None:
    for app in list(_opened):
        app.abandon()


os.register_at_fork(after_in_child=_after_fork)

"""An installation with one API, made for a test: its owners, its keys, and the asks that are put to its gate."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import text

from limen.app import App, GateHouse
from limen.control import apis, keys, owners
from limen.core.keys import mint
from limen.core.profile import Profile
from limen.core.profile_reader import read_profile
from limen.core.verdict import Ask, Verdict
from limen.drain import drain
from limen.gate.counters import Taken, Want
from limen.gate.journal import entries
from limen.profiles import load
from limen.settings import Settings
from tests.core.documents import edited
from tests.db.hand import shut

ROOT = Path(__file__).resolve().parents[2]
VERSION = "2025-06-26"
"""The one version that the shipped profile ``creator`` registers."""

LIMIT = 100
"""Its default limit, per 60 s."""

shipped = functools.cache(load)
"""A shipped profile, read from its file once."""


def changed(name: str = "creator", **changes: Any) -> Profile:
    """A shipped profile with other values at dotted paths; a dot is written ``__``."""
    return read_profile(edited({path.replace("__", "."): v for path, v in changes.items()}, shipped(name).document))


def noise(count: int, prefix: str = "fvak_") -> Iterator[bytes]:
    """Texts that have the whole form of a key, checksum too, and are none."""
    for _ in range(count):
        yield mint(prefix, os.urandom)[1].encode()


@functools.cache
def _initialised() -> Path:
    """A folder with a new installation, made once in a process: what a scene begins as a copy of."""
    folder = Path(tempfile.mkdtemp(prefix="limen-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    App.initialise(Settings(database_url=f"sqlite:///{folder / 'limen.db'}")).close()
    return folder


class Scene:
    """One API in an installation of its own. Everything is done through ``App``, as a door or a command does it."""

    def __init__(self, folder: Path, profile: Profile | None = None, *, api: str = "creator", **settings: Any) -> None:
        """*settings*: fields of ``Settings`` beside the ones that keep a test small.

        Without a ``database_url``, a new installation on SQLite is laid in *folder*; else it is there already.
        """
        if "database_url" not in settings:
            shutil.copytree(_initialised(), folder, dirs_exist_ok=True)
            settings["database_url"] = f"sqlite:///{folder / 'limen.db'}"
        self.settings = Settings(**{"segment_bytes": 65_536, "drain": False} | settings)
        self.api = api
        self.app = App.open(self.settings)
        self._others: list[App] = []
        self._owners: set[str] = set()
        profile = profile or shipped(api)
        self._kind = profile.owner_type
        self.app.act(apis.create, api, profile)

    @property
    def house(self) -> GateHouse:
        """The API's gate with all that belongs to it."""
        return self.app.gate(self.api)

    def other(self) -> App:
        """The same installation as another process would see it: the command line, a worker."""
        self._others.append(App.open(self.settings))
        return self._others[-1]

    def owner(self, owner: str = "ann", *, allowed: bool = True) -> str:
        """An owner of the kind that the profile asks for, made if it is not there; on the allow-list."""
        if owner not in self._owners:
            self.app.act(owners.create, owners.NewOwner(self._kind, owner, owner))
            if allowed:
                self.app.act(owners.allow, owner, self.api)
            self._owners.add(owner)
        return owner

    def issued(self, owner: str = "ann", **new: Any) -> keys.Issued:
        """A new key. *new*: fields of ``NewKey``."""
        asked = {"name": "a key", "scopes": ("read:chat",)} | new
        return self.app.act(keys.issue, keys.NewKey(self.api, self.owner(owner), **asked))

    def key(self, owner: str = "ann", **new: Any) -> bytes:
        """The text of a new key."""
        return self.issued(owner, **new).text.encode()

    def ask(self, credential: bytes | None, call: str = "GET /chats", *, later: float = 0.0, **parts: Any) -> Ask:
        """An ask that a key with ``read:chat`` is admitted with, but for *parts*. *later*: seconds from now."""
        now, at = self.app.clock.read()
        method, path = call.encode().split(b" ", 1)
        usual = {"version": VERSION.encode(), "environment": b"live", "now": now + later, "at": at + later}
        return Ask(credential, method, path, **usual | parts)

    def verdict(self, credential: bytes | None, call: str = "GET /chats", **parts: Any) -> Verdict:
        """What the gate answers, from memory or with a look into the store."""
        return self.house.cold.decide_now(self.ask(credential, call, **parts))

    def code(self, credential: bytes | None, call: str = "GET /chats", **parts: Any) -> str:
        """The code of that answer."""
        return self.verdict(credential, call, **parts).code.slug

    def warm(self, credential: bytes | None, call: str = "GET /chats", **parts: Any) -> str | None:
        """The code that memory alone gives; None where it does not suffice.

        That the counters would have to be asked, where others count too, is taken for room.
        """
        gate = self.house.gate

        def take(wants: Sequence[Want], at: float) -> Taken:
            return gate.counters.take(wants, at) or (True, None, 0, 0.0, ())

        found = gate.check(self.ask(credential, call, **parts), take=None if self.settings.on_one_host else take)
        return None if found is None else found.code.slug

    def soon(self, code: str, credential: bytes | None, call: str = "GET /chats", **parts: Any) -> bool:
        """Whether that code is given before long: for what another thread has yet to do."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.code(credential, call, **parts) == code:
                return True
            time.sleep(0.01)
        return False

    def segments(self) -> list[Path]:
        """The files of the journal, in their order."""
        return sorted((self.settings.state_folder / "journal" / self.api).glob("*.seg"))

    def entries(self) -> list[tuple[int, bytes]]:
        """Number and body of all that the journal holds."""
        return [(number, body) for path in self.segments() for number, body, _ in entries(path.read_bytes(), 0)]

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What the database answers to *statement*, after everything journalled so far has been drained."""
        drain(self.app)
        with self.app.reading() as reader:
            return [tuple(row) for row in reader.connection.execute(text(statement))]

    @contextmanager
    def down(self) -> Iterator[None]:
        """The database cannot be opened, and every open connection is gone: on SQLite a folder stands in its place."""
        if not self.settings.on_one_host:
            with shut(self.settings.database_url):
                yield
            return
        path = self.settings.database_path
        for app in (self.app, *self._others):
            app.store.engine.dispose()
        path.rename(path.with_suffix(".away"))
        path.mkdir()
        try:
            yield
        finally:
            path.rmdir()
            path.with_suffix(".away").rename(path)

    def close(self) -> None:
        """Let go of everything."""
        for app in (self.app, *self._others):
            app.close()


Placed = Callable[[Path], dict[str, Any]]
"""Lays a new installation in a folder, and gives the settings by which it is found."""

NewScene = Callable[..., Scene]
"""Makes a scene of a profile and settings."""


def named(settings: Settings) -> dict[str, str]:
    """The environment in which a process finds the installation of *settings*."""
    paths = ("state", "pepper_file", "tombstones")
    found = {f"LIMEN_{name.upper()}": str(getattr(settings, name)) for name in paths if getattr(settings, name)}
    return found | {"LIMEN_DATABASE_URL": settings.database_url, "LIMEN_SEGMENT_BYTES": "65536", "LIMEN_DRAIN": "off"}


def python(script: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """A process of its own that runs *script* with this project on its path."""
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONWARNINGS": "ignore"} | options.pop("of", {})
    if arguments and Path(arguments[0]).is_dir():
        environment["TMPDIR"] = arguments[0]  # a process that is killed clears nothing away
    line = [*options.pop("before", ()), sys.executable, "-c", script, *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(line, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, stdin=pipe, text=True, **options)

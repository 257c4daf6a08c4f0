"""What holds for every test of the project, and installations to try things on."""

from __future__ import annotations

import copy
import functools
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

if TYPE_CHECKING:
    from limen.app import App
    from limen.control.keys import Issued
    from limen.core.profile import Profile
    from tools.servers.postgres import Postgres
    from tools.servers.valkey import Valkey

# A deadline for each example fails on a busy machine for no fault of the code; the timeout of the whole test stays.
hypothesis.settings.register_profile("limen", deadline=None)
hypothesis.settings.load_profile("limen")
# Whoever runs the tests in the background of a shell may ignore the interrupt; what they start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def _initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an installation, to be copied: making one costs ten times as much."""
    from limen.app import App
    from limen.settings import Settings

    folder = tmp_path_factory.mktemp("installation")
    App.initialise(Settings(database_url=f"sqlite:///{folder}/limen.db")).close()
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL of this worker's own, running: ``postgres.create()`` makes a database in it. 0.6 s, once."""
    from tools.servers.postgres import Postgres

    server = Postgres()
    try:
        yield server.start()
    finally:
        server.remove()


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    """A Valkey of this worker's own, running. 0.1 s, once."""
    from tools.servers.valkey import Valkey

    server = Valkey()
    try:
        yield server.start()
    finally:
        server.remove()


BOTH = ("control", "deliver", "gate", "guard", "http")
"""The folders whose tests run on both databases, wherever they ask for an installation."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test of an installation is run on SQLite and on PostgreSQL, but for one that is marked ``sqlite``."""
    asked = "store_kind" in metafunc.fixturenames
    folder = metafunc.definition.path.relative_to(Path(__file__).parent).parts[0]
    if asked and folder in BOTH and metafunc.definition.get_closest_marker("sqlite") is None:
        metafunc.parametrize("store_kind", ["sqlite", "postgresql"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def store_kind(request: pytest.FixtureRequest) -> str:
    """``sqlite`` or ``postgresql``."""
    return getattr(request, "param", "sqlite")


Placed = Callable[[Path], dict[str, Any]]
"""Lays a new installation in a folder, with nothing in it yet, and gives the settings by which it is found."""


@contextmanager
def _placing(kind: str, request: pytest.FixtureRequest) -> Iterator[Placed]:
    """10 ms each; on PostgreSQL 50. Their databases go in the end."""
    if kind == "sqlite":
        initialised: Path = request.getfixturevalue("_initialised")

        def place(folder: Path) -> dict[str, Any]:
            shutil.copytree(initialised, folder, dirs_exist_ok=True)
            return {"database_url": f"sqlite:///{folder}/limen.db"}

        yield place
        return
    server: Postgres = request.getfixturevalue("postgres")
    filled, template = request.getfixturevalue("_in_postgresql")
    made: list[str] = []

    def create(folder: Path) -> dict[str, Any]:
        shutil.copytree(filled, folder, dirs_exist_ok=True)
        made.append(server.create(template))
        return _clustered(folder, server.url(made[-1]))

    yield create
    for name in made:
        server.drop(name)


@pytest.fixture
def placed(store_kind: str, request: pytest.FixtureRequest) -> Iterator[Placed]:
    """Lays installations of this test's own: on SQLite, and where the test is run again, on PostgreSQL."""
    with _placing(store_kind, request) as place:
        yield place


@pytest.fixture(scope="module")
def placed_once(store_kind: str, request: pytest.FixtureRequest) -> Iterator[Placed]:
    """As ``placed``, for what a module's tests share."""
    with _placing(store_kind, request) as place:
        yield place


@pytest.fixture(scope="session")
def _in_postgresql(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder and the database of an installation on PostgreSQL, to be copied."""
    from limen.app import App
    from limen.settings import Settings

    folder, name = tmp_path_factory.mktemp("clustered"), postgres.create()
    App.initialise(Settings(**_clustered(folder, postgres.url(name)))).close()
    return folder, name


def _clustered(folder: Path, url: str) -> dict[str, Any]:
    """Where an installation on PostgreSQL lies that has its files in *folder*."""
    named = {"pepper_file": folder / "limen.db.pepper", "tombstones": folder / "limen.db.tombstones"}
    return {"database_url": url, "state": folder / "limen.db.state", **named}


@pytest.fixture
def installation(tmp_path: Path, placed: Placed) -> Iterator[App]:
    """A new installation, in real files in ``tmp_path``, with nothing in it yet."""
    from limen.app import App
    from limen.settings import Settings

    app = App.open(Settings(**placed(tmp_path)))
    yield app
    app.close()


@functools.cache
def _shipped(name: str) -> Profile:
    from limen.profiles import load

    return load(name)


@pytest.fixture
def creator(installation: App) -> App:
    """The installation, with the API ``creator`` by the shipped profile of that name."""
    from limen.control import apis

    installation.act(apis.create, "creator", _shipped("creator"))
    return installation


@pytest.fixture
def organisation(installation: App) -> App:
    """The installation, with the API ``organisation`` by the shipped profile of that name."""
    from limen.control import apis

    installation.act(apis.create, "organisation", _shipped("organisation"))
    return installation


@pytest.fixture
def owner(creator: App) -> str:
    """The id of a user who may hold keys of ``creator`` and is on its allow-list."""
    from limen.control import owners

    creator.act(owners.create, owners.NewOwner("user", "A user", "u-1"))
    creator.act(owners.allow, "u-1", "creator")
    return "u-1"


@pytest.fixture
def firm(organisation: App) -> str:
    """The id of an organisation that may hold keys of ``organisation``."""
    from limen.control import owners

    organisation.act(owners.create, owners.NewOwner("organisation", "A firm", "o-1"))
    return "o-1"


@pytest.fixture
def issue(installation: App) -> Callable[..., Issued]:
    """``issue(api, owner, **more)`` issues a key: named, secret, live, with the scope read:self in ``creator``."""
    from limen.control import keys

    def issue(api: str, owner: str, **more: Any) -> Issued:
        usual: dict[str, Any] = {"name": "a key", "scopes": ("read:self",) if api == "creator" else None}
        return installation.act(keys.issue, keys.NewKey(api, owner, **usual | more))

    return issue


@pytest.fixture(scope="session")
def altered() -> Callable[..., Profile]:
    """``altered("creator", {"keys.overlap": "60 s"})`` is a shipped profile, with other values at these places.

    ``...`` in place of a value leaves the field out.
    """
    from limen.core.profile_reader import read_profile

    def altered(name: str, changes: dict[str, Any]) -> Profile:
        document: Any = copy.deepcopy(_shipped(name).document)
        for path, value in changes.items():
            *way, last = path.split(".")
            place = document
            for step in way:
                place = place[step]
            if value is ...:
                del place[last]
            else:
                place[last] = value
        return read_profile(document)

    return altered

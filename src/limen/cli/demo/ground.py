"""What the demo stands on: a folder with an installation and example data, addresses, and the processes between them.

Everything is as it is in life: ``limen serve`` for the gate's door, each example API with its guard in a process of its
own, and the command line for whatever staff do.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import limen
from limen.cli.demo import guarded
from limen.cli.demo.guarded import CREATOR, EXAMPLES, ORGANISATION, Example
from limen.cli.demo.processes import NotUp, Process, Processes, free_addresses
from limen.cli.demo.wire import answers
from limen.settings import Settings

COMMAND_S = 60.0
"""How long one command may take."""
_SEED = "7"
_ATTEMPTS = 3
_SHOWN_CHARS = 600
_FOREIGN = ("LIMEN_", "CREATOR_", "ORGANISATION_", "GRANIAN_")
DOOR = "edge"
"""The API for which the gate's door decides: the profile ``organisation`` once more, before nothing at all."""


class CommandFailed(Exception):
    """A command ended with another exit code than 0. Its text holds no key: no command is given one."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the demo's listeners are: HOST:PORT each."""

    creator: str
    gate: str
    public: str
    organisation: str


@dataclass(frozen=True, slots=True)
class People:
    """Users of the one example platform, and organisations of the other."""

    users: tuple[str, ...]
    """The first has a chat with *peer*, who can be written to."""
    peer: str
    stranger: str
    """Has chats, but none with the first."""
    agent: str
    """The admin of the first user's agency."""
    organisations: tuple[str, ...]
    """The one with the most data first."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What came of an attempt to edit a row."""

    refusal: str
    """What the database said; empty: nothing."""
    unchanged: bool


class Ground:
    """A folder in which everything of the demo lies."""

    def __init__(self, folder: Path, *, kept: bool = False) -> None:
        """*kept*: it stays when the demo ends. Raises NotUp where the examples are not there: a checkout has them."""
        self.folder, self.kept, self._examples = folder, kept, _find_examples()
        self.settings = Settings(database_url=f"sqlite:///{folder / 'limen.db'}")
        self.environment = _environment(self._examples) | {"LIMEN_DATABASE_URL": self.settings.database_url}

    def limen(self, *arguments: str) -> Any:
        """Run the command ``limen`` with *arguments* and ``--json``, as a process; what it printed, read.

        Raises CommandFailed, with what it wrote to standard error.
        """
        return json.loads(self._run("-m", "limen", *arguments, "--json") or "null")

    def seed(self, example: Example) -> None:
        """Make an example's data, in the smallest size. Raises CommandFailed."""
        words = ("--database", self._url(example), "--size", "small", "--seed", _SEED)
        self._run("-m", f"{example.package}.seed", *words)

    def _run(self, *arguments: str) -> str:
        name = " ".join(arguments[1:4])
        try:
            ended = subprocess.run(  # noqa: S603 - the line is our own
                [sys.executable, *arguments],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=COMMAND_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CommandFailed(f"'{name}' took longer than {COMMAND_S:.0f} s") from None
        if ended.returncode != 0:
            raise CommandFailed(f"'{name}' ended with {ended.returncode}: {ended.stderr.strip()[-_SHOWN_CHARS:]}")
        return ended.stdout

    def _database(self, example: Example) -> Path:
        return self.folder / f"{example.name}.db"

    def _url(self, example: Example) -> str:
        return f"sqlite:///{self._database(example)}"

    def people(self, count: int) -> People:
        """So many users of the creator platform, who all have chats, and the organisations. Reads both databases."""
        with closing(sqlite3.connect(self._database(CREATOR))) as database:
            users = [row[0] for row in database.execute(_USERS, (count,))]
            (peer,) = database.execute(_PEER, (users[0],)).fetchone()
            (stranger,) = database.execute(_STRANGER, (users[0], users[0])).fetchone()
            (agent,) = database.execute(_AGENT, (users[0],)).fetchone()
        with closing(sqlite3.connect(self._database(ORGANISATION))) as database:
            organisations = [row[0] for row in database.execute(_ORGANISATIONS)]
        return People(tuple(users), peer, stranger, agent, tuple(organisations))

    def edit_scopes(self, key_id: str, scopes: str) -> Edit:
        """Write *scopes* into the key's row, past Limen, as somebody could who has the database in their hands."""
        with closing(sqlite3.connect(self.settings.database_path, timeout=10.0)) as database:
            before = database.execute(_SCOPES, (key_id,)).fetchone()
            try:
                with database:
                    database.execute("update keys set scopes = ? where key = ?", (scopes, key_id))
                refusal = ""
            except sqlite3.IntegrityError as error:
                refusal = str(error)
            return Edit(refusal, before == database.execute(_SCOPES, (key_id,)).fetchone())

    def serve(self, processes: Processes) -> Addresses:
        """Start the gate's door with the public listener, and the guarded APIs; wait until all answer. Raises NotUp."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._serve_at(processes, Addresses(*free_addresses(4)))
            except NotUp as error:
                # Between the drawing and the listening somebody else may have taken an address: draw others.
                if "in use" not in str(error):
                    raise
                processes.end()
        return self._serve_at(processes, Addresses(*free_addresses(4)))

    def _serve_at(self, processes: Processes, at: Addresses) -> Addresses:
        addresses = {CREATOR: at.creator, ORGANISATION: at.organisation}
        server = self._serve_limen(processes, at)
        served = [(self._serve_example(processes, each, addresses[each]), addresses[each]) for each in EXAMPLES]
        server.wait_for(lambda: answers(at.gate, "/readyz") and answers(at.public, "/readyz"))
        for example, address in served:
            example.wait_for(partial(answers, address, "/openapi.json"))
        return at

    def _serve_limen(self, processes: Processes, at: Addresses) -> Process:
        own = {"LIMEN_APIS": DOOR, "LIMEN_GATE_LISTEN": at.gate, "LIMEN_LISTEN": at.public}
        line = [sys.executable, "-m", "limen", "serve"]
        return processes.start("limen serve", line, env=self.environment | own, folder=self.folder)

    def _serve_example(self, processes: Processes, example: Example, address: str) -> Process:
        # A proxy on this host is believed, so that the tour can be one: behind it, plain HTTP comes from far away.
        own = {example.variable: self._url(example), "LIMEN_TRUSTED_PROXIES": "127.0.0.0/8"}
        host, _, port = address.rpartition(":")
        line = [sys.executable, "-m", "granian", "--interface", "asgi", "--workers", "1", "--runtime-mode", "st"]
        line += ["--loop", "uvloop", "--no-ws", "--log-level", "warning", "--host", host, "--port", port]
        line += ["--factory", f"{guarded.__name__}:{example.name}"]
        return processes.start(f"guarded {example.name} API", line, env=self.environment | own, folder=self.folder)


_SCOPES = "select scopes from keys where key = ?"
_USERS = "select uuid from users join chat_sides on user_uuid = uuid group by uuid order by count(*) desc, uuid limit ?"
_PEER = (
    "select peer_uuid from chat_sides join users on uuid = peer_uuid"
    " where user_uuid = ? and is_contactable and last_message_id is not null order by last_message_at desc limit 1"
)
_STRANGER = (
    "select user_uuid from chat_sides where user_uuid != ?"
    " and user_uuid not in (select peer_uuid from chat_sides where user_uuid = ?) order by user_uuid limit 1"
)
_AGENT = (
    "select m.user_uuid from agency_creators c join agency_members m on m.agency_uuid = c.agency_uuid"
    " where c.creator_uuid = ? and m.is_admin order by m.user_uuid limit 1"
)
_ORGANISATIONS = "select id from organisations where environment = 'live' order by number"


def _find_examples() -> Path:
    """The folder that holds the package ``examples``: one that can be imported, or that of the checkout we run from."""
    places = [Path(limen.__file__).resolve().parents[2], Path.cwd()]
    found = find_spec("examples")
    if found is not None and found.submodule_search_locations:
        places[:0] = [Path(place).resolve().parent for place in found.submodule_search_locations]
    for place in places:
        if all((place / each.package.replace(".", "/") / "main.py").is_file() for each in EXAMPLES):
            return place
    raise NotUp(
        "The demo guards the example APIs of a checkout, and 'examples' cannot be imported here."
        " Get the source, and run 'make demo' in it."
    )


def _environment(examples: Path) -> dict[str, str]:
    """This process's environment, without the settings in it that are for another installation or another server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    package = Path(limen.__file__).resolve().parents[1]
    before = [str(Path(place).resolve()) for place in kept.get("PYTHONPATH", "").split(os.pathsep) if place]
    # Absolute, for the processes run in a folder of their own; and nothing is imported from that folder.
    return kept | {"PYTHONPATH": os.pathsep.join([str(package), str(examples), *before]), "PYTHONSAFEPATH": "1"}
